"""A region of the plane: which segments a search may find, by where they themselves lie.

    Region(valence=(1, 3), arousal=(5, 7))      only angry moments
    Region(arousal=(1, 2.5))                    only calm ones, of any valence

A filter keeps clips, and knows a clip by the mean of its segments: that of an hour's talk is neutral. A region looks
at each segment's own affect.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from encoders.affect import HIGH, LOW, Affect
from index.errors import QueryError

Interval = tuple[float, float]

AXES: Final = Affect._fields


@dataclass(frozen=True, slots=True)
class Region:
    """The intervals in which a segment's affect has to lie, bounds included; None leaves an axis open.

    Affect is float32, and so are the bounds where they are compared with it. Raises QueryError for an interval that
    does not lie in the plane, or whose lower bound is over its upper one.
    """

    valence: Interval | None = None
    arousal: Interval | None = None

    def __post_init__(self) -> None:
        """Check the intervals."""
        for axis in AXES:
            match self.interval(axis):
                case None:
                    pass
                case (low, high) if not (math.isfinite(low) and math.isfinite(high)) or low < LOW or high > HIGH:
                    raise QueryError(
                        f"the region's {axis} is from {low} to {high}; the plane runs from {LOW:g} to {HIGH:g}."
                    )
                case (low, high) if low > high:
                    raise QueryError(f"the region's {axis} begins at {low:g} and ends before that, at {high:g}.")

    def interval(self, axis: str) -> Interval | None:
        """Return the interval of "valence" or "arousal"."""
        return self.valence if axis == "valence" else self.arousal

    def holds(self, affect: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
        """Say of each row of `affect` [n, 2] (valence, arousal) whether it lies in the region."""
        mask = np.ones(len(affect), np.bool_)
        for column, axis in enumerate(AXES):
            if (interval := self.interval(axis)) is not None:
                low, high = map(np.float32, interval)
                mask &= affect[:, column] >= low
                mask &= affect[:, column] <= high
        return mask
