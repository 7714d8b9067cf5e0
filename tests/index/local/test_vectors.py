"""Exact vector search, of a snapshot and its tail: order, ties, filters and grouping, removal, threads."""

import threading
import time
from collections.abc import Sequence
from dataclasses import replace

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.local.catalog import Rows
from index.local.part import Part
from index.local.vectors import Vectors
from index.region import Region
from tests.index.local.making import part_of, snapshot_of
from tests.index.test_region import lies_in, regions

DIM = 8

# Small whole numbers: float16 and every sum of products are exact, so scores tie exactly where they should.
SMALL = st.lists(st.integers(-1, 1), min_size=DIM, max_size=DIM)


def affect_of(segment: int) -> tuple[int, int]:
    return 1 + segment % 7, 1 + segment % 4


def rows(first: int, clips: Sequence[int], codes: Sequence[Sequence[int]], ids: Sequence[int]) -> Rows:
    count = len(clips)
    return Rows(
        np.arange(first, first + count),
        np.array(clips, np.int64),
        np.array([ids[clip] for clip in clips], np.uint64),
        np.array([1.5 * place for place in range(count)]),
        np.array([affect_of(first + place) for place in range(count)], np.float32),
        np.array(codes, np.float16).reshape(count, DIM),
    )


@st.composite
def contents(draw: st.DrawFn) -> tuple[list[int], list[list[int]], list[int]]:
    """Make segments in order: the clip of each, its vector; and the clips' ids, unordered and huge."""
    counts = draw(st.lists(st.integers(1, 40), min_size=1, max_size=8))
    clips = [clip for clip, count in enumerate(counts) for _ in range(count)]
    few = draw(st.lists(SMALL, min_size=1, max_size=6))
    codes = draw(st.lists(st.sampled_from(few), min_size=len(clips), max_size=len(clips)))
    ids = draw(
        st.lists(st.integers(0, 2**64 - 1), min_size=len(counts), max_size=len(counts), unique=True),
    )
    return clips, codes, ids


