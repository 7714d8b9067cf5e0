"""The store, of every kind: what is added is found, what is deleted is gone, and what is wrong is refused.

Every test here runs against every kind of store. `test_store_congruence` compares their answers.
"""

import re
import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from encoders.affect import Affect
from index import filters
from index.errors import (
    ClipConflict,
    ClipNotFound,
    EmbeddingError,
    FilterError,
    LibraryError,
    MetadataError,
    QueryError,
)
from index.records import Hit, Metadata
from index.store import Store
from tests.index import making
from tests.index.conftest import KINDS

pytestmark = pytest.mark.parametrize("kind", KINDS)


def fill(store: Store, counts: list[int], seed: int = 0) -> dict[str, making.Vectors]:
    """Add a clip for each count, with so many segments; return the clips' embeddings by id."""
    rng = np.random.default_rng(seed)
    held = {}
    for number, count in enumerate(counts):
        vectors = making.unit(rng, count)
        new = making.clip(f"{seed}-{number}", {"parity": number % 2, "number": number})
        held[store.add(new, making.segments(vectors)).id] = vectors
    return held


def scan(held: dict[str, making.Vectors], query: making.Vectors, *, by_clip: bool) -> making.Scan:
    """Brute force: (clip, start, score) of everything, in the order that a search promises."""
    found = sorted(
        (-float(score), clip, 1.5 * place)
        for clip, vectors in held.items()
        for place, score in enumerate(vectors.astype(np.float64) @ query.astype(np.float64))
    )
    seen: set[str] = set()
    kept = []
    for score, clip, start in found:
        if not (by_clip and clip in seen):
            kept.append((clip, start, -score))
        seen.add(clip)
    return kept


def test_a_clip_comes_back_as_it_was_added(store: Store) -> None:
    vectors = making.unit(np.random.default_rng(0), 3)
    metadata: Metadata = {"speaker": "03", "take": 2, "gain": -1.5, "acted": True, "note": None, "ключ 'x\"": "日本"}
    new = making.clip(1, metadata, duration=6.0)
    added = store.add(new, making.segments(vectors))
    assert added == store.get(new.id) == store.clips()[0]
    assert (added.id, added.sha256, added.name, added.path) == (new.sha256[:16], new.sha256, new.name, new.path)
    assert (added.duration, added.metadata, added.segments) == (6.0, metadata, 3)
    assert [type(value) for value in added.metadata.values()].count(bool) == 1
    assert added.affect == Affect(4.0, 2.0)  # the mean of arousal 1, 2, 3
    assert added.added_at.utcoffset() is not None
    kept = store.segments(new.id)
    assert [(s.start, s.end, s.affect) for s in kept] == [(s.start, s.end, s.affect) for s in making.segments(vectors)]
    assert all((s.embedding == vector).all() for s, vector in zip(kept, vectors, strict=True))
    assert store.count() == (1, 3, 6.0)
    assert store.has([new.id, "0" * 16]) == {new.id}


def test_hits_bring_their_embeddings_when_asked(store: Store) -> None:
    held = fill(store, [3, 1, 2])
    query = making.unit(np.random.default_rng(1), 1)[0]
    bare = store.search(query, k=10, group_by_clip=False)
    assert {hit.embedding is None for hit in bare} == {True}
    full = store.search(query, k=10, group_by_clip=False, embeddings=True)
    assert full == bare
    for hit in full:
        assert hit.embedding is not None
        assert hit.embedding.dtype == np.float32
        assert (hit.embedding == held[hit.clip.id][round(hit.start / 1.5)]).all()


@pytest.mark.parametrize("by_clip", [True, False])
def test_search_agrees_with_a_scan_over_everything(store: Store, by_clip: bool) -> None:
    held = fill(store, [1, 4, 9, 2, 30, 1, 1, 5] * 5)
    for seed in range(5):
        query = making.unit(np.random.default_rng(100 + seed), 1)[0]
        expected = scan(held, making.normal(query), by_clip=by_clip)
        for k in (1, 10, 40, 1_000):
            assert making.agrees(store.search(query, k=k, group_by_clip=by_clip), expected, k)
        floor = expected[7][2]
        above = sum(entry[2] > floor + 1e-5 for entry in expected)
        hits = store.search(query, k=99, min_score=floor + 1e-5, group_by_clip=by_clip)
        assert making.agrees(hits, expected, above)


