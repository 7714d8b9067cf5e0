"""Compaction and what is done without a snapshot: every search agrees with a scan over everything."""

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from index import filters
from index.errors import LibraryBusy, LibraryError, LibraryReadOnly
from index.local import compaction
from index.local.library import LocalStore
from index.local.lock import alone
from index.records import Compaction
from tests.index import making

Held = dict[str, making.Vectors]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LocalStore]:
    with LocalStore.create(tmp_path / "library", making.bundle()) as store:
        yield store


def another(store: LocalStore) -> LocalStore:
    """Open the library as another process would."""
    return LocalStore.open(store.path, making.bundle())


def add(store: LocalStore, held: Held, *seeds: int) -> None:
    for seed in seeds:
        vectors = making.unit(np.random.default_rng(seed), 1 + seed % 4)
        held[store.add(making.clip(seed, {"even": seed % 2 == 0}), making.segments(vectors)).id] = vectors


def delete(store: LocalStore, held: Held, *seeds: int) -> None:
    for seed in seeds:
        store.delete(making.clip(seed).id)
        del held[making.clip(seed).id]


def check(store: LocalStore, held: Held) -> None:
    """Check a search for everything, and one with a filter, against a scan over what is held."""
    query = making.unit(np.random.default_rng(99), 1)[0]
    even = {clip.id for clip in store.clips(limit=1_000) if clip.metadata["even"]}
    for kept, condition in ((set(held), None), (even, filters.parse({"even": True}))):
        scan = [
            (clip, 1.5 * place, float(score))
            for clip in kept
            for place, score in enumerate(held[clip].astype(np.float64) @ making.normal(query).astype(np.float64))
        ]
        scan.sort(key=lambda entry: -entry[2])
        hits = store.search(query, k=10_000, group_by_clip=False, filter=condition)
        assert making.agrees(hits, scan, 10_000)


def drift(store: LocalStore, kind: str = "") -> list[str]:
    return [item.message for item in store.verify() if item.kind != "audio" and kind in item.kind]


def test_what_was_compacted_is_searched_as_before(store: LocalStore) -> None:
    held: Held = {}
    add(store, held, *range(20))
    delete(store, held, 3, 4)
    made = store.compact()
    assert isinstance(made, Compaction)
    assert (made.clips, made.segments, made.changes) == (18, sum(map(len, held.values())), 22)
    with another(store) as fresh:
        for opened in (store, fresh):
            check(opened, held)
            assert drift(opened) == []
            index = opened.info().index
            assert (index.changes, index.tail, index.problem) == (0, 0, None)


def test_changes_after_a_compaction_are_followed_from_it(store: LocalStore) -> None:
    held: Held = {}
    with another(store) as reader:
        for first in (0, 10, 20):
            add(store, held, *range(first, first + 10))
            delete(store, held, first)
            check(reader, held)
            store.compact()
            add(store, held, 100 + first)
            delete(store, held, first + 1)  # of the snapshot
            with another(store) as fresh:
                for opened in (store, reader, fresh):
                    check(opened, held)
                    assert drift(opened) == []
            assert (reader.info().index.changes, reader.info().index.tail) == (2, 1 + (100 + first) % 4)


def test_a_reader_that_fell_behind_goes_on_from_the_new_snapshot(store: LocalStore) -> None:
    held: Held = {}
    add(store, held, *range(10))
    with another(store) as reader:
        check(reader, held)
        delete(store, held, 1, 2, 3)
        add(store, held, 50)
        store.compact()  # no list of changes names the deleted any more
        delete(store, held, 4)
        store.compact()
        check(reader, held)
        assert reader.info().index.changes == 0


def test_a_deletion_of_everything_is_compacted_too(store: LocalStore) -> None:
    held: Held = {}
    add(store, held, 1, 2)
    store.compact()
    delete(store, held, 1, 2)
    assert store.compact().segments == 0
    add(store, held, 3)
    with another(store) as fresh:
        check(fresh, held)
        assert drift(fresh) == []


def test_others_add_delete_and_search_while_one_compacts(store: LocalStore) -> None:
    held: Held = {}
    add(store, held, *range(30))
    began, go_on = threading.Event(), threading.Event()
    made: list[Compaction] = []

    def wait(what: str, part: float) -> None:
        began.set()
        assert go_on.wait(60)

    with another(store) as compacting:
        thread = threading.Thread(target=lambda: made.append(compacting.compact(progress=wait)))
        thread.start()
        assert began.wait(60)
        add(store, held, 40)
        delete(store, held, 5)
        check(store, held)
        with another(store) as second, pytest.raises(LibraryBusy, match="already"):
            second.compact()
        go_on.set()
        thread.join()
    assert made[0].clips == 30
    assert store.info().index.changes == 2
    assert store.index() == store.info().index
    check(store, held)
    assert drift(store) == []


