"""Speak a sentence so that it carries an affect: eSpeak NG driven by published rules.

The rules are linear in activation (our arousal), evaluation (our valence) and power, each -100..100. They
are Marc Schröder's: "Speech and Emotion Research: An Overview of Research Frameworks and a Dimensional
Approach to Emotional Speech Synthesis" (PhD thesis, Phonus 7, Saarland University, 2004) and "Expressing
degree of activation in synthetic speech" (IEEE Transactions on Audio, Speech, and Language Processing 14(4),
1128-1136, 2006, doi:10.1109/TASL.2006.876118). The coefficients below were checked against the published
implementation of those rules, `emotion-to-mary.xsl` of MARY TTS's EmoSpeak, not against the printed tables:

    pitch   +0.3 activation +0.1 evaluation -0.1 power    percent of the voice's own
    range   4 + 0.04 activation                           semitones; used here relative to the neutral 4
    rate    +0.5 activation +0.2 evaluation               percent of the voice's own
    volume  50 + 0.33 activation                          of 100, in amplitude; relative to the neutral 50

The spectral slope follows Schröder, Cowie, Douglas-Cowie, Westerdijk and Gielen, "Acoustic Correlates of
Emotion Dimensions in View of Speech Synthesis" (Eurospeech 2001, doi:10.21437/Eurospeech.2001-34): +0.0110
(female) or +0.00993 (male) dB/octave per unit of activation, as a transcription of its tables 1 and 2 has it.

Our own choices: power is held at its neutral 0, for the plane has no third axis; of the slope's regression
only the term linear in activation is used, since the squared one would brighten subdued voices again; volume
is read as linear in amplitude; neutral speech is 175 words a minute (eSpeak's default) at -26 dBFS. The rules
for pauses, accents, contour and the length of phoneme classes have no handle in eSpeak's interface and are
left out.
"""

import json
import math
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar, Final, Literal

import numpy as np

from encoders.affect import Affect
from encoders.audio import Samples
from encoders.errors import EmotionRankError
from service.wav import wav

NEUTRAL_RATE: Final = 175.0  # words a minute
NEUTRAL_LEVEL: Final = -26.0  # dBFS, the root mean square of the voiced stretches
FASTEST, SLOWEST = 450, 80  # words a minute: eSpeak's own limits without its time-stretcher
PART: Final = ".part"  # the suffix of a file that is being written
TIMEOUT: Final = 30.0  # seconds for one sentence, which takes a few hundredths of one

_SLOPE_PER_ACTIVATION: Final[Mapping[str, float]] = {"female": 0.0110, "male": 0.00993}
_SLOPE_PIVOT: Final = 1000.0  # Hz: the slope turns about this frequency
_SLOPE_FLOOR: Final = 60.0  # Hz: flat below, where there is no speech
_HELPER: Final = Path(__file__).with_name("espeak.py")


class SpeechUnavailable(EmotionRankError):  # noqa: N818 - the tree's naming, see encoders.errors
    """eSpeak NG is not installed here, or cannot speak."""

    code: ClassVar[str] = "speech-unavailable"


@dataclass(frozen=True, slots=True)
class Voice:
    """One synthetic speaker: its name here, its name in eSpeak NG (language+variant), its accent and sex."""

    name: str
    espeak: str
    accent: str
    sex: Literal["female", "male"]


VOICES: Final[tuple[Voice, ...]] = (
    Voice("ada", "en-us+f2", "American", "female"),
    Voice("ben", "en-us+m3", "American", "male"),
    Voice("cleo", "en+f4", "British", "female"),
    Voice("dan", "en+m7", "British", "male"),
    Voice("eve", "en-gb-x-rp+f5", "Received Pronunciation", "female"),
    Voice("finn", "en-gb-scotland+m2", "Scottish", "male"),
    Voice("gail", "en-us+f3", "American", "female"),
    Voice("hugh", "en-gb-x-rp+m4", "Received Pronunciation", "male"),
)


@dataclass(frozen=True, slots=True)
class Prosody:
    """How a sentence is to be spoken, relative to the voice's neutral speech.

    pitch, rate, level: factors on the mean pitch, the speaking rate and the amplitude. range: factor on the
    pitch range in semitones. slope: dB/octave added to the spectrum.
    """

    pitch: float
    range: float
    rate: float
    level: float
    slope: float


def prosody(affect: Affect, sex: Literal["female", "male"]) -> Prosody:
    """Apply the published rules: how speech of this affect differs from neutral speech."""
    evaluation, activation = (100 * axis for axis in affect.to_unit())
    return Prosody(
        pitch=1 + (0.3 * activation + 0.1 * evaluation) / 100,
        range=(4 + 0.04 * activation) / 4,
        rate=1 + (0.5 * activation + 0.2 * evaluation) / 100,
        level=(50 + 0.33 * activation) / 50,
        slope=_SLOPE_PER_ACTIVATION[sex] * activation,
    )


