"""Random changes to crops of speech that leave its emotion alone: the voices a user has were recorded elsewhere.

`crop` takes a clip at a time (where, how fast, how high, through which codec), `distort` a batch [n, samples] at once,
filters as products in the frequency domain. Both are functions of their generator. The probabilities and ranges of
`AugmentConfig` are those of a prototype and have not been ablated one by one; what is slow or new is off by default.

Speed and pitch are cues of arousal themselves. So they move by at most LIMIT, about two semitones: less than two
speakers of one sex commonly differ, where an excited voice is half as high again. That is a choice, not a measurement.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from encoders.audio import SAMPLE_RATE
from model_export import codec
from model_export.errors import TrainingError

LIMIT: Final = 0.15
"""The most by which speed, tempo and pitch may be changed, as a share."""

Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class AugmentConfig:
    """How likely each change is for a clip (`*_probability`), and how far it goes.

    `speed` is speed and pitch together, as a tape; `tempo` and `pitch` are apart (each drawn for itself, in place of
    the tape). A codec costs some 30 ms a clip of 2 s and `tempo` 2 ms; all else is some 1 ms in a batch.

    Raises:
        TrainingError: a probability or range that cannot be, or one beyond LIMIT.
    """

    speed_probability: float = 0.5
    speed: float = 0.12
    apart_probability: float = 0.0
    tempo: float = 0.12
    pitch: float = 0.12
    codec_probability: float = 0.0
    low_pass_probability: float = 0.4
    low_pass_hertz: Range = (2800.0, 7000.0)
    high_pass_probability: float = 0.2
    high_pass_hertz: Range = (80.0, 350.0)
    tilt_probability: float = 0.3
    tilt_db: float = 4.0  # an octave
    room_probability: float = 0.25
    room_seconds: Range = (0.1, 0.5)  # reverberation time
    room_level: Range = (0.005, 0.03)  # of the first reflections, against a direct sound of 1
    noise_probability: float = 0.5
    noise_db: Range = (8.0, 35.0)  # signal to noise
    noise_low_hertz: float = 0.0  # at 0 brown noise is mostly offset and rumble, up to 5 dB beyond noise_db
    clipping_probability: float = 0.0
    clipping: Range = (0.2, 0.7)  # of the peak
    gain_db: float = 6.0

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if name.endswith("_probability"):
                if not 0 <= value <= 1:
                    raise TrainingError(f"augmentation: {name} is {value}; a probability lies between 0 and 1")
            elif isinstance(value, tuple) and not (len(value) == 2 and 0 < value[0] <= value[1] < math.inf):
                raise TrainingError(f"augmentation: {name} is {value}; a range is two rising numbers above 0")
        for name in ("tilt_db", "noise_low_hertz", "gain_db"):
            if not 0 <= (value := getattr(self, name)) < SAMPLE_RATE / 2:
                raise TrainingError(f"augmentation: {name} is {value}; it must be a number of 0 or more")
        for name in ("speed", "tempo", "pitch"):
            if not 0 <= (share := getattr(self, name)) <= LIMIT:
                raise TrainingError(
                    f"augmentation: {name} is {share}; beyond {LIMIT} it would change how the speech feels"
                )


DEFAULT: Final = AugmentConfig()


def crop(
    samples: npt.NDArray[np.float16] | npt.NDArray[np.float32],
    seconds: float,
    rng: np.random.Generator,
    config: AugmentConfig = DEFAULT,
) -> npt.NDArray[np.float32]:
    """A random stretch of at most `seconds`, now and then a little faster, higher, or through a codec."""
    speed = pitch = 1.0
    if config.apart_probability and rng.random() < config.apart_probability:
        speed += rng.uniform(-config.tempo, config.tempo)
        pitch += rng.uniform(-config.pitch, config.pitch)
    elif rng.random() < config.speed_probability:
        speed = pitch = 1.0 + rng.uniform(-config.speed, config.speed)
    wanted = round(seconds * SAMPLE_RATE)
    length = min(wanted, int((len(samples) - 1) / speed))
    # The tape runs at `pitch` over what the tempo then brings to the length asked for.
    taped = round(length * speed / pitch)
    start = rng.uniform(0.0, max(0.0, len(samples) - 1 - taped * pitch))
    places = start + pitch * np.arange(taped)
    first = int(start)
    part = samples[first : int(places[-1]) + 2].astype(np.float32)
    moved: npt.NDArray[np.float32] = np.interp(places - first, np.arange(len(part)), part).astype(np.float32)
    if speed != pitch:
        moved = codec.tempo(moved, speed / pitch)[:wanted]
    if config.codec_probability and rng.random() < config.codec_probability:
        kinds = tuple(codec.CODECS.values())
        # At a level at which codecs are used: what is stored may lie far below or beyond full scale.
        scale = 0.5 / max(float(np.abs(moved).max(initial=0.0)), 1e-6)
        moved = codec.round_trip(moved * scale, kinds[int(rng.integers(len(kinds)))]) / np.float32(scale)
    return moved


def batch(crops: list[npt.NDArray[np.float32]]) -> tuple[Tensor, Tensor]:
    """Zero-padded samples [n, longest] and lengths [n]."""
    lengths = torch.tensor([len(part) for part in crops])
    samples = torch.zeros(len(crops), int(lengths.max()))
    for row, part in zip(samples, crops, strict=True):
        row[: len(part)] = torch.from_numpy(part)
    return samples, lengths


def distort(samples: Tensor, lengths: Tensor, rng: torch.Generator, config: AugmentConfig = DEFAULT) -> Tensor:
    """Band limits, spectral tilt, reverberation, noise, clipping and gain; the result keeps the shape of `samples`.

    All of it happens on the device of `samples`, which must be that of `rng`.
    """
    count, size = samples.shape
    device = samples.device

    def chance(probability: float) -> Tensor:
        return torch.rand(count, 1, generator=rng, device=device) < probability

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, 1, generator=rng, device=device)

    n_fft = size + SAMPLE_RATE // 2  # room for the reverberation's tail, so that nothing wraps round
    hertz = torch.fft.rfftfreq(n_fft, 1 / SAMPLE_RATE, device=device)[None]
    low_pass = 1 / (1 + (hertz / uniform(*config.low_pass_hertz)) ** 8)
    high_pass = 1 / (1 + (uniform(*config.high_pass_hertz) / hertz.clamp(min=1.0)) ** 4)
    octaves = torch.log2(hertz.clamp(min=50.0) / 1000.0)
    tilt = 10 ** (uniform(-config.tilt_db, config.tilt_db) * octaves / 20)
    response = torch.where(chance(config.low_pass_probability), low_pass, 1.0)
    response = response * torch.where(chance(config.high_pass_probability), high_pass, 1.0)
    response = response * torch.where(chance(config.tilt_probability), tilt, 1.0)
    spectrum = torch.fft.rfft(samples, n_fft) * response

    # A room as noise that decays by 60 dB within its reverberation time, under the direct sound.
    time = torch.arange(SAMPLE_RATE // 2, device=device) / SAMPLE_RATE
    decay = torch.exp(-math.log(1000) * time / uniform(*config.room_seconds))
    room = torch.randn(count, len(time), generator=rng, device=device) * decay * uniform(*config.room_level)
    room[:, 0] = 1.0
    spectrum = torch.where(chance(config.room_probability), spectrum * torch.fft.rfft(room, n_fft), spectrum)
    changed = torch.fft.irfft(spectrum, n_fft)[:, :size]

    inside = torch.arange(size, device=device)[None] < lengths[:, None].to(device)
    power = (changed.square() * inside).sum(1, keepdim=True) / inside.sum(1, keepdim=True)
    noise = torch.fft.rfft(torch.randn(count, size, generator=rng, device=device))
    # White to brown: speech in rooms and cars is rarely disturbed by white noise.
    bins = torch.arange(1, noise.shape[1] + 1, device=device)[None] / noise.shape[1]
    audible = torch.fft.rfftfreq(size, 1 / SAMPLE_RATE, device=device) >= config.noise_low_hertz
    noise = torch.fft.irfft(noise * bins ** -uniform(0, 1) * audible, size)
    noise = noise / noise.std(dim=1, keepdim=True)
    amount = (power * 10 ** (-uniform(*config.noise_db) / 10)).sqrt()
    changed = torch.where(chance(config.noise_probability), changed + amount * noise, changed)
    if config.clipping_probability:
        peak = (changed * inside).abs().amax(dim=1, keepdim=True)
        bound = torch.where(chance(config.clipping_probability), peak * uniform(*config.clipping), peak)
        changed = changed.clamp(-bound, bound)
    return changed * 10 ** (uniform(-config.gain_db, config.gain_db) / 20) * inside
