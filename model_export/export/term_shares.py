"""The temperature with which nearness to emotion terms becomes shares that mean what they say.

Temperature scaling (Guo et al. 2017): of all temperatures the one under which clips of validation speakers have the
least log loss, the share of a clip's own term being its probability. A cell, a (corpus, emotion), counts as much as
any other, as in `calibration`. The loss is convex in 1 / temperature, so its slope is bisected.

Labels name a part of the vocabulary only, and say nothing of the rest: a clip that was acted angry may well sound
annoyed. So loss and temperature are of the shares among the terms that some label has. Among these a share is as
probable as it says, as far as speech is like this one; of the others it says how near they are on the same measure.
`error` is the expected calibration error of the largest share: over bins of it, how far it is from how often it is
right. Both figures are of speakers who had no part in the temperature.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from encoders.bundle import Prompt
from encoders.terms import FALLBACK, Terms, TermShares, shares
from model_export.emotions import WORDS
from model_export.export.calibration import FEWEST_SPEAKERS, balanced
from model_export.manifest import Row

Floats = npt.NDArray[np.float64]

LOWEST, HIGHEST = 1e-3, 1.0  # temperatures that are tried
BINS = 10
# Where the vocabulary has another word for a category than the captions.
_TERMS = {"fear": "afraid"}


@dataclass(frozen=True, slots=True)
class Fitted:
    """`shares` for the bundle, None where `reason` says why; the figures are (with FALLBACK, with what was fitted)."""

    shares: TermShares | None
    reason: str
    clips: int
    log_loss: tuple[float, float]
    error: tuple[float, float]

    def facts(self) -> dict[str, Any]:
        """As JSON values."""
        if self.shares is None:
            return {"clips": self.clips, "no_temperature": self.reason}
        return {
            "clips": self.clips,
            "log_loss_before_and_after": [round(value, 3) for value in self.log_loss],
            "calibration_error_before_and_after": [round(value, 3) for value in self.error],
        }


def fit(
    prompts: Sequence[Prompt], prompted: npt.NDArray[np.float32], rows: Sequence[Row], heard: npt.NDArray[np.float32]
) -> Fitted:
    """Fit on the clips `rows`, given the unit vectors of the vocabulary [prompts, dim] and of the clips [n, dim].

    Clips whose emotion no term of the vocabulary names have no part in it.
    """
    terms = Terms([prompt.term for prompt in prompts])
    wanted = [term_of(row.emotion) for row in rows]
    known = np.array([term in terms.names for term in wanted], np.bool_)
    labels = np.array([terms.names.index(term) for term in wanted if term in terms.names], np.int64)
    labelled, labels = np.unique(labels, return_inverse=True)
    near = terms.nearness(heard[known] @ prompted.T)[:, labelled]
    chosen = [row for row, kept in zip(rows, known, strict=True) if kept]
    speakers = np.array([row.speaker for row in chosen])
    cells = np.array([f"{row.corpus}/{row.emotion}" for row in chosen])
    if (count := len(np.unique(speakers))) < FEWEST_SPEAKERS:
        return _none(f"a temperature needs {FEWEST_SPEAKERS} speakers with a term, and there are {count}", len(chosen))
    temperature = least(near, labels, balanced(cells))
    if temperature is None:
        return _none("the clips are not nearer to the terms that they are labelled with than to others", len(chosen))
    before = shares(near, FALLBACK)
    after = np.empty_like(before)
    for name in np.unique(speakers):
        out = speakers == name
        left = least(near[~out], labels[~out], balanced(cells[~out]))
        after[out] = shares(near[out], left or HIGHEST)
    found = TermShares(temperature=temperature, terms=tuple(terms.names[place] for place in labelled))
    weights = balanced(cells)
    losses = log_loss(before, labels, weights), log_loss(after, labels, weights)
    errors = calibration_error(before, labels, weights), calibration_error(after, labels, weights)
    return Fitted(found, "", len(chosen), losses, errors)


def term_of(emotion: str) -> str | None:
    """The vocabulary's word for a category of emotion; None for one that is not known."""
    return _TERMS.get(emotion, WORDS.get(emotion))


def least(nearness: Floats, labels: npt.NDArray[np.int64], weights: Floats) -> float | None:
    """The temperature, LOWEST..HIGHEST, of the least log loss; None where even shares are better than any."""

    def slope(sharpness: float) -> float:
        """Of the log loss over 1 / temperature."""
        expected = (shares(nearness, 1 / sharpness) * nearness).sum(axis=1)
        return float(weights @ (expected - nearness[np.arange(len(labels)), labels]))

    low, high = 1 / HIGHEST, 1 / LOWEST
    if slope(low) >= 0:
        return None
    if slope(high) <= 0:
        return LOWEST
    for _ in range(60):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    return float(f"{1 / low:.4g}")


def log_loss(found: Floats, labels: npt.NDArray[np.int64], weights: Floats) -> float:
    """The mean of -log of the labels' shares, [n, terms], with weights [n] of sum 1."""
    return float(-weights @ np.log(np.maximum(found[np.arange(len(labels)), labels], 1e-12)))


def calibration_error(found: Floats, labels: npt.NDArray[np.int64], weights: Floats) -> float:
    """How far the largest share is from how often it is right: the mean over BINS of it, by weight."""
    top = found.max(axis=1)
    gap = weights * ((found.argmax(axis=1) == labels) - top)
    place = np.minimum((top * BINS).astype(np.int64), BINS - 1)
    return float(np.abs(np.bincount(place, gap, BINS)).sum())


def _none(reason: str, clips: int) -> Fitted:
    return Fitted(None, reason, clips, (math.nan, math.nan), (math.nan, math.nan))
