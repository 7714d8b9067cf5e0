"""How the affect of a recording goes in time: its moments, smoothed, and where it changes for good.

*Changes* are the boundaries of the runs that `index.changepoints` finds in valence and arousal, each in units of its
own noise. The noise is taken from the recording itself: the median step between moments that share no sound, which a
few changes do not move; it is at least QUIET, for nobody hears less. The penalty is PENALTY * log(moments), and a run
has at least SHORTEST moments.

*Smoothed* is the mean of the moments of the same run, weighted by a Gaussian of the time between their middles
(Nadaraya 1964; standard deviation BANDWIDTH): unlike a plain moving mean it does not blur a change, and it takes pauses
as what they are. docs/benchmarks.md says what both find in real speech.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from encoders.affect import Affect
from encoders.encoder import EncodedSegment
from index.changepoints import runs

Floats = npt.NDArray[np.float64]

BANDWIDTH: Final = 4.0  # seconds; a window's length
PENALTY: Final = 6.0
SHORTEST: Final = 3  # moments
QUIET: Final = 0.5  # 1..7

# The median of the squares of a standard normal deviate.
_MEDIAN_SQUARE: Final = 0.4549
_FAR: Final = 3.0  # bandwidths, beyond which a moment has no weight worth a sum


@dataclass(frozen=True, slots=True)
class Moment:
    """A segment of the recording (`start`..`end`, seconds), its affect as read and smoothed, and its nearest term."""

    start: float
    end: float
    affect: Affect
    smoothed: Affect
    term: str


@dataclass(frozen=True, slots=True)
class Change:
    """Where the affect changes for good: `at` seconds, from the mean of the run `before` to that of the run `after`."""

    at: float
    before: Affect
    after: Affect


def timeline(segments: Sequence[EncodedSegment], terms: Sequence[str]) -> tuple[list[Moment], list[Change]]:
    """Return the moments of a recording's segments, and its changes.

    There is one segment at least, and they are in order of time; `terms` has the nearest term of each segment.
    """
    affects = np.array([segment.affect for segment in segments], np.float64).reshape(-1, 2)
    middles = np.array([(segment.start + segment.end) / 2 for segment in segments])
    begins = runs(affects / _noise(segments, affects), PENALTY * np.log(max(2, len(segments))), SHORTEST)
    bounds = list(zip(begins, [*begins[1:], len(segments)], strict=True))
    smooth = [_smoothed(affects[begin:end], middles[begin:end]) for begin, end in bounds]
    moments = [
        Moment(segment.start, segment.end, segment.affect, Affect(*near.tolist()), term)
        for segment, near, term in zip(segments, np.concatenate(smooth), terms, strict=True)
    ]
    means = [Affect(*affects[begin:end].mean(axis=0).tolist()) for begin, end in bounds]
    changes = [
        Change(_between(segments[begin - 1], segments[begin]), before, after)
        for begin, before, after in zip(begins[1:], means, means[1:], strict=False)
    ]
    return moments, changes


def _between(before: EncodedSegment, after: EncodedSegment) -> float:
    """Return when a change between two moments was: in a pause, at its end; where they overlap, between the middles."""
    if after.start >= before.end:
        return after.start
    return (before.start + before.end + after.start + after.end) / 4


def _noise(segments: Sequence[EncodedSegment], affects: Floats) -> Floats:
    """Return how much moments scatter around what they are moments of, [2] standard deviations; QUIET at least."""
    starts, ends = np.array([s.start for s in segments]), np.array([s.end for s in segments])
    following = np.searchsorted(starts, ends)  # the first moment that shares no sound with each
    known = following < len(segments)
    if not known.any():
        return np.full(2, QUIET)
    steps = affects[following[known]] - affects[known]
    noise: Floats = np.sqrt(np.median(np.square(steps), axis=0) / (2 * _MEDIAN_SQUARE))
    return np.maximum(noise, QUIET)


def _smoothed(affects: Floats, middles: Floats) -> Floats:
    """Return the moments of one run, [n, 2], smoothed."""
    near = np.searchsorted(middles, middles - _FAR * BANDWIDTH), np.searchsorted(middles, middles + _FAR * BANDWIDTH)
    smooth = np.empty_like(affects)
    for place, (begin, end) in enumerate(zip(*near, strict=True)):
        weights = np.exp(-0.5 * np.square((middles[begin:end] - middles[place]) / BANDWIDTH))
        smooth[place] = weights @ affects[begin:end] / weights.sum()
    return smooth
