"""Named conditions under which a bundle is judged: what rooms, lines, codecs and recorders do to speech.

Each takes mono samples at 16 kHz and a generator, and gives samples; equal generators give equal samples, and the
input stays as it is. Noise and rooms keep the length and start of the speech, so do codecs.
"""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from scipy import signal

from encoders.audio import SAMPLE_RATE, Samples
from model_export.codec import CODECS, Codec, round_trip

Noise = Literal["white", "brown", "babble"]
Condition = Callable[[Samples, np.random.Generator], Samples]

_TALKERS: Final = 6
_SYLLABLES: Final = 4.0  # a second: the modulation of speech is strongest there


def clean(samples: Samples, rng: np.random.Generator) -> Samples:
    """The samples as they are."""
    return samples.copy()


def noisy(samples: Samples, rng: np.random.Generator, kind: Noise, snr: float) -> Samples:
    """The samples with noise `snr` dB below their own power, both over the whole length.

    White; brown (nothing below 20 Hz, falling by 6 dB an octave above 100 Hz: wind, cars, handling); or babble: noise
    of the long-term spectrum of speech, flat to 500 Hz and falling by 9 dB an octave above, from six talkers with
    syllables of their own. No words are in it.
    """
    noise = _noise(samples.size, kind, rng)
    power = np.mean(samples.astype(np.float64) ** 2)
    scale = np.sqrt(power * 10 ** (-snr / 10) / max(float(np.mean(noise**2)), 1e-30))
    return np.asarray(samples + scale * noise, np.float32)


def reverberant(samples: Samples, rng: np.random.Generator, seconds: float, direct_db: float) -> Samples:
    """The samples in a room, as loud as they were.

    The room is the direct sound and, from 2 ms on, noise that decays by 60 dB in `seconds`; `direct_db` is the energy
    of the first against the second. The tail beyond the end is cut.
    """
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    room = rng.standard_normal(time.size) * 10 ** (-3 * time / seconds)
    room[time < 0.002] = 0.0
    room *= np.sqrt(10 ** (-direct_db / 10) / np.sum(room**2))
    room[0] = 1.0
    heard = signal.fftconvolve(samples.astype(np.float64), room)[: samples.size]
    return np.asarray(heard * (_rms(samples) / max(_rms(heard), 1e-12)), np.float32)


def coded(samples: Samples, rng: np.random.Generator, codec: Codec) -> Samples:
    """The samples through a codec and back."""
    return round_trip(samples, codec)


def telephone(samples: Samples, rng: np.random.Generator) -> Samples:
    """The samples over a telephone line: 300 to 3400 Hz, 8 kHz, mu-law (ITU-T G.711)."""
    band = signal.butter(4, (300.0, 3400.0), "bandpass", fs=SAMPLE_RATE, output="sos")
    return round_trip(np.asarray(signal.sosfilt(band, samples), np.float32), CODECS["mu-law-8k"])


def quiet(samples: Samples, rng: np.random.Generator, db: float) -> Samples:
    """The samples `db` dB quieter, in the steps of 16-bit sound."""
    return np.asarray(np.round(samples * 10 ** (-db / 20) * 32768.0) / 32768.0, np.float32)


def clipped(samples: Samples, rng: np.random.Generator, db: float) -> Samples:
    """The samples so loud that their peak is `db` dB beyond full scale, where they are cut off."""
    peak = float(np.abs(samples).max(initial=0.0))
    return np.asarray(np.clip(samples * (10 ** (db / 20) / max(peak, 1e-9)), -1.0, 1.0), np.float32)


def faster(samples: Samples, rng: np.random.Generator, percent: int) -> Samples:
    """The samples at `percent` of their speed, pitch and all, as a tape: 100 / percent as long."""
    return np.asarray(signal.resample_poly(samples.astype(np.float64), 100, percent), np.float32)


def cut(samples: Samples, rng: np.random.Generator, seconds: float) -> Samples:
    """A random stretch of `seconds`, or all of what is shorter."""
    size = round(seconds * SAMPLE_RATE)
    start = int(rng.integers(max(0, samples.size - size) + 1))
    return samples[start : start + size].copy()


CONDITIONS: Final[Mapping[str, Condition]] = MappingProxyType(
    {
        "clean": clean,
        **{
            f"{kind} noise {snr} dB": partial(noisy, kind=kind, snr=float(snr))
            for kind in ("white", "brown", "babble")
            for snr in (20, 10, 5)
        },
        "small room": partial(reverberant, seconds=0.3, direct_db=6.0),
        "large room": partial(reverberant, seconds=1.2, direct_db=0.0),
        "opus 16 kbit/s": partial(coded, codec=CODECS["opus-16k"]),
        "mp3 32 kbit/s": partial(coded, codec=CODECS["mp3-32k"]),
        "telephone": telephone,
        "20 dB quieter": partial(quiet, db=20.0),
        "clipped by 12 dB": partial(clipped, db=12.0),
        "speed 0.9": partial(faster, percent=90),
        "speed 1.1": partial(faster, percent=110),
        "cut to 2 s": partial(cut, seconds=2.0),
    }
)
"""Every condition by its name, the unchanged samples first."""


def _noise(size: int, kind: Noise, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    if kind == "white":
        return rng.standard_normal(size)
    talkers = _TALKERS if kind == "babble" else 1
    n_fft = size + size % 2  # an odd length would lose its last sample
    hertz = np.fft.rfftfreq(n_fft, 1 / SAMPLE_RATE) if n_fft else np.zeros(0)
    if kind == "babble":
        shape = (np.maximum(hertz, 500.0) / 500.0) ** -1.5
    else:
        shape = (hertz >= 20.0) / np.maximum(hertz, 100.0)
    total = np.zeros(n_fft)
    for _ in range(talkers if n_fft else 0):
        stream = np.fft.irfft(np.fft.rfft(rng.standard_normal(n_fft)) * shape, n_fft)
        if kind == "babble":
            rate, phase = rng.uniform(0.75, 1.25) * _SYLLABLES, rng.uniform(0, 2 * np.pi)
            stream *= np.sin(np.pi * rate * np.arange(n_fft) / SAMPLE_RATE + phase) ** 2
        total += stream
    return total[:size]


def _rms(samples: npt.NDArray[np.floating]) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if samples.size else 0.0
