"""A caption: free text about how speech feels, with the affect that its words say.

Inside the grammar a place is (valence, arousal, dominance) on -1..1 with neutral at 0; a caption carries it on 1..7.
"""

from dataclasses import dataclass

from encoders.affect import HIGH, NEUTRAL, Affect

Place = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Caption:
    """A text, the emotion term it belongs to ("" for plain levels), its affect and its dominance (each 1..7)."""

    text: str
    term: str
    affect: Affect
    dominance: float = NEUTRAL


def at(text: str, term: str, place: Place) -> Caption:
    """A caption at a place on -1..1, cut to the unit cube and brought onto 1..7."""
    valence, arousal, dominance = inside(place)
    return Caption(text, term, Affect.from_unit(valence, arousal), NEUTRAL + (HIGH - NEUTRAL) * dominance)


def inside(place: Place) -> Place:
    """The nearest place within -1..1 on each axis."""
    valence, arousal, dominance = place
    return min(1.0, max(-1.0, valence)), min(1.0, max(-1.0, arousal)), min(1.0, max(-1.0, dominance))


def mix(*parts: tuple[float, Place]) -> Place:
    """The weighted sum of places; the weights are the caller's and need not add up to one."""
    valence, arousal, dominance = (sum(weight * place[axis] for weight, place in parts) for axis in range(3))
    return valence, arousal, dominance
