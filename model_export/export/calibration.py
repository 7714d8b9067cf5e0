"""Calibration of the affect read-out: the plane used as the labels use it, and how far off a reading may be.

*The affine map.* A read-out that is trained on squared error says less than it should about what it cannot hear well:
its readings crowd around the mean. That keeps their order but not their place on 1..7. For each axis

    scale = (sd(label) / sd(prediction)) ** k      offset = mean - scale * mean(prediction)
    mean  = mean(prediction) + k * (mean(label) - mean(prediction))
    k     = n / (n + PRIOR)

With k = 1 no other affine map of positive slope has a higher concordance with the labels: Lin's CCC (1989) is 2 r sx
sy / (sx^2 + sy^2 + (mx - my)^2), which reaches r where spreads and means agree. Moments are weighted so that every
cell, a (corpus, emotion), counts as much as any other, as in training: how often a corpus has an emotion says nothing
about how often a user's library has it. n is the effective number of clips (Kish: 1 / sum of squared weights); few
clips are believed less, on a log scale, so that k = 0 changes nothing.

*The interval.* Split conformal prediction (Vovk et al. 2005; Lei et al. 2018): the half width is the ceil((n + 1) *
level)-th smallest of n residuals |label - reading| of clips that the map was not fitted on. The clips of a speaker
resemble each other, so the map that reads a speaker is fitted on the other speakers: one is left out at a time (FOLDS
groups of speakers at a time where there are more), as in cross-conformal prediction (Vovk 2015). Every speaker has
the same weight, however many clips it has; n is then the effective number again. With equally many clips a speaker
this is the formula above. It holds for new speakers as far as they are like these; `held_out_coverage` says how far
these are like each other: the share within the half widths when the speaker had no part in map or half widths.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from encoders.affect import HIGH, LOW
from encoders.bundle import AffectInterval
from model_export.errors import CalibrationError
from model_export.evaluation.clips import AXES

Floats = npt.NDArray[np.float64]

LEVEL = 0.9
PRIOR = 30.0  # effective clips at which the map goes half the way (on a log scale)
FOLDS = 10
FEWEST_SPEAKERS = 3


@dataclass(frozen=True, slots=True)
class Calibration:
    """An affine map a axis, `offset + scale * prediction` (each [2], units of 1..7), and what the fit found.

    `interval` is None where `reason` says why. `ccc` has each axis' cell-balanced concordance before and after (of
    speakers that the map was not fitted on, where there are two or more); `held_out_coverage` [2] is NaN without an
    interval.
    """

    scale: Floats
    offset: Floats
    interval: AffectInterval | None
    reason: str
    clips: int
    speakers: int
    ccc: tuple[Floats, Floats]
    held_out_coverage: Floats

    def __call__(self, predicted: npt.ArrayLike) -> Floats:
        """The readings [n, 2], cut to 1..7, of predictions [n, 2]."""
        return read(self.scale, self.offset, np.asarray(predicted, np.float64))


def calibrate(
    predicted: npt.ArrayLike,
    labels: npt.ArrayLike,
    cells: npt.ArrayLike,
    speakers: npt.ArrayLike,
    level: float = LEVEL,
) -> Calibration:
    """Fit both on validation clips: predictions [n, 2] before the cut to 1..7, labels [n, 2]; a cell and speaker each.

    Raises:
        CalibrationError: the arrays do not fit each other or hold values that are not numbers, an axis has one label
            or one prediction only, or predictions do not rise with the labels.
    """
    x, y = np.asarray(predicted, np.float64), np.asarray(labels, np.float64)
    cell, speaker = np.asarray(cells), np.asarray(speakers)
    _check(x, y, cell, speaker, level)
    scale, offset = fit(x, y, cell)
    weights = balanced(cell)
    names = np.unique(speaker)
    before = _concordance(np.clip(x, LOW, HIGH), y, weights)
    readings = read(scale, offset, x) if len(names) < 2 else _left_out(x, y, cell, speaker)
    after = _concordance(readings, y, weights)
    interval, reason = _interval(x, y, cell, speaker, level)
    coverage = np.full(2, np.nan)
    if interval:
        coverage = _coverage(x, y, cell, speaker, level)
    return Calibration(scale, offset, interval, reason, len(x), len(names), (before, after), coverage)


def conformal(
    readings: npt.ArrayLike, labels: npt.ArrayLike, speakers: npt.ArrayLike, level: float = LEVEL
) -> tuple[AffectInterval | None, str]:
    """The interval around readings [n, 2] as they are, with no map fitted; None and why where there is none."""
    names = np.asarray(speakers)
    if reason := _too_few(names):
        return None, reason
    return _widths(np.abs(np.asarray(labels, np.float64) - np.asarray(readings, np.float64)), names, level)


def read(scale: Floats, offset: Floats, predicted: Floats) -> Floats:
    """`offset + scale * predicted`, cut to 1..7 as the encoders cut it: [n, 2]."""
    return np.clip(offset + scale * predicted, LOW, HIGH)


def fit(predicted: Floats, labels: Floats, cells: npt.NDArray[np.generic]) -> tuple[Floats, Floats]:
    """Scale [2] and offset [2] of the module's formula; predictions of no spread are only shifted."""
    weights = balanced(cells)
    share = (effective := 1 / np.square(weights).sum()) / (effective + PRIOR)
    mean_x, mean_y = weights @ predicted, weights @ labels
    sd_x = np.sqrt(weights @ np.square(predicted - mean_x))
    sd_y = np.sqrt(weights @ np.square(labels - mean_y))
    spread = (sd_x > 0) & (sd_y > 0)
    scale = np.where(spread, sd_y, 1.0) / np.where(spread, sd_x, 1.0)
    scale = scale**share
    offset: Floats = mean_x + share * (mean_y - mean_x) - scale * mean_x
    return scale, offset


