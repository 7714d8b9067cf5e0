"""Draws captions of a pool by their place: evenly over the plane, or near a clip's own affect."""

import numpy as np
import numpy.typing as npt

from model_export.captions.caption import Caption


class Sampler:
    """Draws captions from a pool by their place: (valence, arousal, dominance), each 1..7."""

    def __init__(self, captions: list[Caption], spread: float = 0.35, cell: float = 0.5) -> None:
        self.places: npt.NDArray[np.float64] = np.array([(*caption.affect, caption.dominance) for caption in captions])
        self.spread = spread
        # The far edges of the scale (7) belong to the last cells.
        cells = np.floor(np.minimum(self.places[:, :2], 7 - 1e-9) / cell).astype(int)
        _, cell_of, sizes = np.unique(cells, axis=0, return_inverse=True, return_counts=True)
        weights = 1.0 / sizes[cell_of.ravel()]
        self.even: npt.NDArray[np.float64] = weights / weights.sum()
        self._cumulative = np.cumsum(self.even)
        # One contiguous row an axis: `near` is called once a clip and step.
        self._axes = np.ascontiguousarray(self.places.T, dtype=np.float32)
        self._even = (self.even / self.even.max()).astype(np.float32)

    def near(self, place: npt.NDArray[np.float64], rng: np.random.Generator) -> int:
        """The index of a caption drawn with a Gaussian of width `spread` around the place, evenly over the plane.

        An axis of the place that is nan (a corpus without dominance), or not given, does not count.
        """
        square = np.zeros(self._axes.shape[1], dtype=np.float32)
        for axis, value in zip(self._axes, np.asarray(place, dtype=np.float32), strict=False):
            if not np.isnan(value):
                difference = axis - value
                square += difference * difference
        square -= square.min()
        square *= -1 / (2 * self.spread**2)
        weights = np.cumsum(np.exp(square) * self._even, dtype=np.float64)
        return _draw(weights, rng.random())

    def anywhere(self, count: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
        """Indices of captions spread evenly over the cells of the plane that the pool covers."""
        found = np.searchsorted(self._cumulative, rng.random(count) * self._cumulative[-1], side="right")
        drawn: npt.NDArray[np.int64] = np.minimum(found, len(self.even) - 1)
        return drawn


def _draw(cumulative: npt.NDArray[np.float64], random: float) -> int:
    """The index whose share of the cumulative weights a random number in 0..1 falls into."""
    found = int(np.searchsorted(cumulative, random * cumulative[-1], side="right"))
    return min(found, len(cumulative) - 1)
