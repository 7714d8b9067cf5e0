"""The affect of clips by the values of their metadata: speakers, emotions, microphones, whatever there is."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from index.facets import value_of
from index.records import Clip, JsonScalar

FIELDS: Final = 6
VALUES: Final = 12

_MOST_VALUES: Final = 2000  # a field with more says nothing about groups, and is not held
_SAME: Final = 0.5  # nor does one that has more different values than this share of its clips


class Spread(NamedTuple):
    """Mean and standard deviation over clips."""

    mean: float
    sd: float


@dataclass(frozen=True, slots=True)
class Group:
    """The clips that have one value of a field."""

    value: JsonScalar
    clips: int
    seconds: float
    valence: Spread
    arousal: Spread


@dataclass(frozen=True, slots=True)
class Breakdown:
    """A field: how many clips have it, how many values there are, and its largest groups, the largest first."""

    field: str
    clips: int
    distinct: int
    groups: tuple[Group, ...]


@dataclass(slots=True)
class _Sums:
    clips: int = 0
    seconds: float = 0.0
    sums: list[float] = field(default_factory=lambda: [0.0] * 4)  # valence, arousal, and their squares

    def add(self, clip: Clip) -> None:
        self.clips += 1
        self.seconds += clip.duration
        valence, arousal = clip.affect
        for place, number in enumerate((valence, arousal, valence * valence, arousal * arousal)):
            self.sums[place] += number

    def spread(self, axis: int) -> Spread:
        mean = self.sums[axis] / self.clips
        return Spread(mean, math.sqrt(max(0.0, self.sums[2 + axis] / self.clips - mean * mean)))


class Grouping:
    """Counts clips one by one; `breakdowns` says what came of it."""

    def __init__(self) -> None:
        self._fields: dict[str, dict[tuple[str, JsonScalar], _Sums]] = {}
        self._dropped: set[str] = set()

    def add(self, clips: Iterable[Clip]) -> None:
        """Count clips."""
        for clip in clips:
            for name, value in clip.metadata.items():
                if value is None or name in self._dropped:
                    continue
                values = self._fields.setdefault(name, {})
                # The type keeps apart what Python takes for equal: true and 1.
                key = "boolean" if isinstance(value, bool) else "", value_of(value)
                values.setdefault(key, _Sums()).add(clip)
                if len(values) > _MOST_VALUES:
                    self._dropped.add(name)
                    del self._fields[name]

    def breakdowns(self) -> list[Breakdown]:
        """Return the fields whose values group clips, those first by which affect differs most."""
        found = []
        for name, values in self._fields.items():
            clips = sum(sums.clips for sums in values.values())
            if len(values) < 2 or len(values) > _SAME * clips:
                continue
            largest = sorted(values.items(), key=lambda item: (-item[1].clips, item[0][0], str(item[0][1])))[:VALUES]
            groups = tuple(
                Group(value, sums.clips, sums.seconds, sums.spread(0), sums.spread(1)) for (_, value), sums in largest
            )
            found.append((-_told_apart(values.values()), name, Breakdown(name, clips, len(values), groups)))
        return [breakdown for *_, breakdown in sorted(found, key=lambda item: item[:2])[:FIELDS]]


def _told_apart(groups: Iterable[_Sums]) -> float:
    """Return the share of the affect's variance that lies between the groups, less what chance would put there."""
    groups = list(groups)
    clips = sum(group.clips for group in groups)
    between = within = 0.0
    for axis in (0, 1):
        mean = sum(group.sums[axis] for group in groups) / clips
        between += sum(group.clips * (group.sums[axis] / group.clips - mean) ** 2 for group in groups)
        within += sum(group.sums[2 + axis] - group.sums[axis] ** 2 / group.clips for group in groups)
    total = between + within
    return 0.0 if total <= 0 else between / total - (len(groups) - 1) / max(clips - 1, 1)