@pytest.mark.parametrize("by_clip", [True, False])
def test_pages_fit_together(store: Store, by_clip: bool) -> None:
    rng = np.random.default_rng(0)
    same_vectors = making.unit(rng, 4)  # the same sound in every clip: everything ties
    for number in range(30):
        store.add(making.clip(number), making.segments(same_vectors))
    query = making.unit(rng, 1)[0]
    whole = store.search(query, k=200, group_by_clip=by_clip)
    assert len(whole) == (30 if by_clip else 120)
    paged: list[Hit] = []
    while page := store.search(query, k=7, offset=len(paged), group_by_clip=by_clip):
        paged += page
    assert paged == whole
    assert [hit.clip.id for hit in whole][:30] == sorted(hit.clip.id for hit in whole[:30])


def test_of_many_that_tie_the_first_by_id_are_found(store: Store) -> None:
    """More tie than any engine is asked for at a time: which it left out must not show."""
    (vector,) = making.unit(np.random.default_rng(0), 1)
    ids = sorted(store.add(making.clip(n), making.segments(vector[np.newaxis])).id for n in range(150))
    for by_clip in (True, False):
        assert [hit.clip.id for hit in store.search(vector, k=5, group_by_clip=by_clip)] == ids[:5]
        assert [hit.clip.id for hit in store.search(vector, k=5, offset=90, group_by_clip=by_clip)] == ids[90:95]


def test_a_filter_holds_inside_the_search(store: Store) -> None:
    held = fill(store, [3] * 200)
    query = making.unit(np.random.default_rng(5), 1)[0]
    order = [clip for clip, _, _ in scan(held, query, by_clip=True)]
    for clause in ({"parity": 1}, {"number": {"in": [7, 199]}}, {"number": {"lt": 0}}, {"not": {"parity": 1}}):
        condition = filters.parse(clause)
        kept = {clip.id for clip in store.clips(limit=500, filter=condition)}
        hits = store.search(query, k=10, filter=condition)
        assert [hit.clip.id for hit in hits] == [clip for clip in order if clip in kept][:10]


def test_excluded_clips_are_left_out_of_the_search(store: Store) -> None:
    held = fill(store, [2] * 12)
    query = making.unit(np.random.default_rng(5), 1)[0]
    order = [clip for clip, _, _ in scan(held, query, by_clip=True)]
    hits = store.search(query, k=5, exclude=frozenset([*order[:3], "0" * 16]))
    assert [hit.clip.id for hit in hits] == order[3:8]


def test_an_empty_library_has_no_hits(store: Store) -> None:
    assert store.search(np.ones(making.DIM, np.float32), k=3) == []
    assert store.clips() == []
    assert store.count() == (0, 0, 0.0)


def test_the_places_of_all_segments_come_in_columns(store: Store) -> None:
    assert (store.places().clips, len(store.places()), store.places().affect.shape) == ((), 0, (0, 2))
    ids = list(fill(store, [3, 1, 2]))
    found = store.places()
    assert found.clips == tuple(ids)
    assert found.owners.tolist() == [0, 0, 0, 1, 2, 2]
    assert found.starts.tolist() == [0, 1.5, 3, 0, 0, 1.5]
    assert (found.ends - found.starts).tolist() == [3] * 6
    assert found.affect.tolist() == [[4, 1], [4, 2], [4, 3], [4, 1], [4, 1], [4, 2]]
    assert [found.owners.dtype, found.affect.dtype] == [np.dtype(np.int32), np.dtype(np.float32)]
    odd = store.places(filters.parse({"parity": 1}))
    assert (odd.clips, odd.owners.tolist()) == ((ids[1],), [0])
    store.delete(ids[0])
    assert store.places().owners.tolist() == [0, 1, 1]


def test_a_state_lasts_until_the_clips_change(store: Store) -> None:
    seen = [store.state()]
    if seen[0] is None:
        return  # this store cannot tell
    (first, second) = fill(store, [1, 2])
    seen.append(store.state())
    store.update(first, metadata={"n": 9})
    seen.append(store.state())
    store.delete(second)
    seen.append(store.state())
    assert len(set(seen)) == 4
    store.places()
    store.compact()
    assert store.state() == seen[-1]


