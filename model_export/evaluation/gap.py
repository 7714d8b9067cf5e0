"""The modality gap: how far apart the clips' and the texts' embeddings lie in the shared space.

- *MMD*: the root of the squared maximum mean discrepancy (Gretton et al. 2012, the biased estimate of its eq. 5), with
  the Gaussian kernel exp(-|x-y|^2 / (2 s^2)); s^2 is the median squared distance of the pooled points (the median
  heuristic). Being biased it is not 0 for finite draws of one distribution: about sqrt(0.4 (1/n + 1/m)).
  `mmd_squared` is its square, which some papers report under the same name.
- *sliced Wasserstein*: the mean over SLICES random directions of the 1-Wasserstein distance between the projections
  (a shift of unit length in d dimensions costs about 0.8 / sqrt(d)).
- *centroid distance*: between the two means.

Sides larger than LIMIT points are subsampled with the seed, so that memory stays bounded.
"""

from typing import Any

import numpy as np
from scipy.spatial.distance import cdist
from scipy.stats import wasserstein_distance

from model_export.evaluation.measures import Floats

LIMIT = 2000
SLICES = 128
DRAWN = 300


def modality_gap(audio: Floats, text: Floats, seed: int = 0) -> dict[str, Any]:
    """The gap between two sets of embeddings, [n, dim] and [m, dim]."""
    rng = np.random.default_rng(seed)
    x, y = subsample(audio, rng), subsample(text, rng)
    value, bandwidth = mmd(x, y)
    return {
        "mmd": round(value, 3),
        "mmd_squared": round(value**2, 4),
        "kernel": "exp(-|x-y|^2 / (2 s^2)), s^2 the median squared distance of the pooled points",
        "bandwidth": round(bandwidth, 4),
        "sliced_wasserstein": round(sliced_wasserstein(x, y, seed), 4),
        "centroid_distance": round(float(np.linalg.norm(audio.mean(0) - text.mean(0))), 3),
        "audio": len(x),
        "text": len(y),
    }


def drawn(audio: Floats, text: Floats) -> dict[str, Any]:
    """Pairs of embeddings, [n, dim] each, for a figure: at most DRAWN of them, spread evenly over the rows.

    `audio` and `text` [m, 2] are their places on the two principal axes of all of them, which hold `share` of the
    variance; `along` [2, m] is how far each lies along the line from the clips' mean (0) to the texts' (1).
    """
    picked = np.unique(np.linspace(0, len(audio) - 1, min(len(audio), DRAWN)).round().astype(int))
    pooled = np.concatenate([audio[picked], text[picked]]).astype(np.float64)
    _, sizes, axes = np.linalg.svd(pooled - pooled.mean(axis=0), full_matrices=False)
    places = (pooled - pooled.mean(axis=0)) @ axes[:2].T
    start, gap = audio.mean(axis=0, dtype=np.float64), (text - audio).mean(axis=0, dtype=np.float64)
    along = (pooled - start) @ gap / max(float(gap @ gap), np.finfo(np.float64).tiny)
    return {
        "audio": np.round(places[: len(picked)], 4).tolist(),
        "text": np.round(places[len(picked) :], 4).tolist(),
        "along": np.round(along.reshape(2, -1), 4).tolist(),
        "share": round(float((sizes[:2] ** 2).sum() / max(float((sizes**2).sum()), np.finfo(np.float64).tiny)), 3),
    }


def subsample(points: Floats, rng: np.random.Generator) -> Floats:
    """The points, or LIMIT of them drawn without replacement where there are more."""
    if len(points) <= LIMIT:
        return points
    return points[np.sort(rng.choice(len(points), LIMIT, replace=False))]


def mmd(x: Floats, y: Floats) -> tuple[float, float]:
    """The MMD of two sets of points, and the kernel's width s; (0, 0) where all points are one."""
    pooled = np.concatenate([x, y])
    squares = cdist(pooled, pooled, "sqeuclidean")
    apart = squares[squares > 0]
    if not apart.size:
        return 0.0, 0.0
    width = float(np.median(apart))
    kernel = np.exp(squares / (-2 * width), out=squares)
    n = len(x)
    squared = kernel[:n, :n].mean() + kernel[n:, n:].mean() - 2 * kernel[:n, n:].mean()
    return float(np.sqrt(max(squared, 0.0))), float(np.sqrt(width))


def sliced_wasserstein(x: Floats, y: Floats, seed: int = 0) -> float:
    """The mean 1-Wasserstein distance between the projections on SLICES random directions."""
    directions = np.random.default_rng(seed).normal(size=(x.shape[1], SLICES))
    directions /= np.linalg.norm(directions, axis=0)
    one, other = x @ directions, y @ directions
    return float(np.mean([wasserstein_distance(one[:, k], other[:, k]) for k in range(SLICES)]))
