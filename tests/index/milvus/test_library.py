"""The Milvus store: opening, and what interrupted, simultaneous and foreign writes leave."""

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from index import filters
from index.errors import (
    ClipNotFound,
    LibraryAway,
    LibraryError,
    LibraryInvalid,
    LibraryMismatch,
    LibraryNewer,
    LibraryNotFound,
    LibraryReadOnly,
    MetadataError,
)
from index.milvus import checking, connection, rows, schema
from index.milvus.expressions import EVERYTHING
from index.milvus.store import MilvusStore
from index.open import open_store
from index.records import Stamp
from tests.index import making

RNG = np.random.default_rng(0)

_names = itertools.count(1)


@pytest.fixture
def address(milvus: str) -> connection.Address:
    return connection.parse(f"{milvus}own_{next(_names)}")


@pytest.fixture
def store(address: connection.Address) -> Iterator[MilvusStore]:
    with MilvusStore.create(address, making.bundle()) as store:
        yield store


@pytest.fixture
def server(address: connection.Address) -> Iterator[connection.Connection]:
    """Connect beside the store: what another process would see and do."""
    found = connection.connect(address)
    yield found
    found.close()


def old(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what is written from now on be two hours old."""
    real = rows.time.time_ns  # type: ignore[attr-defined]
    monkeypatch.setattr(rows.time, "time_ns", lambda: real() - 7200 * 10**9)  # type: ignore[attr-defined]


def test_a_library_is_made_opened_and_checked(address: connection.Address) -> None:
    with pytest.raises(LibraryNotFound, match=r"there is no library at milvus://.*index build"):
        MilvusStore.open(address, making.bundle())
    MilvusStore.create(address, making.bundle()).close()
    MilvusStore.create(address, making.bundle()).close()
    with MilvusStore.open(address, None) as store:
        assert store.fingerprint == making.bundle().fingerprint
    for opening in (MilvusStore.open, MilvusStore.create):
        with pytest.raises(LibraryMismatch, match="was made with the bundle test 1"):
            opening(address, making.bundle("other"))


def test_a_library_of_a_newer_format_is_refused(store: MilvusStore, server: connection.Connection) -> None:
    (row,) = server.by_id(server.address.clips, [schema.LIBRARY], ["record"])
    record = {**json.loads(row["record"]), "format": str(schema.FORMAT + 1)}
    server.write(server.address.clips, [schema.own_row(schema.LIBRARY, record)])
    with pytest.raises(LibraryNewer, match="Upgrade"):
        MilvusStore.open(server.address, None)


def test_making_a_library_that_was_interrupted_is_completed(
    address: connection.Address, server: connection.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(connection.Connection, "write", lambda *_: (_ for _ in ()).throw(LibraryAway("gone")))
        with pytest.raises(LibraryAway):
            MilvusStore.create(address, making.bundle())
    with pytest.raises(LibraryInvalid, match="was interrupted"):
        MilvusStore.open(address, None)
    with MilvusStore.create(address, making.bundle()) as store:
        store.add(making.clip(1), making.segments(making.unit(RNG, 2)))
        assert store.count().segments == 2


def test_a_collection_of_somebody_else_is_left_alone(milvus: str, server: connection.Connection) -> None:
    server.client.create_collection(f"{server.address.name}_clips", dimension=4)
    with pytest.raises(LibraryInvalid, match="is taken"):
        MilvusStore.open(server.address, None)
    with pytest.raises(LibraryError):
        MilvusStore.create(server.address, making.bundle())
    assert server.client.describe_collection(f"{server.address.name}_clips")["fields"][1]["name"] == "vector"


def test_a_library_opened_for_reading_is_not_written_to(store: MilvusStore) -> None:
    clip = store.add(making.clip(1), making.segments(making.unit(RNG, 1)))
    with open_store(str(store.address), bundle=None, read_only=True) as reader:
        assert reader.get(clip.id) == clip
        changes: list[Any] = [
            lambda: reader.add(making.clip(2), making.segments(making.unit(RNG, 1))),
            lambda: reader.update(clip.id, name="x"),
            lambda: reader.delete(clip.id),
            lambda: reader.restamp({}),
            reader.compact,
            reader.rebuild,
        ]
        for change in changes:
            with pytest.raises(LibraryReadOnly, match="for reading only"):
                change()
    assert store.count().clips == 1


@pytest.mark.parametrize("operation", ["add", "update", "delete"])
@pytest.mark.parametrize("survives", [0, 1, 2, 3])
def test_a_write_that_is_cut_off_anywhere_is_whole_or_not_at_all(
    store: MilvusStore, monkeypatch: pytest.MonkeyPatch, operation: str, survives: int
) -> None:
    """Let the process die (nothing reaches the server any more) after so many requests that change something."""
    vectors = making.unit(RNG, 3)
    kept = store.add(making.clip(1, {"state": "old"}), making.segments(vectors))
    left = [survives]

    def dying(real: Any) -> Any:
        def request(*args: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise LibraryAway("the server is gone")
            return real(*args)

        return request

    failed = False
    with monkeypatch.context() as patch:
        old(patch)
        for name in ("write", "delete"):
            patch.setattr(connection.Connection, name, dying(getattr(connection.Connection, name)))
        try:
            if operation == "add":
                store.add(making.clip(2, {"state": "new"}), making.segments(making.unit(RNG, 2)))
            elif operation == "update":
                store.update(kept.id, metadata={"state": "new"})
            else:
                store.delete(kept.id)
        except LibraryAway:
            failed = True
    with open_store(str(store.address), bundle=making.bundle()) as again:
        clips = again.clips()
        hits = again.search(vectors[0], k=100, group_by_clip=False)
        assert sorted(hit.clip.id for hit in hits) == sorted(clip.id for clip in clips for _ in range(clip.segments))
        for clip in clips:
            assert len(again.segments(clip.id)) == clip.segments
            for state in ("old", "new"):
                found = again.search(vectors[0], k=9, filter=filters.parse({"state": state}))
                assert (clip in [hit.clip for hit in found]) is (clip.metadata["state"] == state)
        states = sorted(str(clip.metadata["state"]) for clip in clips)
        before, after = {"add": (["old"], ["new", "old"]), "update": (["old"], ["new"]), "delete": (["old"], [])}[
            operation
        ]
        assert states in ([before, after] if failed else [after])
        again.compact()
        assert [drift for drift in again.verify() if drift.kind != "audio"] == []
        assert again.clips() == clips


def test_what_was_left_behind_is_found_and_removed_but_not_what_is_on_its_way(
    store: MilvusStore, server: connection.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = store.add(making.clip(1), making.segments(making.unit(RNG, 2)))
    segments = making.segments(making.unit(RNG, 3))
    other = replace(clip, id="f" * 16, segments=3)
    young = rows.Stored(other, rows.new_edition())
    server.write(server.address.segments, list(rows.segment_rows(young, segments)))
    with monkeypatch.context() as patch:
        old(patch)
        lost = rows.Stored(clip, rows.new_edition())
    server.write(server.address.segments, list(rows.segment_rows(lost, segments)))
    assert [drift.message for drift in store.verify() if drift.kind == "vectors"] == [
        "3 segments belong to no clip (an interrupted write left them behind); `index compact` removes them"
    ]
    assert {hit.clip.id for hit in store.search(segments[0].embedding, k=9, group_by_clip=False)} == {clip.id}
    assert store.compact().changes == 3
    assert len(list(server.by_id(server.address.segments, rows.segment_ids(young), ["id"]))) == 3
    assert len(store.segments(clip.id)) == 2


def test_updates_and_deletes_leave_nothing_behind(store: MilvusStore, server: connection.Connection) -> None:
    clip = store.add(making.clip(1, {"n": 1}), making.segments(making.unit(RNG, 3)))
    for metadata in ({"n": 2}, {"n": 2.0}, {"n": 2.0}):
        store.update(clip.id, metadata=metadata)
        assert server.count(server.address.segments, EVERYTHING) == 3
    store.restamp({clip.id: Stamp(1, 2)})
    store.delete(clip.id)
    assert server.count(server.address.segments, EVERYTHING) == 0
    assert list(server.by_id(server.address.clips, [clip.id, rows.stamp_id(clip.id)], ["id"])) == []


def test_many_dead_segments_do_not_hide_the_living(store: MilvusStore, server: connection.Connection) -> None:
    vectors = making.unit(RNG, 300)
    clip = store.add(making.clip(1), making.segments(vectors[:1]))
    for number in range(30):
        dead = rows.Stored(replace(clip, id=f"{number:016x}", segments=10), rows.new_edition())
        server.write(
            server.address.segments, list(rows.segment_rows(dead, making.segments(vectors[10 * number :][:10])))
        )
    query = vectors[150]
    for by_clip in (True, False):
        (hit,) = store.search(query, k=5, group_by_clip=by_clip)
        assert hit.clip == clip


def test_two_processes_that_change_one_clip_do_not_damage_it(
    store: MilvusStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One reads, the other changes the clip as a whole, then the first goes on."""
    clip = store.add(making.clip(1, {"n": 0}), making.segments(making.unit(RNG, 4)))
    with open_store(str(store.address), bundle=making.bundle()) as other:
        real = connection.Connection.write
        pairs: list[tuple[Callable[[], object], Callable[[], object]]] = [
            (lambda: store.update(clip.id, metadata={"n": 1}), lambda: other.update(clip.id, metadata={"n": 2})),
            (lambda: store.update(clip.id, metadata={"n": 3}), lambda: other.delete(clip.id)),
            (lambda: store.update(clip.id, path="/x.wav"), lambda: other.update(clip.id, metadata={"n": 4})),
        ]
        for first, second in pairs:
            interposed = [second]

            def write(self: connection.Connection, *args: Any, waiting: list[Any] = interposed) -> None:
                if waiting and self is store._connection:
                    waiting.pop()()
                real(self, *args)

            with monkeypatch.context() as patch:
                patch.setattr(connection.Connection, "write", write)
                first()
            for each in (store, other):
                assert len(each.segments(clip.id)) == 4
                assert len(each.search(np.ones(making.DIM, np.float32), k=9, group_by_clip=False)) == 4


def test_two_processes_that_add_one_clip_make_one(store: MilvusStore, monkeypatch: pytest.MonkeyPatch) -> None:
    new, segments = making.clip(1), making.segments(making.unit(RNG, 2))
    with open_store(str(store.address), bundle=making.bundle()) as other:
        real = connection.Connection.write
        waiting = [lambda: other.add(replace(new, name="theirs.wav"), segments)]

        def write(self: connection.Connection, *args: Any) -> None:
            if waiting and self is store._connection:
                waiting.pop()()
            real(self, *args)

        with monkeypatch.context() as patch:
            patch.setattr(connection.Connection, "write", write)
            store.add(new, segments)
        assert [clip.name for clip in other.clips()] == [new.name]
        assert len(store.search(segments[0].embedding, k=9, group_by_clip=False)) == 2


def test_a_search_does_not_miss_a_clip_that_is_changed_meanwhile(
    store: MilvusStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = making.unit(RNG, 3)
    clip = store.add(making.clip(1, {"n": 0}), making.segments(vectors))
    real = connection.Connection.nearest
    rounds = iter(range(1, 4))

    def nearest(self: connection.Connection, *args: Any) -> Any:
        found = real(self, *args)
        if (number := next(rounds, None)) is not None:
            store.update(clip.id, metadata={"n": number})
        return found

    monkeypatch.setattr(connection.Connection, "nearest", nearest)
    assert [hit.clip.id for hit in store.search(vectors[0], k=3)] == [clip.id]


def test_drift_is_found_and_rebuilt(store: MilvusStore, server: connection.Connection) -> None:
    vectors = making.unit(RNG, 2)
    clip = store.add(making.clip(1, {"n": 1}), making.segments(vectors))
    lost = store.add(making.clip(2), making.segments(vectors))
    (stored,) = rows.read_clips(server.by_id(server.address.clips, [clip.id], rows.CLIP)).values()
    wrong = rows.Stored(replace(stored.clip, metadata={"n": 2}), stored.edition)
    server.write(server.address.segments, list(rows.segment_rows(wrong, making.segments(vectors))))
    (other,) = rows.read_clips(server.by_id(server.address.clips, [lost.id], rows.CLIP)).values()
    server.delete(server.address.segments, rows.segment_ids(other)[:1])
    messages = {drift.kind: drift.message for drift in store.verify() if drift.kind != "audio"}
    assert messages == {
        "catalog": f"clip {lost.id}: its record says 2 segments, there are 1",
        "vectors": f"clip {clip.id}: its segments are searched with other metadata than it has",
    }
    with pytest.raises(LibraryInvalid, match=f"of the clip {lost.id}, 1 of 2 segments"):
        store.segments(lost.id)
    store.delete(lost.id)
    store.rebuild()
    assert [drift for drift in store.verify() if drift.kind != "audio"] == []
    assert store.count(filters.parse({"n": 1})).clips == 1


def test_pages_of_a_long_list_are_found_by_counting(store: MilvusStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("index.milvus.listing._SLACK", 3)
    ids = [store.add(making.clip(n, {"odd": n % 2}), making.segments(making.unit(RNG, 1))).id for n in range(40)]
    for offset, limit in ((0, 5), (17, 4), (36, 9), (40, 1), (0, 100), (39, 1), (5, 0)):
        assert [clip.id for clip in store.clips(offset=offset, limit=limit)] == ids[offset : offset + limit]
    odd = filters.parse({"odd": 1})
    assert [clip.id for clip in store.clips(offset=7, limit=3, filter=odd)] == ids[1::2][7:10]


def test_metadata_that_milvus_cannot_hold_is_refused_whole(store: MilvusStore) -> None:
    segments = making.segments(making.unit(RNG, 1))
    for metadata in ({str(n): "x" * 10_000 for n in range(7)}, {str(n): "é" * 10_000 for n in range(3)}):
        with pytest.raises(MetadataError, match="too large for a library in Milvus"):
            store.add(making.clip(1, metadata), segments)
    assert store.count().clips == 0
    clip = store.add(making.clip(1, {str(n): "x" * 10_000 for n in range(4)}), segments)
    with pytest.raises(MetadataError, match="too large"):
        store.update(clip.id, metadata={str(n): "x" * 10_000 for n in range(7)})
    assert store.get(clip.id) == clip


def test_more_segments_than_one_request_may_hold(store: MilvusStore) -> None:
    vectors = making.unit(RNG, 1300)
    clip = store.add(making.clip(1), making.segments(vectors))
    kept = store.segments(clip.id)
    assert [segment.start for segment in kept] == [1.5 * place for place in range(1300)]
    assert (np.stack([segment.embedding for segment in kept]) == vectors).all()
    hits = store.search(vectors[0], k=1300, group_by_clip=False)
    assert len({hit.start for hit in hits}) == 1300
    store.delete(clip.id)
    assert store.search(vectors[0], k=5) == []
    with pytest.raises(ClipNotFound):
        store.get(clip.id)


def test_grace_keeps_what_another_process_may_be_adding() -> None:
    assert rows.new_edition() > rows.edition_before(checking.GRACE)