def test_a_score_is_a_cosine_whatever_the_length_of_the_query(store: Store) -> None:
    held = fill(store, [1])
    vector = next(iter(held.values()))[0]
    for length in (1e-3, 1.0, 1e6):
        (hit,) = store.search(vector * np.float32(length), k=1)
        assert hit.score == pytest.approx(1.0, abs=1e-3)
        assert hit.score <= 1.0


def test_added_and_deleted_clips_are_seen_by_the_next_search(store: Store) -> None:
    vectors = making.unit(np.random.default_rng(0), 3)
    query = vectors[0]
    for number, vector in enumerate(vectors):
        clip = store.add(making.clip(number), making.segments(vector[np.newaxis]))
        assert len(store.search(query, k=9)) == number + 1
    store.delete(clip.id)
    assert clip.id not in {hit.clip.id for hit in store.search(query, k=9)}
    again = store.add(making.clip(2), making.segments(vectors[2:]))
    assert again.id == clip.id
    assert len(store.search(query, k=9)) == 3


def test_the_same_content_again_is_an_update(store: Store) -> None:
    vectors = making.unit(np.random.default_rng(0), 2)
    first = store.add(making.clip(1, {"a": 1}), making.segments(vectors))
    moved = replace(making.clip(1), name="new.wav", path="/elsewhere/new.wav")
    second = store.add(moved, making.segments(making.unit(np.random.default_rng(1), 5)))
    assert (second.name, second.path, second.metadata) == ("new.wav", "/elsewhere/new.wav", {"a": 1})
    assert (second.segments, second.added_at) == (2, first.added_at)
    assert store.add(making.clip(1, {}), []).metadata == {}
    assert store.count() == (1, 2, 3.0)
    assert len(store.search(vectors[0], k=9, group_by_clip=False)) == 2


def test_update_changes_what_is_given(store: Store) -> None:
    clip = store.add(making.clip(1, {"a": 1, "b": 2}), making.segments(making.unit(np.random.default_rng(0), 1)))
    assert store.update(clip.id, metadata={"b": "x"}).metadata == {"b": "x"}
    assert store.update(clip.id, name="n").metadata == {"b": "x"}
    assert store.get(clip.id).name == "n"
    assert store.count(filters.parse({"a": 1})).clips == 0
    with pytest.raises(ClipNotFound):
        store.update("0" * 16, name="n")


def test_the_pages_of_the_list_are_in_the_order_of_adding(store: Store) -> None:
    fill(store, [1] * 7)
    assert [clip.metadata["number"] for clip in store.clips(offset=2, limit=3)] == [2, 3, 4]
    assert store.clips(offset=7) == []
    with pytest.raises(QueryError):
        store.clips(offset=-1)


def test_what_is_not_there_is_named(store: Store) -> None:
    for method in (store.get, store.segments, store.delete):
        with pytest.raises(ClipNotFound, match="'nowhere'"):
            method("nowhere")


def test_two_files_with_one_id_are_told_apart(store: Store) -> None:
    vectors = making.segments(making.unit(np.random.default_rng(0), 1))
    new = making.clip(1)
    store.add(new, vectors)
    twin = replace(new, sha256=new.sha256[:16] + "0" * 48)
    with pytest.raises(ClipConflict, match=new.id):
        store.add(twin, vectors)


