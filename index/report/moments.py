"""The moments of a library that lie furthest in each direction of the plane."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from encoders.affect import NEUTRAL, Affect
from index.places import Places
from index.records import Clip


class Direction(NamedTuple):
    """A direction of the plane: -1, 0 or 1 along each axis."""

    title: str
    valence: int
    arousal: int


# As they lie on a page: the plane's upper edge first, each row from negative to positive.
DIRECTIONS: Final = (
    Direction("Negative and activated", -1, 1),
    Direction("Most activated", 0, 1),
    Direction("Positive and activated", 1, 1),
    Direction("Most negative", -1, 0),
    Direction("Most positive", 1, 0),
    Direction("Negative and calm", -1, -1),
    Direction("Calmest", 0, -1),
    Direction("Positive and calm", 1, -1),
)


@dataclass(frozen=True, slots=True)
class Moment:
    """A segment (`start`..`end` in seconds) of a clip, and its cosine with the prompt that found it, if one did."""

    clip: Clip
    start: float
    end: float
    affect: Affect
    score: float | None = None


def furthest(places: Places, direction: Direction, count: int) -> list[int]:
    """Return the `count` segments (their rows) that lie furthest in a direction, no two of one clip.

    Into a corner, as far goes what goes as far along both axes: the nearer to neutral of the two decides.
    """
    scores = _along(places, direction)
    found: list[int] = []
    seen: set[int] = set()
    for row in _descending(scores, 64 * count):
        owner = int(places.owners[row])
        if owner not in seen:
            seen.add(owner)
            found.append(row)
        if len(found) == count:
            break
    return found


def _along(places: Places, direction: Direction) -> npt.NDArray[np.float32]:
    offsets = places.affect - np.float32(NEUTRAL)
    axes = [sign * offsets[:, axis] for axis, sign in enumerate(direction[1:]) if sign]
    along: npt.NDArray[np.float32] = np.minimum.reduce(axes)
    return along


def _descending(scores: npt.NDArray[np.float32], few: int) -> Iterator[int]:
    """Yield rows from the highest score down, the first of equal ones first; the whole is sorted only if asked on."""
    if len(scores) > few:
        best = np.flatnonzero(scores >= np.partition(scores, -few)[-few])
        yield from best[np.argsort(-scores[best], kind="stable")].tolist()
    yield from np.argsort(-scores, kind="stable").tolist()
