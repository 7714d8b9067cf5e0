"""Agreement of numbers with labels: rank correlation, concordance, bias, error, and bootstrap intervals.

All take arrays of one length and return plain floats; what cannot be said (one value only) is nan, never a warning.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import kendalltau

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]


def tau(x: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """Kendall's tau-b; nan where one side has a single value."""
    if len(np.unique(x)) < 2 or len(np.unique(y)) < 2:
        return math.nan  # SciPy says so too, but divides by zero for two points
    return float(kendalltau(x, y).statistic)


def ccc(x: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """Lin's concordance correlation coefficient (1989): 2 s_xy / (s_x^2 + s_y^2 + (mean difference)^2)."""
    one, other = np.asarray(x, np.float64), np.asarray(y, np.float64)
    spread = one.var() + other.var() + (one.mean() - other.mean()) ** 2
    return float(2 * np.cov(one, other, bias=True)[0, 1] / spread) if spread > 0 else math.nan


def bias(found: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """How far the numbers found lie above their labels, on average."""
    return float((np.asarray(found, np.float64) - np.asarray(labels, np.float64)).mean())


def mae(found: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """Mean absolute error."""
    return float(np.abs(np.asarray(found, np.float64) - np.asarray(labels, np.float64)).mean())


def interval(
    statistic: Callable[[Indices], float], count: int, rounds: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """95 % bootstrap percentiles of a statistic of resampled indices; resamples of which it says nan do not count."""
    rng = np.random.default_rng(seed)
    return percentiles([statistic(rng.integers(count, size=count)) for _ in range(rounds)])


def percentiles(values: list[float]) -> tuple[float, float]:
    """The 2.5th and 97.5th percentile of the values that are numbers; (nan, nan) where none is."""
    kept = [value for value in values if not math.isnan(value)]
    if not kept:
        return math.nan, math.nan
    low, high = np.percentile(kept, [2.5, 97.5])
    return round(float(low), 3), round(float(high), 3)


def plain(value: Any) -> Any:
    """The value with numbers of NumPy as Python's, tuples as lists, keys as text, and None for nan and infinity."""
    if isinstance(value, dict):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return round(value, 4) if math.isfinite(value) else None
    return value