BAD = {
    "wrong dimension": (np.ones(making.DIM + 1, np.float32), "17 values; this library's embeddings have 16"),
    "two rows": (np.ones((2, making.DIM), np.float32), "2 x 16 values"),
    "a number": (np.float32(1), "no values"),
    "NaN": (np.full(making.DIM, np.nan, np.float32), "not finite"),
    "infinite": (np.full(making.DIM, np.inf, np.float32), "not finite"),
    "zero": (np.zeros(making.DIM, np.float32), "zero"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_query_never_reaches_the_search(store: Store, case: str) -> None:
    vector, message = BAD[case]
    fill(store, [2])
    with pytest.raises(EmbeddingError, match=message):
        store.search(np.asarray(vector), k=1)


@pytest.mark.parametrize("case", BAD)
def test_a_bad_embedding_is_refused_and_nothing_is_kept_of_its_clip(store: Store, case: str) -> None:
    vector, message = BAD[case]
    good = making.segments(making.unit(np.random.default_rng(0), 2))
    bad = replace(good[1], embedding=np.asarray(vector))
    with pytest.raises(EmbeddingError, match="length 0" if case == "zero" else message):
        store.add(making.clip(1), [good[0], bad])
    assert store.count() == (0, 0, 0.0)
    assert store.verify() == []


def test_other_bad_clips_are_refused(store: Store) -> None:
    good = making.segments(making.unit(np.random.default_rng(0), 1))
    with pytest.raises(EmbeddingError, match="at least one segment"):
        store.add(making.clip(1), [])
    with pytest.raises(EmbeddingError, match=r"length 2\.0"):
        store.add(making.clip(1), [replace(good[0], embedding=good[0].embedding * 2)])
    with pytest.raises(EmbeddingError, match="finite"):
        store.add(making.clip(1), [replace(good[0], affect=Affect(float("nan"), 1.0))])
    with pytest.raises(MetadataError, match="Unicode"):
        store.add(replace(making.clip(1), path="/a/\udcff.wav"), good)
    assert store.count().clips == 0


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"x": [1]}, "'x' is a list"),
        ({"x": {"y": 1}}, "'x' is a dict"),
        ({"x": float("nan")}, "'x' is nan"),
        ({"x": 2**63}, "beyond 64 bits"),
        ({"x": "a" * 10_001}, "10001 characters"),
        ({"": 1}, "at least one character"),
        ({3: 1}, "must be a text"),
        ({"k" * 201: 1}, "over 200 characters"),
        ({"x": "\ud800"}, "Unicode"),
        ({"\ud800": 1}, "Unicode"),
        ({str(n): n for n in range(257)}, "257 fields"),
    ],
)
def test_metadata_that_cannot_be_kept_is_refused(store: Store, metadata: dict[Any, Any], message: str) -> None:
    segments = making.segments(making.unit(np.random.default_rng(0), 1))
    new = making.clip(1)
    with pytest.raises(MetadataError, match=message):
        store.add(replace(new, metadata=metadata), segments)
    store.add(new, segments)
    with pytest.raises(MetadataError, match=message):
        store.update(new.id, metadata=metadata)
    assert store.get(new.id).metadata == {}


def test_options_outside_their_range_are_refused(store: Store) -> None:
    query = np.ones(making.DIM, np.float32)
    for options in ({"k": 0}, {"k": 1, "offset": -1}, {"k": 1, "min_score": float("nan")}):
        with pytest.raises(QueryError):
            store.search(query, **options)
    with pytest.raises(FilterError):
        store.search(query, k=1, filter=filters.parse({"x": {}}))


def test_threads_may_share_a_store(store: Store) -> None:
    """Writers and readers on one store: every add is there afterwards, and no search sees half a clip."""
    rng = np.random.default_rng(0)
    fill(store, [3] * 5, seed=9)
    work = [[(f"{writer}-{n}", making.unit(rng, 2)) for n in range(12)] for writer in range(3)]
    problems: list[BaseException] = []
    done = threading.Event()

    def write(items: list[tuple[str, making.Vectors]]) -> None:
        try:
            for place, (seed, vectors) in enumerate(items):
                clip = store.add(making.clip(seed), making.segments(vectors))
                if place % 3 == 2:
                    store.delete(clip.id)
        except BaseException as error:
            problems.append(error)

    def read() -> None:
        local = np.random.default_rng()
        try:
            while not done.is_set():
                hits = store.search(making.unit(local, 1)[0], k=20)
                assert len(hits) >= 5
                assert len({hit.clip.id for hit in hits}) == len(hits)
                store.count()
        except BaseException as error:
            problems.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    writers = [threading.Thread(target=write, args=(items,)) for items in work]
    for thread in [*readers, *writers]:
        thread.start()
    for thread in writers:
        thread.join(timeout=30)
    done.set()
    for thread in readers:
        thread.join(timeout=30)
    assert problems == []
    assert store.count().clips == 5 + 3 * 8
    assert [drift for drift in store.verify() if drift.kind != "audio"] == []


def test_a_closed_store_says_so(store: Store, address: str) -> None:
    store.close()
    with pytest.raises(LibraryError, match=re.escape(f"{address} has been closed")):
        store.count()
