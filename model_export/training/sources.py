"""Where the clips of a batch come from: waveforms, cropped and augmented anew each time, or kept statistics."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, Self, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from encoders.audio import SAMPLE_RATE
from model_export import augment, data
from model_export.augment import AugmentConfig
from model_export.manifest import Row
from model_export.towers import WIN_DUR, AudioTower
from model_export.training.config import Config

Indices = npt.NDArray[np.int64]
Crop = npt.NDArray[np.float32]


class Source(Protocol):
    """Clips by their place in the list of rows, as tensors that `embed` takes."""

    def draw(self, clips: Indices, rng: np.random.Generator) -> tuple[Tensor, ...]:
        """The clips as training hears them."""
        ...

    def plain(self, clips: Indices) -> tuple[Tensor, ...]:
        """The clips as validation hears them: the first window, unchanged."""
        ...

    def embed(self, tower: AudioTower, heard: tuple[Tensor, ...]) -> Tensor:
        """Unit embeddings [n, dim]."""
        ...


@dataclass(frozen=True, slots=True)
class Waveforms:
    """A `Source` of samples [n, longest] at 16 kHz and lengths [n]."""

    samples: Sequence[npt.NDArray[np.float16]]
    crop_seconds: tuple[float, float]
    augmentation: AugmentConfig
    threads: int

    @classmethod
    def of(cls, rows: Sequence[Row], config: Config) -> Self:
        """The clips of rows, decoded now or when they are drawn, as the configuration says."""
        in_memory = config.data.keep == "memory"
        samples = data.load(rows, config.threads) if in_memory else data.OnDisk(rows)
        return cls(samples, config.data.crop_seconds, config.augmentation, config.threads)

    def draw(self, clips: Indices, rng: np.random.Generator) -> tuple[Tensor, ...]:
        """Random crops, all of one length in seconds, distorted."""
        seconds = float(rng.uniform(*self.crop_seconds))
        seeds = rng.spawn(len(clips))
        noise = torch.Generator().manual_seed(int(rng.integers(2**62)))
        crops = self._each(
            lambda k: augment.crop(self.samples[clips[k]], seconds, seeds[k], self.augmentation), len(clips)
        )
        samples, lengths = augment.batch(crops)
        return augment.distort(samples, lengths, noise, self.augmentation), lengths

    def plain(self, clips: Indices) -> tuple[Tensor, ...]:
        """The first window of each clip."""
        limit = round(WIN_DUR * SAMPLE_RATE)
        return augment.batch(self._each(lambda k: self.samples[clips[k]][:limit].astype(np.float32), len(clips)))

    def embed(self, tower: AudioTower, heard: tuple[Tensor, ...]) -> Tensor:
        """Unit embeddings [n, dim]."""
        return cast(Tensor, tower(*heard))

    def _each(self, made: Callable[[int], Crop], count: int) -> list[Crop]:
        if isinstance(self.samples, list):
            return [made(k) for k in range(count)]
        with ThreadPoolExecutor(self.threads) as pool:
            return list(pool.map(made, range(count)))