def balanced(groups: npt.NDArray[np.generic]) -> Floats:
    """A weight for each member, [n], of sum 1, so that every group has the same."""
    _, place, counts = np.unique(groups, return_inverse=True, return_counts=True)
    weights: Floats = 1.0 / (counts[place] * len(counts))
    return weights


def half_width(residuals: Floats, weights: Floats, level: float) -> float:
    """The weighted finite-sample quantile of residuals [n] >= 0 with weights [n] of sum 1; inf where n is too small.

    The smallest residual at and under which a weight of `level * (1 + 1 / n)` lies, n being the effective number: with
    equal weights that is the ceil((n + 1) * level)-th smallest.
    """
    effective = 1 / np.square(weights).sum()
    order = np.argsort(residuals, kind="stable")
    # Rounding in the sums must not move a quantile that is met exactly.
    reached = np.cumsum(weights[order]) >= level * (1 + 1 / effective) - 1e-9
    return float(residuals[order[np.argmax(reached)]]) if reached.any() else math.inf


def _folds(speakers: npt.NDArray[np.generic]) -> npt.NDArray[np.int64]:
    """A fold for each clip, [n]: a speaker each, or FOLDS groups of speakers."""
    _, place = np.unique(speakers, return_inverse=True)
    folds: npt.NDArray[np.int64] = place % FOLDS
    return folds


def _left_out(
    x: Floats, y: Floats, cells: npt.NDArray[np.generic], speakers: npt.NDArray[np.generic]
) -> npt.NDArray[np.float64]:
    """Readings [n, 2], each by a map that was fitted without the clip's speaker."""
    readings = np.empty_like(x)
    folds = _folds(speakers)
    for fold in np.unique(folds):
        out = folds == fold
        readings[out] = read(*fit(x[~out], y[~out], cells[~out]), x[out])
    return readings