@settings(max_examples=150, deadline=None)
@given(
    contents(),
    SMALL,
    st.integers(1, 70),
    st.none() | st.sets(st.integers(0, 9)),
    st.sets(st.integers(0, 9), max_size=3),
    st.sets(st.integers(0, 9), max_size=3),
    st.none() | st.integers(-3, 3),
    st.booleans(),
    st.integers(0, 3),
    st.none() | regions(),
    st.booleans(),
)
def test_the_best_come_first_whatever_is_asked_for(
    made: tuple[list[int], list[list[int]], list[int]],
    query: list[int],
    count: int,
    allowed: set[int] | None,
    excluded: set[int],
    removed: set[int],
    min_score: int | None,
    by_clip: bool,
    quarters: int,
    region: Region | None,
    older: bool,
) -> None:
    clips, codes, ids = made
    everything = rows(1, clips, codes, ids)
    # What is in the snapshot ends with a clip; what is added since comes in portions that do not.
    begun = clips.index(clips[quarters * len(clips) // 4])
    half = (begun + len(clips)) // 2
    kept = snapshot_of(part_of(everything, 0, begun))
    vectors = Vectors(DIM, (replace(kept, affect=None) if older else kept) if quarters else None)
    vectors.add(part_of(everything, begun, half))
    vectors.add(part_of(everything, half, len(clips)))
    vectors.remove(np.array(sorted(removed), np.int64))
    if not vectors.located:  # a snapshot of an older version; the catalog does not know what is dead any more
        there = ~np.isin(everything.clips[:begun], sorted(removed))
        vectors.locate(everything.segments[:begun][there], everything.affect[:begun][there])
    found = vectors.search(
        np.array(query, np.float32),
        count,
        allowed=None if allowed is None else np.array(sorted(allowed), np.int64),
        excluded=np.array(sorted(excluded), np.int64),
        region=region,
        min_score=min_score,
        by_clip=by_clip,
    )

    expected: list[tuple[float, int, float, int, int]] = []
    for place, clip in enumerate(clips):
        score = float(np.dot(query, codes[place]))
        wanted = (allowed is None or clip in allowed) and (region is None or lies_in(region, affect_of(place + 1)))
        if wanted and clip not in excluded | removed and (min_score is None or score >= min_score):
            expected.append((-score, ids[clip], float(everything.starts[place]), place + 1, clip))
    expected.sort()
    if by_clip:
        best: dict[int, tuple[float, int, float, int, int]] = {}
        for entry in expected:
            best.setdefault(entry[4], entry)
        expected = list(best.values())
    assert found.segments.tolist() == [entry[3] for entry in expected[:count]]
    assert found.scores.tolist() == [-entry[0] for entry in expected[:count]]


def test_every_clip_is_found_though_one_clip_has_all_the_best_segments() -> None:
    rng = np.random.default_rng(0)
    codes = rng.standard_normal((5_000, DIM))
    codes[:4_990, 0] += 100  # the first clip's
    clips = [0] * 4_990 + list(range(1, 11))
    vectors = Vectors(DIM)
    vectors.add(rows(1, clips, codes.tolist(), list(range(11))))
    query = np.eye(DIM, dtype=np.float32)[0]
    assert vectors.search(query, 10, by_clip=False).segments.max() <= 4_990
    found = vectors.search(query, 11, by_clip=True)
    assert sorted(np.array(clips)[found.segments - 1]) == list(range(11))
    assert (np.diff(found.scores) <= 0).all()


def test_removed_rows_are_compacted_away_and_the_rest_stays_as_it_was() -> None:
    rng = np.random.default_rng(1)
    codes = rng.integers(-3, 4, (4_000, DIM))
    clips = [place // 4 for place in range(4_000)]
    vectors = Vectors(DIM)
    vectors.add(rows(1, clips, codes.tolist(), list(range(1_000))))
    for first in range(0, 900, 90):
        vectors.remove(np.arange(first, first + 90))
    assert len(vectors) == 400
    kept = np.arange(3_601, 4_001)
    assert vectors.segments().tolist() == kept.tolist()
    assert (vectors.codes(kept) == codes[3_600:]).all()
    query = rng.integers(-3, 4, DIM).astype(np.float32)
    scores = codes[3_600:] @ query
    found = vectors.search(query, 400)
    assert found.scores.tolist() == sorted(scores.tolist(), reverse=True)
    vectors.add(rows(4_001, [1_000], [query.astype(int).tolist()], list(range(1_001))))
    assert vectors.search(query * 10, 1).segments.tolist() == [4_001]


def test_nothing_is_found_among_nothing() -> None:
    query = np.ones(DIM, np.float32)
    vectors = Vectors(DIM)
    assert len(vectors.search(query, 5).segments) == 0
    vectors.remove(np.array([3]))
    vectors.add(rows(1, [0], [[1] * DIM], [7]))
    assert len(vectors.search(query, 5, allowed=np.array([], np.int64)).segments) == 0
    vectors.remove(np.array([0]))
    assert len(vectors.search(query, 5).segments) == 0


def test_scores_do_not_depend_on_how_many_are_asked_for_or_on_the_filter() -> None:
    rng = np.random.default_rng(2)
    codes = rng.standard_normal((3_000, DIM))
    vectors = Vectors(DIM)
    vectors.add(rows(1, list(range(3_000)), codes.tolist(), list(range(3_000))))
    query = rng.standard_normal(DIM).astype(np.float32)
    everything = vectors.search(query, 3_000)
    few = vectors.search(query, 7)
    assert few.segments.tolist() == everything.segments[:7].tolist()
    assert few.scores.tolist() == everything.scores[:7].tolist()
    odd = vectors.search(query, 7, allowed=np.arange(1, 3_000, 2))
    of_all = everything.segments % 2 == 0
    assert odd.segments.tolist() == everything.segments[of_all][:7].tolist()
    assert odd.scores.tolist() == everything.scores[of_all][:7].tolist()


def test_threads_search_while_another_adds_and_removes() -> None:
    """Searchers always see whole clips, in order, and what was there before the change began."""
    rng = np.random.default_rng(3)
    vectors = Vectors(DIM)
    ids = list(range(200))
    vectors.add(rows(1, [0] * 50, rng.standard_normal((50, DIM)).tolist(), ids))
    stop = threading.Event()
    problems: list[str] = []

    def look() -> None:
        local = np.random.default_rng()
        while not stop.is_set():
            found = vectors.search(local.standard_normal(DIM).astype(np.float32), 50)
            if len(found.segments) < 50 or (np.diff(found.scores) > 0).any():
                problems.append(f"{len(found.segments)} found")

    searchers = [threading.Thread(target=look) for _ in range(3)]
    for searcher in searchers:
        searcher.start()
    for clip in range(1, 150):
        first = vectors.last_segment + 1
        vectors.add(rows(first, [clip] * 30, rng.standard_normal((30, DIM)).tolist(), ids))
        if clip % 3 == 0:
            vectors.remove(np.arange(clip - 2, clip))
        time.sleep(0.001)
    stop.set()
    for searcher in searchers:
        searcher.join(timeout=10)
    assert not problems
    assert len(vectors) == 50 + 30 * 149 - 30 * 2 * 49


@pytest.mark.parametrize("own_thread", [False, True])
def test_a_search_uses_one_thread(own_thread: bool) -> None:
    counts: list[int] = []

    def work() -> None:
        vectors = Vectors(DIM)
        vectors.add(rows(1, [0], [[1] * DIM], [7]))
        vectors.search(np.ones(DIM, np.float32), 1)
        counts.append(faiss.omp_get_max_threads())

    if own_thread:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    else:
        work()
    assert counts == [1]


def test_a_search_that_began_before_a_change_sees_none_of_it() -> None:
    """A part that was added to still is what it was, also where a clip's segments came in two portions."""
    everything = rows(1, [0, 0, 0, 1, 1, 1], [[1] * DIM] * 6, [5, 9])
    before = Part.empty(DIM).added(part_of(everything, 0, 4))
    after = before.added(part_of(everything, 4, 6)).without(np.array([0]))
    assert before.clip_of(np.arange(4)).tolist() == [0, 0, 0, 1]
    assert before.lengths.tolist() == [3, 1]
    assert after.lengths.tolist() == [3, 3]
    assert (before.count, after.count) == (4, 3)
    assert after.compacted().segments.tolist() == [4, 5, 6]


def test_memory_is_told_by_part() -> None:
    everything = rows(1, [0, 0, 1, 1], [[1] * DIM] * 4, [5, 9])
    vectors = Vectors(DIM, snapshot_of(part_of(everything, 0, 2)))
    assert vectors.memory.mapped == 2 * DIM * 2
    assert (len(vectors), vectors.tail, vectors.removed, vectors.last_segment) == (2, 0, 0, 2)
    before = vectors.memory
    vectors.add(part_of(everything, 2, 4))
    assert vectors.memory.tail >= before.tail + 2 * DIM * 2
    assert vectors.memory.total > before.total
    vectors.remove(np.array([0]))
    assert (len(vectors), vectors.tail, vectors.removed, vectors.last_segment) == (2, 2, 2, 4)
