"""The valence-arousal plane.

Both axes run from 1 to 7, as in MSP-Podcast: 4 is neutral, valence 7 is the most positive, arousal 7 the
most activated. Corpora that rate on other scales are brought here with `rescale`; the models work on the unit
plane (-1..1, neutral at 0), reached with `to_unit` and left with `from_unit`.
"""

from typing import Final, NamedTuple

LOW: Final = 1.0
NEUTRAL: Final = 4.0
HIGH: Final = 7.0

# How far from neutral (as a share of the way to the end of the scale) each word begins.
_SLIGHT: Final = 0.1
_PLAIN: Final = 0.35
_VERY: Final = 0.65


class Affect(NamedTuple):
    """A point of the plane: (valence, arousal), each 1..7."""

    valence: float
    arousal: float

    def clipped(self) -> "Affect":
        """Return the nearest point on the scale."""
        return Affect(min(max(self.valence, LOW), HIGH), min(max(self.arousal, LOW), HIGH))

    def to_unit(self) -> tuple[float, float]:
        """Return (valence, arousal), each -1..1 with neutral at 0."""
        return (self.valence - NEUTRAL) / (HIGH - NEUTRAL), (self.arousal - NEUTRAL) / (HIGH - NEUTRAL)

    @classmethod
    def from_unit(cls, valence: float, arousal: float) -> "Affect":
        """Make the point whose coordinates on the unit plane (-1..1) are given; not clipped."""
        return cls(NEUTRAL + valence * (HIGH - NEUTRAL), NEUTRAL + arousal * (HIGH - NEUTRAL))


class AffectRange(NamedTuple):
    """A rectangle of the plane, `low` to `high`, and with which probability each axis lies within its side."""

    level: float
    low: Affect
    high: Affect


def rescale(value: float, low: float, high: float) -> float:
    """Bring `value` from a rating scale that runs from `low` to `high` to the scale 1..7; not clipped.

    Raises ValueError for an empty scale. A scale whose `low` is the greater number is turned round.
    """
    if low == high:
        raise ValueError(f"a rating scale needs two different ends, got {low} and {high}")
    return LOW + (value - low) * (HIGH - LOW) / (high - low)


def in_words(affect: Affect) -> str:
    """Name the point in plain words: "slightly negative, very activated"; "neutral" for the middle."""
    valence, arousal = affect.to_unit()
    if abs(valence) < _SLIGHT and abs(arousal) < _SLIGHT:
        return "neutral"
    return (
        f"{_axis(valence, 'negative', 'positive', 'neither negative nor positive')}, "
        f"{_axis(arousal, 'subdued', 'activated', 'neither subdued nor activated')}"
    )


def _axis(value: float, below: str, above: str, middle: str) -> str:
    word = above if value > 0 else below
    size = abs(value)
    if size < _SLIGHT:
        return middle
    if size < _PLAIN:
        return f"slightly {word}"
    return word if size < _VERY else f"very {word}"
