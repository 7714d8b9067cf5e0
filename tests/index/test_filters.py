"""The filter language: what it keeps, what it refuses, and that SQL and Python agree on it."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from encoders.affect import Affect
from index import filters
from index.errors import FilterError
from index.local.library import LocalStore
from index.records import Clip
from tests.index import making

KEYS = ["speaker", "a.b", 'q"uote', "na'me", "ключ", "metadata.x", "and", "duration", "$.x", "take"]
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from([0.0, -0.0, 0.1, 1.0, 0.1 + 0.2, 1e300, -2.5]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["", "03", "3", "a", "B", "é", "日本", "x' OR 1=1 --", "\x00", "true", "null"]),
    st.text(max_size=5),
)
METADATA = st.dictionaries(st.sampled_from(KEYS), SCALARS, max_size=5)
OWN_NUMBERS = st.one_of(st.integers(0, 8), st.sampled_from([0.5, 1.0, 2.5, 4.0, 6.75]))
MOMENTS = [datetime(2025, 1, day, 12, tzinfo=UTC) for day in (1, 2, 3)]


@st.composite
def conditions(draw: st.DrawFn) -> dict[str, Any]:
    """Make one key of a filter, over metadata or over the clip's own fields."""
    which = draw(st.sampled_from(["metadata", "number", "added_at", "name"]))
    values: st.SearchStrategy[Any]
    if which == "metadata":
        key = "metadata." + draw(st.sampled_from(KEYS))
        values = SCALARS
    elif which == "number":
        key = draw(st.sampled_from(filters.NUMBERS))
        values = OWN_NUMBERS
    elif which == "added_at":
        key = "added_at"
        values = st.sampled_from([*(m.isoformat() for m in MOMENTS), "2025-01-02", "2025-01-02T13:00:00+01:00"])
    else:
        key = "name"
        values = st.sampled_from(["clip-1.wav", "clip-2.wav", "clip-10.wav", "é"])
    bounds = values.filter(lambda value: value is not None and not isinstance(value, bool))
    operand = draw(
        st.one_of(
            values,
            st.fixed_dictionaries({}, optional={"eq": values, "in": st.lists(values, max_size=4)}),
            st.fixed_dictionaries({}, optional=dict.fromkeys(["gt", "gte", "lt", "lte"], bounds)),
            st.fixed_dictionaries({"exists": st.booleans()}),
        ).filter(lambda value: value != {})
    )
    return {key: operand}


def clauses() -> st.SearchStrategy[dict[str, Any]]:
    return st.recursive(
        st.one_of(st.just({}), conditions()),
        lambda inner: st.one_of(
            st.builds(lambda items: {"and": items}, st.lists(inner, min_size=1, max_size=3)),
            st.builds(lambda items: {"or": items}, st.lists(inner, min_size=1, max_size=3)),
            st.builds(lambda item: {"not": item}, inner),
            st.builds(lambda a, b: {**a, **b}, inner, inner),
        ),
        max_leaves=6,
    )


# The oracle: the language as its documentation says it, without a tree, SQL or any code of the index.


def keeps(clause: Mapping[str, Any], clip: Clip) -> bool:
    return all(entry_holds(key, operand, clip) for key, operand in clause.items())


def entry_holds(key: str, operand: Any, clip: Clip) -> bool:
    if key == "and":
        return all(keeps(item, clip) for item in operand)
    if key == "or":
        return any(keeps(item, clip) for item in operand)
    if key == "not":
        return not keeps(operand, clip)
    value = value_of(key, clip)
    tests = operand if isinstance(operand, dict) else {"eq": operand}
    if key == "added_at":
        tests = {operator: as_moments(item) for operator, item in tests.items()}
    return all(OPERATORS[operator](value, item) for operator, item in tests.items())


def value_of(key: str, clip: Clip) -> Any:
    match key:
        case "duration" | "name" | "added_at":
            return getattr(clip, key)
        case "valence" | "arousal":
            return getattr(clip.affect, key)
    return clip.metadata.get(key.removeprefix("metadata."))


def as_moments(item: Any) -> Any:
    if isinstance(item, list):
        return [as_moments(one) for one in item]
    if isinstance(item, str):
        moment = datetime.fromisoformat(item)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return item


def comparable(a: Any, b: Any) -> bool:
    numbers = (int, float)
    if isinstance(a, bool) or isinstance(b, bool):
        return isinstance(a, bool) and isinstance(b, bool)
    return type(a) is type(b) or (isinstance(a, numbers) and isinstance(b, numbers))