def _interval(
    x: Floats, y: Floats, cells: npt.NDArray[np.generic], speakers: npt.NDArray[np.generic], level: float
) -> tuple[AffectInterval | None, str]:
    """The half widths, or None and why there are none."""
    if reason := _too_few(speakers):
        return None, reason
    return _widths(np.abs(y - _left_out(x, y, cells, speakers)), speakers, level)


def _too_few(speakers: npt.NDArray[np.generic]) -> str:
    """Why these speakers are too few for an interval; "" where they are not."""
    count = len(np.unique(speakers))
    if count >= FEWEST_SPEAKERS:
        return ""
    return f"an interval for unseen speakers needs {FEWEST_SPEAKERS} speakers, and there are {count}"


def _widths(residuals: Floats, speakers: npt.NDArray[np.generic], level: float) -> tuple[AffectInterval | None, str]:
    weights = balanced(speakers)
    widths = [half_width(residuals[:, axis], weights, level) for axis in range(2)]
    if not np.isfinite(widths).all():
        return None, f"{len(residuals)} clips are too few for an interval of {level:.0%}"
    valence, arousal = (math.ceil(width * 1e4) / 1e4 for width in widths)  # rounding down would lose coverage
    return AffectInterval(level=level, valence=valence, arousal=arousal), ""


def _coverage(
    x: Floats, y: Floats, cells: npt.NDArray[np.generic], speakers: npt.NDArray[np.generic], level: float
) -> Floats:
    """The share [2] of labels within the half widths, mean over speakers, each read without its own clips."""
    folds = _folds(speakers)
    inside = np.full(x.shape, np.nan)
    for fold in np.unique(folds):
        out = folds == fold
        found, _ = _interval(x[~out], y[~out], cells[~out], speakers[~out], level)
        if found:
            reading = read(*fit(x[~out], y[~out], cells[~out]), x[out])
            inside[out] = np.abs(y[out] - reading) <= (found.valence, found.arousal)
    known = ~np.isnan(inside[:, 0])
    if not known.any():
        return np.full(2, np.nan)
    share: Floats = balanced(speakers[known]) @ inside[known]
    return share


def _concordance(x: Floats, y: Floats, weights: Floats) -> Floats:
    """Lin's CCC of each axis, [2], with weights [n] of sum 1; 0 where neither varies."""
    mean_x, mean_y = weights @ x, weights @ y
    covariance = weights @ ((x - mean_x) * (y - mean_y))
    spread = weights @ np.square(x - mean_x) + weights @ np.square(y - mean_y) + np.square(mean_x - mean_y)
    return np.divide(2 * covariance, spread, out=np.zeros(2), where=spread > 0)


def _check(
    x: Floats, y: Floats, cells: npt.NDArray[np.generic], speakers: npt.NDArray[np.generic], level: float
) -> None:
    if x.ndim != 2 or x.shape[1] != 2 or x.shape != y.shape or not len(x) == len(cells) == len(speakers):
        raise CalibrationError(
            f"predictions {x.shape}, labels {y.shape}, {len(cells)} cells and {len(speakers)} speakers do not fit: "
            "[n, 2], [n, 2], n and n are needed"
        )
    if not 0 < level < 1:
        raise CalibrationError(f"the level of an interval lies between 0 and 1, not at {level}")
    if not len(x):
        raise CalibrationError("there are no validation clips to calibrate on")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise CalibrationError("predictions or labels are not numbers; leave clips without labels out")
    weights = balanced(cells)
    covariance = weights @ ((x - weights @ x) * (y - weights @ y))
    for axis, name in enumerate(AXES):
        if np.ptp(y[:, axis]) == 0:
            raise CalibrationError(f"all validation clips have one {name}: there is no spread to calibrate to")
        if not covariance[axis] > 0:
            raise CalibrationError(
                f"predicted {name} does not rise with the labels of the validation clips; no calibration mends that: "
                "train longer, or on more clips"
            )