def speak(text: str, voice: Voice, affect: Affect) -> tuple[Samples, int]:
    """Speak `text`; mono float32 samples within -1..1 and their rate in Hz.

    The same arguments give the same samples on one machine. Takes about 50 ms; several threads may call it.
    Raises SpeechUnavailable when eSpeak NG is not there or fails, ValueError for a text without a word.
    """
    if not any(character.isalnum() for character in text):
        raise ValueError(f"nothing to speak in {text!r}")
    how = prosody(affect, voice.sex)
    samples, rate = _espeak(text, voice, how)
    if not samples.any():
        raise SpeechUnavailable(f"eSpeak NG spoke {text!r} with voice {voice.espeak} as silence.")
    return _shape(samples, rate, how), rate


def write_wav(path: Path, samples: Samples, rate: int) -> None:
    """Write 16-bit mono WAV, in one step as `write_atomically` does."""
    write_atomically(path, wav(samples, rate))


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file that is whole or not there, whatever happens meanwhile. Raises OSError."""
    temporary = path.with_name(f".{path.name}{PART}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@cache
def _library() -> tuple[str, str]:
    """Find the paths of eSpeak NG's shared library and of its voice data."""
    advice = "Give your own recordings instead: emotionrank demo --source FOLDER --library DIR."
    try:
        import espeakng_loader
    except ImportError as error:
        raise SpeechUnavailable(
            f"The package espeakng-loader, which carries eSpeak NG, is not installed ({error}); it may have "
            f"no wheel for this platform. {advice}"
        ) from error
    library, data = (
        Path(espeakng_loader.get_library_path()),
        Path(espeakng_loader.__file__).parent / "espeak-ng-data",
    )
    for path in (library, data):
        if not path.exists():
            raise SpeechUnavailable(f"eSpeak NG is incomplete: {path} is not there. {advice}")
    return str(library), str(data)


def _espeak(text: str, voice: Voice, how: Prosody) -> tuple[Samples, int]:
    library, data = _library()
    pitch, pitch_range = _espeak_pitch(how)
    request = {
        "library": library,
        "data": data,
        "voice": voice.espeak,
        "text": text,
        "rate": round(min(max(NEUTRAL_RATE * how.rate, SLOWEST), FASTEST)),
        "pitch": pitch,
        "range": pitch_range,
    }
    try:
        helper = subprocess.run(
            [sys.executable, "-I", "-S", str(_HELPER)],
            input=json.dumps(request).encode(),
            capture_output=True,
            timeout=TIMEOUT,
            check=False,
            # Ctrl-C is for this process, which then ends the helper.
            start_new_session=True,
        )
    except OSError as error:
        raise SpeechUnavailable(f"The helper program that speaks cannot be started: {error}.") from error
    except subprocess.TimeoutExpired as error:
        raise SpeechUnavailable(f"eSpeak NG did not finish {text!r} within {TIMEOUT:.0f} s.") from error
    if helper.returncode != 0:
        said = helper.stderr.decode(errors="replace").strip().splitlines()
        reason = said[-1] if said else f"its process ended with code {helper.returncode}"
        raise SpeechUnavailable(f"eSpeak NG could not speak {text!r} with the voice {voice.espeak}: {reason}.")
    rate, _, pcm = helper.stdout.partition(b"\n")
    return np.frombuffer(pcm, np.int16).astype(np.float32) / np.float32(32768), int(rate)


def _espeak_pitch(how: Prosody) -> tuple[int, int]:
    """Work out the settings for pitch and range (0..99, 50 neutral) that reach the wanted mean and range.

    eSpeak's pitch setting p scales the lowest pitch by 2^((p - 50) / 50), its range setting r stretches the
    range in Hz by r / 50. Measured on a female and a male voice, which agree within 2 %, the mean pitch is
    then 0.66 * 2^((p - 50) / 50) + 0.20 + 0.14 * r / 50 of the neutral one.
    """
    stretch = min(how.pitch * how.range, 99 / 50)
    lowest = (how.pitch - 0.20 - 0.14 * stretch) / 0.66
    return min(max(round(50 + 50 * math.log2(lowest)), 0), 99), min(round(50 * stretch), 99)


def _shape(samples: Samples, rate: int, how: Prosody) -> Samples:
    """Tilt the spectrum and set the level, without ever clipping."""
    # Zeros at the end keep what the filter smears from coming round to the beginning.
    size = len(samples) + rate // 10
    frequencies = np.maximum(np.fft.rfftfreq(size, 1 / rate), _SLOPE_FLOOR)
    gains = 10 ** (how.slope * np.log2(frequencies / _SLOPE_PIVOT) / 20)
    shaped = np.fft.irfft(np.fft.rfft(samples, size) * gains, size)[: len(samples)]
    shaped *= how.level * 10 ** (NEUTRAL_LEVEL / 20) / _voiced_level(shaped, rate)
    return np.asarray(shaped / max(1.0, float(np.abs(shaped).max()) / 0.99), np.float32)


def _voiced_level(samples: np.ndarray[tuple[int, ...], np.dtype[np.float64]], rate: int) -> float:
    """Root mean square over the 25 ms frames within 30 dB of the loudest: pauses do not count."""
    frame = rate // 40
    frames = samples[: len(samples) // frame * frame].reshape(-1, frame)
    power = (frames**2).mean(axis=1)
    return float(np.sqrt(power[power > power.max() / 1000].mean()))