def ordered(test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    return lambda value, bound: value is not None and comparable(value, bound) and test(value, bound)


def equal(value: Any, other: Any) -> bool:
    return comparable(value, other) and value == other


OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": equal,
    "in": lambda value, items: any(equal(value, item) for item in items),
    "exists": lambda value, wanted: (value is not None) is wanted,
    "gt": ordered(lambda a, b: a > b),
    "gte": ordered(lambda a, b: a >= b),
    "lt": ordered(lambda a, b: a < b),
    "lte": ordered(lambda a, b: a <= b),
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStore]:
    with LocalStore.create(tmp_path_factory.mktemp("library"), making.bundle()) as store:
        yield store


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(METADATA, min_size=1, max_size=6), st.lists(clauses(), min_size=4, max_size=16), st.data())
def test_a_filter_keeps_exactly_what_its_definition_says(
    store: LocalStore, metadata: list[dict[str, Any]], tried: list[dict[str, Any]], data: st.DataObject
) -> None:
    for clip in store.clips(limit=100):
        store.delete(clip.id)
    rng = np.random.default_rng(0)
    for number, fields in enumerate(metadata):
        affect = Affect(data.draw(OWN_NUMBERS) % 6 + 1, 1 + number % 3)
        new = making.clip(number, fields, duration=float(data.draw(OWN_NUMBERS)) + 0.5)
        store.add(new, making.segments(making.unit(rng, 1), affect))
    clips = store.clips(limit=100)
    assert [clip.metadata for clip in clips] == metadata
    for clause in tried:
        # Through JSON text: what a request brings.
        kept = store.clips(limit=100, filter=filters.loads(json.dumps(clause)))
        assert [clip.id for clip in kept] == [clip.id for clip in clips if keeps(clause, clip)], clause


VALUES = [None, True, False, 0, 1, -1, 1.0, 0.5, 2**53, 2.0**53, 2**53 + 1, "1", "true", "", "null", "a", "b", "ä"]


def test_values_of_every_type_meet_values_of_every_type(store: LocalStore) -> None:
    for clip in store.clips(limit=100):
        store.delete(clip.id)
    rng = np.random.default_rng(0)
    for number, value in enumerate(VALUES):
        store.add(making.clip(number, {"x": value}), making.segments(making.unit(rng, 1)))
    store.add(making.clip("without"), making.segments(making.unit(rng, 1)))
    clips = store.clips(limit=100)
    tests: list[dict[str, Any]] = [{"x": value} for value in VALUES]
    tests += [{"x": {"in": [value, "b", None][:size]}} for value in VALUES for size in (1, 2, 3)]
    tests += [{"x": {"exists": wanted}} for wanted in (True, False)] + [{"x": {"in": []}}]
    bounds = [value for value in VALUES if value is not None and not isinstance(value, bool)]
    tests += [{"x": {operator: value}} for value in bounds for operator in ("gt", "gte", "lt", "lte")]
    for clause in [*tests, *({"not": test} for test in tests)]:
        kept = store.clips(limit=100, filter=filters.parse(clause))
        assert [clip.id for clip in kept] == [clip.id for clip in clips if keeps(clause, clip)], clause


def test_added_at_compares_moments_and_not_their_spelling(tmp_path: Path) -> None:
    with LocalStore.create(tmp_path, making.bundle()) as store:
        clip = store.add(making.clip(1), making.segments(making.unit(np.random.default_rng(0), 1)))
        for spelling in (clip.added_at.isoformat(), clip.added_at.isoformat().replace("+00:00", "Z")):
            assert store.count(filters.parse({"added_at": spelling})).clips == 1
            assert store.count(filters.parse({"added_at": {"gt": spelling}})).clips == 0
        assert store.count(filters.parse({"added_at": {"gte": "2020-01-01"}})).clips == 1
        assert store.count(filters.parse({"added_at": {"lt": "2020-01-01T00:00:00+05:00"}})).clips == 0


def test_a_metadata_field_with_the_name_of_an_own_field_is_reached_by_its_prefix(tmp_path: Path) -> None:
    with LocalStore.create(tmp_path, making.bundle()) as store:
        new = making.clip(1, {"duration": "long", "metadata.x": 1}, duration=2.0)
        store.add(new, making.segments(making.unit(np.random.default_rng(0), 1)))
        assert store.count(filters.parse({"duration": {"lt": 3}})).clips == 1
        assert store.count(filters.parse({"metadata.duration": "long"})).clips == 1
        assert store.count(filters.parse({"metadata.metadata.x": 1})).clips == 1


