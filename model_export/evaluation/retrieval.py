"""Retrieval across the modalities: captions that look for clips, and clips that look for captions.

The two match when their affect lies within `radius` of each other (Euclidean, on 1..7). *recall@k* is what cross-modal
retrieval calls so: the share of queries with at least one match among the first k. *mAP* is the mean over queries of
the average precision of the whole ranking. Both stand beside what a random ranking would give; queries that nothing
matches cannot be judged, and are counted as `unmatched`.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

from model_export.evaluation.measures import Floats

DEPTHS = (1, 5, 10)

_BLOCK = 2**22  # similarities held at once

Flags = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.float64]


def retrieval_scores(clips: Floats, places: Floats, captions: Floats, targets: Floats, radius: float) -> dict[str, Any]:
    """Both directions; `clips` and `captions` are embeddings [n, dim], [m, dim], the others affect [n, 2], [m, 2]."""
    return {
        "radius": radius,
        "text_to_audio": one_way(captions, targets, clips, places, radius),
        "audio_to_text": one_way(clips, places, captions, targets, radius),
    }


def one_way(queries: Floats, wanted: Floats, found: Floats, places: Floats, radius: float) -> dict[str, Any]:
    """recall@k and mAP of queries (embedding, affect) over what can be found (embedding, affect)."""
    size = max(1, _BLOCK // len(found))
    parts = []
    for begin in range(0, len(queries), size):
        block = slice(begin, begin + size)
        order = np.argsort(-(queries[block] @ found.T), axis=1, kind="stable")
        distance = np.linalg.norm(wanted[block, None, :].astype(np.float64) - places[None, :, :], axis=2)
        parts.append(_judge(np.take_along_axis(distance <= radius, order, axis=1)))
    first, precision, matches = (np.concatenate(column) for column in zip(*parts, strict=True))
    judged = matches > 0
    scores: dict[str, Any] = {"queries": int(judged.sum()), "unmatched": int((~judged).sum())}
    if not judged.any():
        nothing = dict.fromkeys(map(str, DEPTHS))
        return {**scores, "recall": nothing, "recall_by_chance": nothing, "map": None, "map_by_chance": None}
    first, precision, matches = first[judged], precision[judged], matches[judged]
    return {
        **scores,
        "recall": {str(k): round(float((first < k).mean()), 3) for k in DEPTHS},
        "recall_by_chance": {str(k): round(float(recall_by_chance(matches, len(found), k).mean()), 3) for k in DEPTHS},
        "map": round(float(precision.mean()), 3),
        "map_by_chance": round(float(precision_by_chance(matches, len(found)).mean()), 3),
    }


def _judge(hits: Flags) -> tuple[Numbers, Numbers, Numbers]:
    """For each ranking of matches and others: the first match's position, the average precision, and the matches."""
    matches = hits.sum(axis=1)
    first = np.where(matches > 0, hits.argmax(axis=1), hits.shape[1])
    return first.astype(np.float64), average_precision(hits), matches.astype(np.float64)


def average_precision(hits: Flags) -> Numbers:
    """The average precision of each ranking (a row, best first: is it a match?); 0 for a row without a match."""
    so_far = np.cumsum(hits, axis=1)
    precision = np.where(hits, so_far / np.arange(1, hits.shape[1] + 1), 0.0)
    total: Numbers = precision.sum(axis=1) / np.maximum(so_far[:, -1], 1)
    return total


def recall_by_chance(matches: Numbers, count: int, k: int) -> Numbers:
    """The chance that a random order of `count` has one of its `matches` among the first k."""
    others = count - matches
    k = min(k, count)
    miss = np.zeros(len(matches))
    able = others >= k
    # C(others, k) / C(count, k), by logarithms
    left = others[able]
    miss[able] = np.exp(gammaln(left + 1) - gammaln(left - k + 1) - gammaln(count + 1) + gammaln(count - k + 1))
    return 1.0 - miss


def precision_by_chance(matches: Numbers, count: int) -> Numbers:
    """The expected average precision of a random order of `count` that holds `matches`, at least one."""
    # Given a match at rank i, each of the i-1 before it is one with probability (matches-1) / (count-1).
    harmonic = float((1.0 / np.arange(1, count + 1)).sum())
    if count == 1:
        return np.ones(len(matches))
    return (harmonic + (matches - 1) / (count - 1) * (count - harmonic)) / count
