"""Facets: how the clips that a filter keeps spread over the values of a field, for a page of results.

A field is named as in a filter. A metadata field has values, each with its number of clips, most clips first;
equal numbers in the order booleans, numbers, texts, and within one type by value. Values are equal as in a
filter: 1 is 1.0, but neither "1" nor true; null is no value. `duration`, `valence` and `arousal`, the clip's
own, have ranges instead, which together cover the whole axis; empty ones are there too.

`{field: value}` and `{field: {"gte": low, "lt": high}}` (without the bound that is None) are the filters that
keep exactly what was counted.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from index import filters
from index.errors import QueryError
from index.records import Clip, JsonScalar

NUMBERS: Final = filters.NUMBERS
# Of metadata, where none is named; more would be no page.
MAX_FIELDS: Final = 64

# Between two neighbours lies one range; below the first and from the last on lie two more.
EDGES: Final[Mapping[str, tuple[float, ...]]] = {
    "duration": (1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0),  # s: from a word to a conversation
    "valence": (2.0, 3.0, 4.0, 5.0, 6.0),
    "arousal": (2.0, 3.0, 4.0, 5.0, 6.0),
}


@dataclass(frozen=True, slots=True)
class FacetValue:
    """A value of a metadata field, and how many clips have it."""

    value: JsonScalar
    clips: int


@dataclass(frozen=True, slots=True)
class FacetRange:
    """How many clips have a number from `low` (included) to `high` (not); None is no bound."""

    low: float | None
    high: float | None
    clips: int


@dataclass(frozen=True, slots=True)
class Facet:
    """One field: how many `clips` have a value, how many `distinct` values there are, and the most frequent.

    Of a number of the clip's own, `ranges` instead of `values`; `distinct` is 0 then, for nobody asks.
    """

    field: str
    clips: int
    distinct: int = 0
    values: tuple[FacetValue, ...] = ()
    ranges: tuple[FacetRange, ...] = ()


def checked(fields: Sequence[str] | None, limit: int) -> list[filters.Field] | None:
    """Return what the fields' names mean, each once. Raises QueryError, FilterError for a name that is none."""
    if limit < 1:
        raise QueryError(f"the limit of facets must be at least 1, got {limit}.")
    if fields is None:
        return None
    found = [filters.field(name) for name in dict.fromkeys(fields)]
    for one in found:
        if one.own and one.name not in NUMBERS:
            raise QueryError(
                f"{one.name} has no facets: nearly every clip has its own. There are facets of metadata fields and of "
                f"{', '.join(NUMBERS)}."
            )
    return found


def ranged(field: str, counts: Sequence[int]) -> Facet:
    """Make the facet of one of NUMBERS from the number of clips in each of its ranges, lowest first."""
    edges: list[float | None] = [None, *EDGES[field], None]
    ranges = [FacetRange(*bounds, clips) for bounds, clips in zip(pairwise(edges), counts, strict=True)]
    return Facet(field, sum(counts), ranges=tuple(ranges))


def value_of(value: JsonScalar) -> JsonScalar:
    """Return the one spelling of a value: a whole number is an int."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**63 else value


def count(clips: Iterable[Clip], fields: Sequence[str] | None, limit: int) -> list[Facet]:
    """Count over the clips themselves: one pass, for a store whose engine has no such counting."""
    wanted = checked(fields, limit)
    ranges = {name: [0] * (len(EDGES[name]) + 1) for name in NUMBERS}
    values: dict[str, Counter[tuple[str, JsonScalar]]] = {}
    for clip in clips:
        for name, number in zip(NUMBERS, (clip.duration, *clip.affect), strict=True):
            ranges[name][bisect_right(EDGES[name], number)] += 1
        for key, value in clip.metadata.items():
            if value is not None:
                values.setdefault(key, Counter())[_kind(value), value_of(value)] += 1
    if wanted is None:
        common = sorted(values, key=lambda key: (-values[key].total(), key))[:MAX_FIELDS]
        wanted = [filters.Field(name, own=True) for name in NUMBERS]
        wanted += [filters.Field(key, own=False) for key in common]
    return [
        ranged(field.name, ranges[field.name])
        if field.own
        else _valued(field, values.get(field.name, Counter()), limit)
        for field in wanted
    ]


def _valued(field: filters.Field, counted: Counter[tuple[str, JsonScalar]], limit: int) -> Facet:
    ordered = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    best = tuple(FacetValue(value, clips) for (_, value), clips in ordered[:limit])
    return Facet(field.key, counted.total(), len(counted), best)


def _kind(value: JsonScalar) -> str:
    # Also keeps apart what Python takes for equal: true and 1.
    return "boolean" if isinstance(value, bool) else "text" if isinstance(value, str) else "number"
