"""Rank agreement, concordance, and bootstrap intervals."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.stats import kendalltau

Floats = npt.NDArray[np.float32]


def ccc(x: Floats, y: Floats) -> float:
    """Lin's concordance correlation coefficient (1989)."""
    return float(2 * np.cov(x, y, bias=True)[0, 1] / (x.var() + y.var() + (x.mean() - y.mean()) ** 2))


def tau(x: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """Kendall's tau-b."""
    return float(kendalltau(x, y).statistic)


def interval(
    statistic: Callable[[npt.NDArray[np.int64]], float], count: int, rounds: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """95 % bootstrap percentiles of a statistic of resampled indices."""
    rng = np.random.default_rng(seed)
    values = [statistic(rng.integers(count, size=count)) for _ in range(rounds)]
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return round(float(low), 3), round(float(high), 3)
