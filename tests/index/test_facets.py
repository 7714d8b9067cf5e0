"""Facets: every count is what the filter of its value would keep."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoders.affect import Affect
from index import facets, filters
from index.errors import FilterError, QueryError
from index.facets import Facet, FacetValue
from index.local.library import LocalStore
from index.records import JsonScalar
from tests.index import making
from tests.index.test_filters import METADATA, clauses


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStore]:
    with LocalStore.create(tmp_path_factory.mktemp("library"), making.bundle()) as store:
        yield store


def fill(store: LocalStore, metadata: list[dict[str, Any]]) -> None:
    for clip in store.clips(limit=1000):
        store.delete(clip.id)
    rng = np.random.default_rng(0)
    for number, fields in enumerate(metadata):
        # Some lie on an edge of a range, some at the ends of the scale.
        new = making.clip(number, fields, duration=[0.5, 1.0, 7.3, 9000.0][number % 4])
        store.add(new, making.segments(making.unit(rng, 1), Affect(1.0 + number % 7, 7.0 - 0.4 * (number % 3))))


@settings(max_examples=30)
@given(st.lists(METADATA, max_size=8), clauses(), st.integers(1, 4))
def test_every_count_is_what_the_filter_of_its_value_keeps(
    store: LocalStore, metadata: list[dict[str, Any]], clause: dict[str, Any], limit: int
) -> None:
    fill(store, metadata)
    kept = filters.parse(clause)

    def also(key: str, operand: Any) -> int:
        return store.count(filters.And((kept, filters.parse({key: operand})))).clips

    found = store.facets(filter=kept, limit=limit)
    assert found == facets.count(store.clips(limit=100, filter=kept), None, limit)
    assert [facet.field for facet in found[:3]] == ["duration", "valence", "arousal"]
    for facet in found[:3]:
        assert facet.clips == store.count(kept).clips == sum(item.clips for item in facet.ranges)
        for item in facet.ranges:
            bounds = {"gte": item.low, "lt": item.high}
            assert item.clips == also(facet.field, {name: edge for name, edge in bounds.items() if edge is not None})
    clips = store.clips(limit=100, filter=kept)
    present = {key for clip in clips for key, value in clip.metadata.items() if value is not None}
    assert {filters.field(facet.field).name for facet in found[3:]} == present
    for facet in found[3:]:
        assert facet.clips == also(facet.field, {"exists": True})
        assert len(facet.values) == min(limit, facet.distinct)
        assert [item.clips for item in facet.values] == [also(facet.field, item.value) for item in facet.values]
        rest = {"exists": True, "in": [item.value for item in facet.values]}
        assert also(facet.field, rest) == sum(item.clips for item in facet.values)
        assert (facet.clips > also(facet.field, rest)) == (facet.distinct > limit)


def test_the_most_frequent_values_come_first_and_types_stay_apart(store: LocalStore) -> None:
    values: list[Any] = ["b", "a", "b", 1, 1.0, True, "1", None, 2.5]
    fill(store, [{"x": value, "y": "all"} for value in values] + [{}])
    x, y, none = store.facets(["x", "y", "nobody"], limit=10)
    expected: list[tuple[JsonScalar, int]] = [(1, 2), ("b", 2), (True, 1), (2.5, 1), ("1", 1), ("a", 1)]
    assert x == Facet("x", 8, 6, tuple(FacetValue(value, n) for value, n in expected))
    assert [type(item.value) for item in x.values[:3]] == [int, str, bool]
    assert (y, none) == (Facet("y", 9, 1, (FacetValue("all", 9),)), Facet("nobody", 0))
    assert store.facets(["x"], limit=1)[0].values == x.values[:1]


def test_fields_are_named_as_in_a_filter(store: LocalStore) -> None:
    fill(store, [{"duration": "long", "and": 1, "metadata.x": 2, "plain": 3}])
    names = [facet.field for facet in store.facets()][3:]
    assert names == ["metadata.and", "metadata.duration", "metadata.metadata.x", "plain"]
    assert [facet.field for facet in store.facets([*names, "arousal", "plain"])] == [*names, "arousal"]
    assert store.facets(["metadata.duration"])[0].values == (FacetValue("long", 1),)
    assert store.facets(["metadata.plain"])[0].field == "plain"


@pytest.mark.parametrize("field", ["name", "added_at"])
def test_what_every_clip_has_of_its_own_has_no_facets(store: LocalStore, field: str) -> None:
    with pytest.raises(QueryError, match=f"{field} has no facets"):
        store.facets([field])
    assert store.facets([f"metadata.{field}"]) == [Facet(f"metadata.{field}", 0)]


def test_wrong_names_and_limits_are_refused(store: LocalStore) -> None:
    with pytest.raises(QueryError, match="at least 1"):
        store.facets(["x"], limit=0)
    for name in ("metadata.", ""):
        with pytest.raises(FilterError, match="names no field"):
            store.facets([name])
    assert store.facets([]) == []


def test_only_so_many_fields_are_counted_unasked(store: LocalStore) -> None:
    fill(store, [{f"k{n:03}": 1 for n in range(100)}, {f"k{n:03}": 1 for n in range(90, 100)}])
    names = [facet.field for facet in store.facets()][3:]
    assert len(names) == facets.MAX_FIELDS
    assert names[:11] == [f"k{n:03}" for n in [*range(90, 100), 0]]
    assert len(store.facets([f"k{n:03}" for n in range(100)])) == 100


def test_the_fields_of_a_library_are_known(tmp_path: Path) -> None:
    with LocalStore.create(tmp_path, making.bundle()) as store:
        assert store.fields() == set()
        fill(store, [{"b": None, "a": 1}, {"c": "x", "a": 2}])
        assert store.fields() == {"a", "b", "c"}
        assert store.fields(["a", "b", "d"]) == {"a", "b"}
        assert store.fields([]) == set()
