"""Peaks of a sound, for drawing it: how loud each of N equal stretches of it is, while it streams by.

    peaks = Peaks()
    for piece in pieces: peaks.push(piece)
    peaks.columns(400)

Memory is bounded whatever the length, and the length need not be known before: the loudest sample of every short
stretch is kept, and whenever there are too many stretches, each two become one.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from encoders.audio import SAMPLE_RATE, Samples

MAX_COLUMNS: Final = 2000
_FIRST: Final = 16  # samples of a stretch at first: 1 ms
_MOST: Final = 8 * MAX_COLUMNS  # stretches that are kept; even


class Peaks:
    """The loudest samples of a sound that is mono at 16 kHz."""

    def __init__(self) -> None:
        self._peaks = np.zeros(_MOST, np.float32)
        self._count = 0  # stretches that are full
        self._stretch = _FIRST
        self._rest: Samples = np.zeros(0, np.float32)
        self._samples = 0

    @property
    def seconds(self) -> float:
        """How much sound there was so far."""
        return self._samples / SAMPLE_RATE

    def push(self, samples: Samples) -> None:
        """Take the next piece, of any length."""
        self._samples += samples.size
        rest = np.concatenate([self._rest, np.abs(samples)])
        while rest.size >= self._stretch:
            if self._count == _MOST:
                self._count //= 2
                self._peaks[: self._count] = self._peaks.reshape(-1, 2).max(axis=1)
                self._stretch *= 2
                continue
            full = min(rest.size // self._stretch, _MOST - self._count)
            taken = full * self._stretch
            self._peaks[self._count : self._count + full] = rest[:taken].reshape(full, -1).max(axis=1)
            self._count += full
            rest = rest[taken:]
        self._rest = rest.copy()

    def columns(self, count: int) -> list[float]:
        """Return the loudest sample of each of `count` equal parts (1..MAX_COLUMNS), 0..1 where 1 is full scale."""
        assert 1 <= count <= MAX_COLUMNS, count
        peaks = self._peaks[: self._count]
        if self._rest.size:
            peaks = np.append(peaks, self._rest.max())
        if not peaks.size:
            return [0.0] * count
        edges = np.arange(count) * peaks.size / count
        begins = edges.astype(np.int64)
        ends = np.maximum(np.ceil(edges + peaks.size / count).astype(np.int64), begins + 1).clip(max=peaks.size)
        loudest: npt.NDArray[np.float32] = np.array(
            [peaks[begin:end].max() for begin, end in zip(begins, ends, strict=True)]
        )
        return [round(value, 3) for value in np.minimum(loudest, 1.0).tolist()]
