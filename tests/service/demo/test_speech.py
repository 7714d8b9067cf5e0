"""The spoken sentences: the published rules, and that what is heard follows them, measured on the sound."""

import subprocess
import sys
import time
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoders.affect import Affect
from encoders.audio import Samples
from service.demo import speech
from service.demo.speech import VOICES, SpeechUnavailable, Voice

SENTENCE = "The train to the city leaves at ten past four."
NEUTRAL = Affect(4, 4)
FEMALE, MALE = VOICES[0], VOICES[1]

axes = st.floats(1, 7)


def pitch(samples: Samples, rate: int) -> float:
    """Measure the median pitch in Hz of the voiced frames, by autocorrelation."""
    size = rate // 25
    found = []
    for start in range(0, len(samples) - size, size // 2):
        frame = samples[start : start + size].astype(np.float64)
        if np.sqrt((frame**2).mean()) < 0.08 * np.abs(samples).max():
            continue
        frame -= frame.mean()
        correlation = np.correlate(frame, frame, "full")[size - 1 :] / (size - np.arange(size))
        shortest, longest = rate // 500, rate // 60
        lag = shortest + int(np.argmax(correlation[shortest:longest]))
        if correlation[lag] > 0.6 * correlation[0]:
            found.append(rate / lag)
    return float(np.median(found))


def level(samples: Samples) -> float:
    """Measure the root mean square of the syllables, in dBFS: the louder half of the 20 ms frames."""
    power = np.sort((samples[: len(samples) // 441 * 441].reshape(-1, 441) ** 2).mean(axis=1))
    return float(10 * np.log10(power[len(power) // 2 :].mean()))


def spectral_slope(samples: Samples, rate: int) -> float:
    """Measure the level of 2..8 kHz against that of 100..1000 Hz, in dB."""
    power = np.abs(np.fft.rfft(samples)) ** 2
    frequency = np.fft.rfftfreq(len(samples), 1 / rate)
    high = power[(frequency > 2000) & (frequency < 8000)].sum()
    low = power[(frequency > 100) & (frequency < 1000)].sum()
    return float(10 * np.log10(high / low))


def test_neutral_speech_is_the_voice_as_it_is() -> None:
    assert speech.prosody(NEUTRAL, "female") == speech.Prosody(pitch=1, range=1, rate=1, level=1, slope=0)


def test_rules_give_the_published_values_at_a_corner_of_the_plane() -> None:
    # activation 100, evaluation -100, power 0, worked out by hand from emotion-to-mary.xsl
    angry = speech.prosody(Affect(valence=1, arousal=7), "female")
    assert angry.pitch == pytest.approx(1 + 0.30 - 0.10)
    assert angry.range * 4 == pytest.approx(8)  # semitones
    assert angry.rate == pytest.approx(1 + 0.50 - 0.20)
    assert angry.level * 50 == pytest.approx(83)
    assert angry.slope == pytest.approx(1.10)  # dB/octave
    assert speech.prosody(Affect(1, 7), "male").slope == pytest.approx(0.993)


@given(valence=axes, arousal=axes, more=axes)
def test_more_arousal_never_lowers_any_part_of_the_prosody(valence: float, arousal: float, more: float) -> None:
    calm, excited = sorted((arousal, more))
    low = speech.prosody(Affect(valence, calm), "male")
    high = speech.prosody(Affect(valence, excited), "male")
    for part in ("pitch", "range", "rate", "level", "slope"):
        assert getattr(low, part) <= getattr(high, part)


@given(valence=axes, arousal=axes)
def test_settings_stay_within_what_espeak_takes(valence: float, arousal: float) -> None:
    how = speech.prosody(Affect(valence, arousal), "female")
    setting, pitch_range = speech._espeak_pitch(how)
    assert 0 <= setting <= 99
    assert 0 <= pitch_range <= 99


@pytest.mark.parametrize("voice", [FEMALE, MALE], ids=lambda voice: str(voice.sex))
def test_arousal_makes_the_voice_higher_faster_louder_and_brighter(voice: Voice) -> None:
    heard = [speech.speak(SENTENCE, voice, Affect(4, arousal)) for arousal in (2, 4, 6)]
    pitches = [pitch(*clip) for clip in heard]
    assert 0.75 < pitches[0] / pitches[1] < 0.87  # the rule says 0.80
    assert 1.14 < pitches[2] / pitches[1] < 1.27  # the rule says 1.20
    durations = [len(samples) / rate for samples, rate in heard]
    assert durations[1] / durations[0] == pytest.approx(0.67, abs=0.04)
    assert durations[1] / durations[2] == pytest.approx(1.33, abs=0.06)
    levels = [level(samples) for samples, _ in heard]
    assert levels[0] - levels[1] == pytest.approx(-5.0, abs=0.8)
    assert levels[2] - levels[1] == pytest.approx(+3.2, abs=0.8)
    slopes = [spectral_slope(*clip) for clip in heard]
    assert slopes[0] < slopes[1] < slopes[2]


def test_valence_raises_pitch_and_rate_a_little() -> None:
    sad, glad = (speech.speak(SENTENCE, FEMALE, Affect(valence, 4)) for valence in (2, 6))
    assert 1.08 < pitch(*glad) / pitch(*sad) < 1.22  # the rule says 1.14
    assert 1.2 < len(sad[0]) / len(glad[0]) < 1.45  # the rule says 1.31


@pytest.mark.parametrize("voice", VOICES, ids=lambda voice: str(voice.name))
def test_every_voice_can_be_heard_and_never_clips(voice: Voice) -> None:
    samples, rate = speech.speak(SENTENCE, voice, Affect(7, 7))
    assert rate == 22050
    assert samples.dtype == np.float32
    assert 0.2 < np.abs(samples).max() <= 0.99
    expected = (85, 135) if voice.sex == "male" else (150, 260)
    neutral = pitch(*speech.speak(SENTENCE, voice, NEUTRAL))
    assert expected[0] < neutral < expected[1]


def test_the_same_request_gives_the_same_samples_whatever_was_said_before() -> None:
    first, _ = speech.speak(SENTENCE, MALE, NEUTRAL)
    speech.speak("Something else.", FEMALE, Affect(2, 6))
    time.sleep(1.1)  # left alone, eSpeak seeds its noise with the second of the day
    again, _ = speech.speak(SENTENCE, MALE, NEUTRAL)
    np.testing.assert_array_equal(first, again)


def test_a_text_without_a_word_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing to speak"):
        speech.speak(" ... ", MALE, NEUTRAL)


@pytest.mark.parametrize("voice", VOICES, ids=lambda voice: str(voice.name))
def test_every_variant_is_one_that_espeak_has(voice: Voice) -> None:
    # eSpeak passes over a variant that it does not know, and speaks with the language's plain voice.
    plain = replace(voice, espeak=voice.espeak.partition("+")[0])
    variant, ordinary = (speech.speak("Hello.", one, NEUTRAL)[0] for one in (voice, plain))
    assert len(variant) != len(ordinary) or not np.allclose(variant, ordinary)


def test_an_unknown_voice_is_named_in_the_error() -> None:
    with pytest.raises(SpeechUnavailable, match="no voice called xx-nowhere"):
        speech.speak(SENTENCE, Voice("nobody", "xx-nowhere", "none", "male"), NEUTRAL)


def test_a_helper_that_cannot_be_started_is_a_clear_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(SpeechUnavailable, match=r"cannot be started.*python"):
        speech.speak(SENTENCE, MALE, NEUTRAL)


def test_a_helper_that_dies_is_a_clear_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    crash = tmp_path / "crash.py"
    crash.write_text("import os; os.abort()")
    monkeypatch.setattr(speech, "_HELPER", crash)
    with pytest.raises(SpeechUnavailable, match="its process ended with code -6"):
        speech.speak(SENTENCE, MALE, NEUTRAL)


def test_a_platform_without_espeak_is_told_to_bring_its_own_recordings() -> None:
    # A module that is None in sys.modules cannot be imported: what a missing wheel looks like.
    program = (
        "import sys; sys.modules['espeakng_loader'] = None\n"
        "from service.demo import speech\n"
        "from encoders.affect import Affect\n"
        "try: speech.speak('Hello.', speech.VOICES[0], Affect(4, 4))\n"
        "except speech.SpeechUnavailable as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "espeakng-loader" in done.stdout
    assert "--source FOLDER" in done.stdout


def test_wav_files_hold_the_samples_in_16_bits(tmp_path: Path) -> None:
    samples = np.array([0, 0.5, -0.5, 2, -2], np.float32)
    speech.write_wav(tmp_path / "x.wav", samples, 8000)
    with wave.open(str(tmp_path / "x.wav")) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 8000)
        assert np.frombuffer(file.readframes(9), "<i2").tolist() == [0, 16384, -16384, 32767, -32767]


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="taken"):
        speech.write_atomically(tmp_path / "taken", b"x")
    assert [entry.name for entry in tmp_path.iterdir()] == ["taken"]
