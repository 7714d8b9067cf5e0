"""Random changes to crops of speech that leave its emotion alone: the voices a user has were recorded elsewhere.

All of it happens on a batch [n, samples] at once, filters as products in the frequency domain. Probabilities and
ranges are those of a prototype and have not been ablated one by one.
"""

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from encoders.audio import SAMPLE_RATE

SPEED = 0.12  # speed and pitch together, as a tape: at most this share faster or slower


def crop(
    samples: npt.NDArray[np.float16], seconds: float, rng: np.random.Generator, speed_probability: float = 0.5
) -> npt.NDArray[np.float32]:
    """A random stretch of at most `seconds`, now and then played a little faster or slower."""
    speed = 1.0 + rng.uniform(-SPEED, SPEED) if rng.random() < speed_probability else 1.0
    wanted = round(seconds * SAMPLE_RATE)
    length = min(wanted, int((len(samples) - 1) / speed))
    start = rng.uniform(0.0, max(0.0, len(samples) - 1 - length * speed))
    places = start + speed * np.arange(length)
    first = int(start)
    part = samples[first : int(places[-1]) + 2].astype(np.float32)
    moved: npt.NDArray[np.float32] = np.interp(places - first, np.arange(len(part)), part).astype(np.float32)
    return moved


def batch(crops: list[npt.NDArray[np.float32]]) -> tuple[Tensor, Tensor]:
    """Zero-padded samples [n, longest] and lengths [n]."""
    lengths = torch.tensor([len(part) for part in crops])
    samples = torch.zeros(len(crops), int(lengths.max()))
    for row, part in zip(samples, crops, strict=True):
        row[: len(part)] = torch.from_numpy(part)
    return samples, lengths


def _chance(probability: float, count: int, rng: torch.Generator) -> Tensor:
    return torch.rand(count, 1, generator=rng) < probability


def _uniform(low: float, high: float, count: int, rng: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(count, 1, generator=rng)


def distort(samples: Tensor, lengths: Tensor, rng: torch.Generator) -> Tensor:
    """Band limits, spectral tilt, reverberation, noise and gain; the result keeps the shape of `samples`."""
    count, size = samples.shape
    n_fft = size + SAMPLE_RATE // 2  # room for the reverberation's tail, so that nothing wraps round
    hertz = torch.fft.rfftfreq(n_fft, 1 / SAMPLE_RATE)[None]
    low_pass = 1 / (1 + (hertz / _uniform(2800, 7000, count, rng)) ** 8)
    high_pass = 1 / (1 + (_uniform(80, 350, count, rng) / hertz.clamp(min=1.0)) ** 4)
    octaves = torch.log2(hertz.clamp(min=50.0) / 1000.0)
    tilt = 10 ** (_uniform(-4, 4, count, rng) * octaves / 20)
    response = torch.where(_chance(0.4, count, rng), low_pass, 1.0)
    response = response * torch.where(_chance(0.2, count, rng), high_pass, 1.0)
    response = response * torch.where(_chance(0.3, count, rng), tilt, 1.0)
    spectrum = torch.fft.rfft(samples, n_fft) * response

    # A room as noise that decays by 60 dB within its reverberation time, under the direct sound.
    time = torch.arange(SAMPLE_RATE // 2) / SAMPLE_RATE
    decay = torch.exp(-math.log(1000) * time / _uniform(0.1, 0.5, count, rng))
    room = torch.randn(count, len(time), generator=rng) * decay * _uniform(0.005, 0.03, count, rng)
    room[:, 0] = 1.0
    spectrum = torch.where(_chance(0.25, count, rng), spectrum * torch.fft.rfft(room, n_fft), spectrum)
    changed = torch.fft.irfft(spectrum, n_fft)[:, :size]

    inside = torch.arange(size)[None] < lengths[:, None]
    power = (changed.square() * inside).sum(1, keepdim=True) / lengths[:, None]
    noise = torch.fft.rfft(torch.randn(count, size, generator=rng))
    # White to brown: speech in rooms and cars is rarely disturbed by white noise.
    bins = torch.arange(1, noise.shape[1] + 1)[None] / noise.shape[1]
    noise = torch.fft.irfft(noise * bins ** -_uniform(0, 1, count, rng), size)
    noise = noise / noise.std(dim=1, keepdim=True)
    amount = (power * 10 ** (-_uniform(8, 35, count, rng) / 10)).sqrt()
    changed = torch.where(_chance(0.5, count, rng), changed + amount * noise, changed)
    return changed * 10 ** (_uniform(-6, 6, count, rng) / 20) * inside
