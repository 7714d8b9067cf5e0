"""Stamps of files, the claims of builds, and libraries from before there were any."""

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from encoders.windows import FORMER, SEGMENTATION
from index.errors import LibraryReadOnly
from index.local import catalog
from index.local.library import CATALOG, LocalStore
from index.records import NewClip, Stamp
from tests.index import making

RNG = np.random.default_rng(0)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LocalStore]:
    with LocalStore.create(tmp_path / "library", making.bundle()) as store:
        yield store


def new(seed: int, path: str, stamp: Stamp | None) -> NewClip:
    clip = making.clip(seed)
    return NewClip(clip.sha256, clip.name, path, 3.0, clip.metadata, stamp)


def add(store: LocalStore, clip: NewClip) -> str:
    return store.add(clip, making.segments(making.unit(RNG, 2))).id


def test_a_clip_s_stamp_is_found_by_its_path(store: LocalStore) -> None:
    stamp = Stamp(2**40, 1_700_000_000_123_456_789)
    one = add(store, new(1, "/sound/one.wav", stamp))
    two = add(store, new(2, "/sound/two.wav", None))
    inside = add(store, new(3, str(store.audio / "three.wav"), stamp))
    assert store.get(one).stamp == stamp
    assert store.get(two).stamp is None
    paths = ["/sound/one.wav", "/sound/two.wav", str(store.audio / "three.wav"), "/sound/none.wav"]
    assert store.stamps(paths) == {paths[0]: {one: stamp}, paths[1]: {two: None}, paths[2]: {inside: stamp}}
    assert store.stamps([]) == {}


def test_clips_that_share_a_path_are_all_found(store: LocalStore) -> None:
    one = add(store, new(1, "/sound/one.wav", Stamp(1, 1)))
    two = add(store, new(2, "/sound/one.wav", Stamp(2, 2)))
    assert store.stamps(["/sound/one.wav"]) == {"/sound/one.wav": {one: Stamp(1, 1), two: Stamp(2, 2)}}


def test_stamps_of_many_paths_are_found(store: LocalStore) -> None:
    for seed in range(30):
        add(store, new(seed, f"/sound/{seed}.wav", Stamp(seed, seed)))
    found = store.stamps([f"/sound/{number}.wav" for number in range(2000)])
    assert {path: list(clips.values()) for path, clips in found.items()} == {
        f"/sound/{seed}.wav": [Stamp(seed, seed)] for seed in range(30)
    }


def test_a_new_stamp_replaces_the_old_one_and_is_no_change(store: LocalStore) -> None:
    one = add(store, new(1, "/sound/one.wav", Stamp(1, 1)))
    two = add(store, new(2, "/sound/two.wav", None))
    before = store.get(one)
    store.restamp({one: Stamp(1, 5), two: Stamp(2, 6), "0" * 16: Stamp(3, 7)})
    assert store.get(one).stamp == Stamp(1, 5)
    assert store.get(two).stamp == Stamp(2, 6)
    assert (before.added_at, before.metadata) == (store.get(one).added_at, store.get(one).metadata)
    assert store.verify() == [item for item in store.verify() if item.kind == "audio"]


def test_a_new_path_has_no_stamp_and_a_new_name_keeps_it(store: LocalStore) -> None:
    one = add(store, new(1, "/sound/one.wav", Stamp(1, 1)))
    assert store.update(one, name="uno", metadata={"take": 1}).stamp == Stamp(1, 1)
    assert store.update(one, path="/sound/uno.wav").stamp is None
    assert add(store, new(1, "/sound/one.wav", Stamp(3, 3))) == one
    assert store.get(one).stamp == Stamp(3, 3)


def test_a_claim_is_one_builds_at_a_time(store: LocalStore, tmp_path: Path) -> None:
    one, two = making.clip(1).id, making.clip(2).id
    with store.claim(one) as first, store.claim(one) as second, store.claim(two) as other:
        assert (first, second, other) == (True, False, True)
        granted: list[bool] = []

        def ask() -> None:
            with LocalStore.open(tmp_path / "library", making.bundle()) as same, same.claim(one) as got:
                granted.append(got)

        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
        assert granted == [False]
    with store.claim(one) as again:
        assert again


def first_version(folder: Path) -> None:
    """Turn a library into one of format 1, as the first version of the catalog made it."""
    connection = sqlite3.connect(folder / CATALOG)
    connection.executescript(
        "DROP INDEX clips_by_path; ALTER TABLE clips DROP COLUMN size; ALTER TABLE clips DROP COLUMN mtime_ns;"
        "DELETE FROM library WHERE key = 'segmentation'; PRAGMA user_version = 1;"
    )
    columns = [row[1] for row in connection.execute("PRAGMA table_info(clips)")]
    assert columns[-4:] == ["added_at", "valence", "arousal", "segments"]
    connection.close()


def test_a_library_of_the_first_format_is_brought_to_this_one(tmp_path: Path) -> None:
    folder, bundle = tmp_path / "library", making.bundle()
    with LocalStore.create(folder, bundle) as store:
        one = add(store, new(1, "/sound/one.wav", Stamp(1, 1)))
        before = store.get(one)
    first_version(folder)
    with LocalStore.open(folder, bundle) as store:
        assert store.stamps(["/sound/one.wav"]) == {"/sound/one.wav": {one: None}}
        store.restamp({one: Stamp(1, 1)})
        assert store.get(one) == before
        assert store.info().segmentation == (FORMER,)
        add(store, new(2, "/sound/two.wav", Stamp(2, 2)))
        assert store.info().segmentation == tuple(dict.fromkeys((FORMER, SEGMENTATION)))
        assert [item for item in store.verify() if item.kind != "audio"] == []
    connection = sqlite3.connect(folder / CATALOG)
    assert connection.execute("PRAGMA user_version").fetchone() == (catalog.SCHEMA_VERSION,)
    migrated = list(connection.execute("SELECT name FROM sqlite_master ORDER BY name"))
    connection.close()
    with LocalStore.create(tmp_path / "other", bundle):
        connection = sqlite3.connect(tmp_path / "other" / CATALOG)
        assert migrated == list(connection.execute("SELECT name FROM sqlite_master ORDER BY name"))
        connection.close()


def test_a_library_of_the_first_format_can_be_read_without_changing_it(tmp_path: Path) -> None:
    folder, bundle = tmp_path / "library", making.bundle()
    vectors = making.unit(RNG, 2)
    with LocalStore.create(folder, bundle) as store:
        one = store.add(new(1, "/sound/one.wav", Stamp(1, 1)), making.segments(vectors)).id
    first_version(folder)
    with LocalStore.open(folder, bundle, read_only=True) as store:
        assert store.search(vectors[0], k=1)[0].clip.stamp is None
        assert store.clips()[0] == store.get(one)
        assert store.stamps(["/sound/one.wav"]) == {"/sound/one.wav": {one: None}}
        assert store.info().segmentation == (FORMER,)
        with pytest.raises(LibraryReadOnly):
            store.restamp({one: Stamp(1, 1)})
    connection = sqlite3.connect(folder / CATALOG)
    assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    connection.close()


def test_a_library_names_how_its_segments_were_cut(store: LocalStore) -> None:
    assert store.info().segmentation == ()
    add(store, new(1, "/sound/one.wav", None))
    assert store.info().segmentation == (SEGMENTATION,)
    clip = making.clip(2)
    store.add(
        NewClip(clip.sha256, "a copy", "/sound/two.wav", 3.0, segmentation="older"),
        making.segments(making.unit(RNG, 1)),
    )
    assert store.info().segmentation == (SEGMENTATION, "older")
