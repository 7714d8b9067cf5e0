"""Regions of the plane: what lies in one, and searching in them, in every store.

`lies_in` and `regions` say it once more in plain Python; other suites of tests use them.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoders.affect import Affect
from index import filters
from index.errors import QueryError
from index.local.library import LocalStore
from index.region import Interval, Region
from index.store import Store
from tests.index import making
from tests.index.conftest import KINDS
from tests.index.local.making import before_affect

every_store = pytest.mark.parametrize("kind", KINDS)


def lies_in(region: Region, affect: Sequence[float] | npt.NDArray[np.float32]) -> Any:
    """Say of a (valence, arousal), or of each row of an array of them, whether it lies in a region."""
    places = np.atleast_2d(np.asarray(affect, np.float32))
    inside = np.ones(len(places), np.bool_)
    for column, interval in zip(places.T, (region.valence, region.arousal), strict=True):
        if interval is not None:
            inside &= (column >= np.float32(interval[0])) & (column <= np.float32(interval[1]))
    return inside if np.ndim(affect) == 2 else bool(inside[0])


@st.composite
def regions(draw: st.DrawFn) -> Region:
    """Make a region, with one bound, both or none on either axis; often of whole numbers, as affects in tests are."""

    def interval() -> Interval | None:
        bound = st.integers(1, 7).map(float) | st.floats(1, 7)
        low, high = sorted((draw(bound), draw(bound)))
        return draw(st.sampled_from([None, (low, high), (1.0, high), (low, 7.0), (low, low)]))

    return Region(interval(), interval())


@pytest.mark.parametrize(
    ("intervals", "message"),
    [
        ({"valence": (5.0, 3.0)}, "valence begins at 5 and ends before that, at 3"),
        ({"arousal": (0.5, 3.0)}, "arousal is from 0.5 to 3.0; the plane runs from 1 to 7"),
        ({"arousal": (3.0, 7.1)}, "from 1 to 7"),
        ({"valence": (float("nan"), 3.0)}, "from 1 to 7"),
        ({"valence": (1.0, float("inf"))}, "from 1 to 7"),
    ],
)
def test_a_region_lies_in_the_plane_and_begins_before_it_ends(intervals: dict[str, Interval], message: str) -> None:
    with pytest.raises(QueryError, match=message):
        Region(**intervals)


def test_bounds_belong_to_a_region_and_an_axis_without_an_interval_is_open() -> None:
    affect = np.array([[1, 7], [3, 5], [3.1, 5], [3, 4.9], [7, 1]], np.float32)
    assert Region((1, 3), (5, 7)).holds(affect).tolist() == [True, True, False, False, False]
    assert Region(valence=(3, 3)).holds(affect).tolist() == [False, True, False, True, False]
    assert Region(arousal=(1, 4.9)).holds(affect).tolist() == [False, False, False, True, True]
    assert Region().holds(affect).all()


@given(st.floats(1, 7), st.floats(1, 7))
def test_a_segment_lies_on_the_bound_that_was_made_of_its_own_affect(valence: float, arousal: float) -> None:
    """Affect is float32, and JSON says it in more digits or fewer: what is read from a hit still finds the hit."""
    stored = np.array([[valence, arousal]], np.float32)
    assert Region((valence, valence), (arousal, arousal)).holds(stored).all()


def fill(store: Store) -> None:
    """Add talks: each is neutral in the mean, and has one angry moment and one calm one."""
    rng = np.random.default_rng(1)
    for number in range(30):
        affects = [Affect(4, 4), Affect(1.5, 6.5), Affect(4, 4), Affect(6.5, 1.5)]
        made = making.segments(making.unit(rng, len(affects)))
        segments = [replace(segment, affect=affect) for segment, affect in zip(made, affects, strict=True)]
        store.add(making.clip(number, {"number": number, "parity": number % 2}, 12.0), segments)


ANGRY = Region(valence=(1, 3), arousal=(5, 7))
ANGRY_MEAN = filters.parse({"valence": {"lte": 3}, "arousal": {"gte": 5}})


@every_store
def test_an_angry_moment_of_a_neutral_talk_is_found(store: Store) -> None:
    fill(store)
    query = making.unit(np.random.default_rng(5), 1)[0]
    assert store.search(query, k=10, filter=ANGRY_MEAN) == []
    hits = store.search(query, k=10, region=ANGRY)
    assert [hit.affect for hit in hits] == [Affect(1.5, 6.5)] * 10
    assert len({hit.clip.id for hit in hits}) == 10


@every_store
def test_a_region_holds_inside_the_search_with_all_that_a_search_takes(store: Store) -> None:
    fill(store)
    query = making.unit(np.random.default_rng(5), 1)[0]
    everything = store.search(query, k=1_000, group_by_clip=False)
    angry = [hit for hit in everything if lies_in(ANGRY, hit.affect)]
    assert store.search(query, k=1_000, region=ANGRY, group_by_clip=False) == angry
    assert store.search(query, k=4, offset=3, region=ANGRY) == angry[3:7]  # each clip has one such moment
    odd = [hit for hit in angry if hit.clip.metadata["parity"]]
    assert store.search(query, k=50, region=ANGRY, filter=filters.parse({"parity": 1})) == odd
    without = frozenset(hit.clip.id for hit in angry[:2])
    assert store.search(query, k=3, region=ANGRY, exclude=without) == angry[2:5]
    floor = angry[6].score
    assert store.search(query, k=50, region=ANGRY, min_score=floor) == [hit for hit in angry if hit.score >= floor]
    assert store.search(query, k=50, region=Region(valence=(2, 3))) == []
    assert store.search(query, k=1_000, region=Region(), group_by_clip=False) == everything


@every_store
def test_a_region_is_searched_in_what_was_added_and_not_in_what_was_deleted(store: Store) -> None:
    fill(store)
    query = making.unit(np.random.default_rng(5), 1)[0]
    first = store.search(query, k=1, region=ANGRY)[0]
    store.delete(first.clip.id)
    assert first.clip.id not in {hit.clip.id for hit in store.search(query, k=50, region=ANGRY)}
    new = store.add(making.clip("new"), making.segments(query[np.newaxis], Affect(3, 5)))
    assert [hit.clip.id for hit in store.search(query, k=1, region=ANGRY)] == [new.id]
    assert len(store.search(query, k=50, region=ANGRY)) == 30


def test_a_snapshot_of_an_older_version_is_searched_in_regions_too(tmp_path: Path) -> None:
    query = making.unit(np.random.default_rng(5), 1)[0]
    with LocalStore.create(tmp_path, making.bundle()) as store:
        fill(store)
        store.compact()
        store.add(making.clip("new"), making.segments(query[np.newaxis], Affect(3, 5)))
        expected = store.search(query, k=50, region=ANGRY)
        assert len(expected) == 31
    before_affect(tmp_path)
    with LocalStore.open(tmp_path, making.bundle()) as store:
        gone = expected.pop(3).clip.id
        store.delete(gone)
        assert store.search(query, k=50, region=ANGRY) == expected
        assert store.search(query, k=50, region=ANGRY, filter=filters.parse({"parity": 0})) == [
            hit for hit in expected if hit.clip.metadata.get("parity") == 0
        ]
        assert [drift for drift in store.verify() if drift.kind != "audio"] == []
        assert store.index().problem is None