def tear(name: str, how: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def change(library: Path) -> None:
        (file,) = (library / "snapshots").rglob(name)
        file.write_bytes(how(file.read_bytes()))

    return change


def of_another_library(bundle: str, *seeds: int) -> Callable[[Path], None]:
    """Put the snapshot of another library in the place of this one's."""

    def change(library: Path) -> None:
        with LocalStore.create(library.parent / "other", making.bundle(bundle)) as other:
            add(other, {}, *seeds)
            other.compact()
        shutil.rmtree(library / "snapshots")
        shutil.copytree(library.parent / "other" / "snapshots", library / "snapshots")

    return change


UNUSABLE: dict[str, tuple[Callable[[Path], None], str]] = {
    "it is gone": (lambda library: shutil.rmtree(library / "snapshots"), "is gone"),
    "its codes are torn": (tear("codes.f16", lambda content: content[:-2]), "bytes instead of"),
    "a column is damaged": (tear("starts.npy", lambda content: content[:-1] + b"?"), "is damaged"),
    "its manifest is truncated": (tear("manifest.json", lambda content: content[:80]), "is not the manifest"),
    "its name is truncated": (tear("current.json", lambda content: content[:9]), "does not name a snapshot"),
    "a file is gone": (lambda library: next((library / "snapshots").rglob("ids.npy")).unlink(), "is not there"),
    "it is another bundle's": (of_another_library("other", *range(9)), "of another bundle"),
    "it is another library's": (of_another_library("test", *range(9)), "is not of this catalog"),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_a_snapshot_that_cannot_be_used_is_never_searched(
    store: LocalStore, case: str, caplog: pytest.LogCaptureFixture
) -> None:
    held: Held = {}
    add(store, held, *range(9))
    store.compact()
    delete(store, held, 2)
    change, message = UNUSABLE[case]
    change(store.path)
    with another(store) as fresh:
        caplog.clear()
        check(fresh, held)
        add(fresh, held, 30)
        check(fresh, held)
        (said,) = [record.getMessage() for record in caplog.records]  # once, not at every search
        assert message in said
        assert "emotionrank index rebuild" in said
        assert message in str(fresh.info().index.problem)
        assert [message in found for found in drift(fresh)] == [True]
        fresh.rebuild()
        check(fresh, held)
        assert drift(fresh) == []
        assert fresh.info().index.problem is None
    check(store, held)


def test_a_snapshot_from_before_an_older_one_came_back_is_not_used(store: LocalStore, tmp_path: Path) -> None:
    """The catalog is put back to an older copy and lives on: the snapshot has the same numbers, not the same clips."""
    held: Held = {}
    add(store, held, *range(6))
    store.close()
    shutil.copytree(store.path, tmp_path / "older")
    with another(store) as newer:
        add(newer, dict(held), 7, 8)
        newer.compact()
    shutil.copytree(store.path / "snapshots", tmp_path / "older" / "snapshots")
    with LocalStore.open(tmp_path / "older", making.bundle()) as older:
        add(older, held, 9, 10)
        check(older, held)
        assert drift(older, "vectors") == []


def test_a_damaged_code_is_found_by_verify(store: LocalStore) -> None:
    add(store, {}, *range(9))
    store.compact()
    (codes,) = (store.path / "snapshots").rglob("codes.f16")
    content = bytearray(codes.read_bytes())
    content[0] ^= 1
    codes.write_bytes(content)
    with another(store) as fresh:
        found = drift(fresh)
        assert any("codes.f16 is damaged" in message for message in found)
        assert "segment 1 is searched with another embedding than the catalog's" in found
        fresh.rebuild()
        assert drift(fresh) == []


def test_one_that_died_before_the_catalog_took_its_snapshot_is_gone_on_from(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: Held = {}
    add(store, held, *range(9))
    store.compact()
    delete(store, held, 1)

    class Died(BaseException):
        pass

    def die(*_: object) -> None:
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr("index.local.changes.adopt", die)
        with pytest.raises(Died):
            store.compact()
    with another(store) as fresh:
        check(fresh, held)
        assert fresh.info().index.changes == 0
        assert drift(fresh) == []
        add(fresh, held, 20)
        fresh.compact()
        check(fresh, held)
        assert drift(fresh) == []
    check(store, held)


def test_a_compaction_that_fails_changes_nothing(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    held: Held = {}
    add(store, held, *range(9))
    before = store.compact()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    add(store, held, 10)
    with monkeypatch.context() as patch:
        patch.setattr("index.local.snapshot._publish", fail)
        with pytest.raises(LibraryError, match="disk is full"):
            store.compact()
    with another(store) as fresh:
        for opened in (store, fresh):
            check(opened, held)
            assert opened.info().index.changes == 1
            assert drift(opened) == []
    assert store.compact().segments > before.segments


def test_compacting_pays_once_much_has_changed(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "WORTHWHILE", 10)
    held: Held = {}
    add(store, held, 0, 4, 8, 12, 16, 20)  # of one segment each
    assert not store.outgrown()
    add(store, held, 24, 28, 32, 36)
    assert store.outgrown()
    store.compact()
    assert not store.outgrown()
    delete(store, held, 0, 4, 8, 12, 16)
    add(store, held, 40, 44, 48, 52)
    assert not store.outgrown()
    delete(store, held, 20)
    assert store.outgrown()


def test_a_library_that_was_opened_for_reading_is_not_compacted(store: LocalStore) -> None:
    with LocalStore.open(store.path, None, read_only=True) as reading, pytest.raises(LibraryReadOnly):
        reading.compact()


def test_the_lock_ends_with_its_block(tmp_path: Path) -> None:
    with alone(tmp_path), pytest.raises(LibraryBusy), alone(tmp_path):
        pass
    with alone(tmp_path):
        pass
    with pytest.raises(LibraryError, match="cannot be opened"), alone(tmp_path / "gone"):
        pass


def test_rebuild_derives_what_was_changed_behind_the_catalogs_back(store: LocalStore) -> None:
    held: Held = {}
    add(store, held, *range(9))
    store.compact()
    with store._database.write() as connection:
        connection.execute("UPDATE clips SET segments = 99, valence = 1 WHERE number = 2")
    assert len(drift(store, "catalog")) == 1
    store.rebuild()
    assert drift(store) == []
    check(store, held)