def test_no_value_can_change_the_statement(tmp_path: Path) -> None:
    evil = "x') OR 1=1; DROP TABLE clips; --"
    with LocalStore.create(tmp_path, making.bundle()) as store:
        store.add(making.clip(1, {evil: evil}), making.segments(making.unit(np.random.default_rng(0), 1)))
        assert store.count(filters.parse({evil: "other"})).clips == 0
        assert store.count(filters.parse({"other": evil})).clips == 0
        assert store.count(filters.parse({evil: evil})).clips == 1
        assert store.verify() == [replace(store.verify()[0], kind="audio")]


@pytest.mark.parametrize(
    ("clause", "place"),
    [
        ([], "filter must be an object"),
        ("speaker", "filter must be an object"),
        ({"speaker": {}}, "filter.speaker needs a value"),
        ({"speaker": ["03"]}, "filter.speaker must be a text, a number"),
        ({"speaker": {"like": "0%"}}, "filter.speaker has the unknown operator 'like'"),
        ({"speaker": {"in": "03"}}, "filter.speaker.in must be a list"),
        ({"speaker": {"in": ["03", {}]}}, "filter.speaker.in[1] must be a text"),
        ({"speaker": {"exists": 1}}, "filter.speaker.exists must be true or false"),
        ({"speaker": {"gt": None}}, "filter.speaker.gt must be a number or a text"),
        ({"speaker": {"gt": True}}, "filter.speaker.gt must be a number or a text"),
        ({"and": []}, "filter.and must be a list of at least one"),
        ({"or": {"a": 1}}, "filter.or must be a list"),
        ({"and": [{"not": 3}]}, "filter.and[0].not must be an object"),
        ({"duration": {"gte": "long"}}, "filter.duration.gte is compared with duration, a number"),
        ({"valence": True}, "filter.valence is compared with valence, a number"),
        ({"name": 3}, "filter.name is compared with name, a text"),
        ({"added_at": {"lt": "yesterday"}}, "filter.added_at.lt is no date or time"),
        ({"added_at": 2025}, "filter.added_at is compared with added_at, a text"),
        ({"x": float("nan")}, "filter.x is nan"),
        ({"x": {"lt": float("inf")}}, "filter.x.lt is inf"),
        ({"x": 2**63}, "filter.x is a whole number beyond 64 bits"),
        ({"x": "a" * 20_000}, "filter.x has 20000 characters"),
        ({"x": "\ud800"}, "is not valid Unicode"),
        ({"\ud800": "x"}, "is not valid Unicode"),
        ({"metadata.": 1}, "names no field"),
        ({3: 1}, "has a key that is no text"),
    ],
)
def test_what_is_not_of_the_language_is_refused_at_its_place(clause: object, place: str) -> None:
    with pytest.raises(FilterError, match=re.escape(place)):
        filters.parse(clause)


def test_limits_are_errors_and_not_crashes() -> None:
    deep: dict[str, Any] = {"x": 1}
    for _ in range(filters.MAX_DEPTH):
        deep = {"not": deep}
    with pytest.raises(FilterError, match="levels deep"):
        filters.parse(deep)
    with pytest.raises(FilterError, match="at most 256"):
        filters.parse({"or": [{"x": n} for n in range(filters.MAX_CONDITIONS + 1)]})
    with pytest.raises(FilterError, match="at most 10000"):
        filters.parse({"x": {"in": list(range(filters.MAX_VALUES + 1))}})
    with pytest.raises(FilterError, match="no JSON"):
        filters.loads('{"not":' * 100_000 + "{}" + "}" * 100_000)
    with pytest.raises(FilterError, match="no JSON"):
        filters.loads("speaker=03")


def test_the_largest_filters_run(tmp_path: Path) -> None:
    with LocalStore.create(tmp_path, making.bundle()) as store:
        store.add(making.clip(1, {"x": 9_999}), making.segments(making.unit(np.random.default_rng(0), 1)))
        assert store.count(filters.parse({"x": {"in": list(range(filters.MAX_VALUES))}})).clips == 1
        wide = {"or": [{f"k{n}": n} for n in range(filters.MAX_CONDITIONS - 1)] + [{"x": 9_999}]}
        assert store.count(filters.parse(wide)).clips == 1
        deep: dict[str, Any] = {"x": 9_999}
        for _ in range(filters.MAX_DEPTH - 2):
            deep = {"and": [deep]}
        assert store.count(filters.parse(deep)).clips == 1
