"""A backup is the library at one moment, whole, wherever it is copied to and whoever writes meanwhile."""

import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from index.errors import LibraryBusy, LibraryError
from index.local.library import LocalStore
from index.local.lock import alone
from index.records import Drift
from tests.index import making


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LocalStore]:
    with LocalStore.create(tmp_path / "library", making.bundle()) as store:
        for number in range(6):
            add(store, number)
        yield store


def add(store: LocalStore, number: int) -> None:
    """Add a clip whose audio lies in the library."""
    new = making.clip(number)
    file = store.audio / f"{new.id}.wav"
    file.write_bytes(str(number).encode())
    store.add(replace(new, path=str(file)), making.segments(making.unit(np.random.default_rng(number), 2)))


def names(store: LocalStore) -> list[str]:
    return [clip.name for clip in store.clips(limit=1_000)]


def opened(folder: Path) -> LocalStore:
    return LocalStore.open(folder, making.bundle())


@pytest.mark.parametrize("compacted", [False, True])
def test_a_backup_is_a_library(store: LocalStore, tmp_path: Path, compacted: bool) -> None:
    if compacted:
        store.compact()
    add(store, 7)
    steps: list[tuple[str, float]] = []
    made = store.backup(tmp_path / "copy", lambda what, part: steps.append((what, part)))
    assert (made.target, made.missing) == (str(tmp_path / "copy"), ())
    assert made.bytes == sum(file.stat().st_size for file in (tmp_path / "copy").rglob("*") if file.is_file())
    assert {what for what, _ in steps} >= {"copying the catalog", "copying audio"}
    assert all(0 <= part <= 1 for _, part in steps)
    query = making.unit(np.random.default_rng(9), 1)[0]
    expected = [(hit.clip.id, hit.start, hit.score) for hit in store.search(query, k=99)]
    store.close()
    shutil.rmtree(store.path)  # the copy needs nothing of it
    with opened(tmp_path / "copy") as copy:
        assert copy.verify(audio=True) == []
        assert [(hit.clip.id, hit.start, hit.score) for hit in copy.search(query, k=99)] == expected
        assert copy.info().index.changes == (1 if compacted else None)
        assert Path(copy.clips()[0].path).parent == copy.audio
        add(copy, 8)  # it lives on by itself
        copy.delete(making.clip(0).id)
        copy.compact()
        assert copy.verify(audio=True) == []


def test_a_backup_is_of_one_moment(store: LocalStore, tmp_path: Path) -> None:
    """Clips come and go while it is made: those that are there have their audio, and those before them are there."""
    stop, began = threading.Event(), threading.Event()

    def write() -> None:
        number = 100
        while not stop.is_set():
            add(store, number)
            if number >= 150 and number % 3 == 0:
                store.delete(making.clip(number - 49).id)
            number += 1
            began.set()

    with opened(store.path) as other:
        thread = threading.Thread(target=write)
        thread.start()
        try:
            assert began.wait(60)
            for turn in range(3):
                other.backup(tmp_path / f"copy-{turn}")
        finally:
            stop.set()
            thread.join()
    for turn in range(3):
        with opened(tmp_path / f"copy-{turn}") as copy:
            assert copy.verify(audio=True) == []
            there = [int(name.removeprefix("clip-").removesuffix(".wav")) for name in names(copy)]
            last = max(there)
            gone = {number for number in range(101, last + 1, 3) if number + 49 <= last + 1}
            expected = {*range(6), *range(100, last + 1)} - gone
            # The last deletion may have been seen or not.
            assert expected ^ set(there) <= {last + 1 - 49, last - 49}


def test_a_clip_that_goes_while_its_audio_is_copied_is_not_in_the_copy(store: LocalStore, tmp_path: Path) -> None:
    def delete(what: str, part: float) -> None:
        if what == "copying audio" and store.has([making.clip(3).id]):
            store.delete(making.clip(3).id)

    made = store.backup(tmp_path / "copy", delete)
    assert made.missing == ()
    with opened(tmp_path / "copy") as copy:
        assert copy.verify(audio=True) == []
        assert names(copy) == ["clip-0.wav", "clip-1.wav", "clip-2.wav", "clip-4.wav", "clip-5.wav"]


def test_audio_that_was_missing_is_named(store: LocalStore, tmp_path: Path) -> None:
    file = Path(store.get(making.clip(2).id).path)
    file.unlink()
    assert store.backup(tmp_path / "copy").missing == (str(file),)
    with opened(tmp_path / "copy") as copy:
        assert len(names(copy)) == 6
        (drift,) = copy.verify()
        assert drift == Drift("audio", f"clip {making.clip(2).id}: its file is not at {copy.audio / file.name}")


def test_a_backup_that_stopped_is_no_library_and_is_gone_on_with(store: LocalStore, tmp_path: Path) -> None:
    class StoppedError(Exception):
        pass

    def stop(what: str, part: float) -> None:
        if what == "copying audio" and part >= 0.5:
            raise StoppedError

    target, partial = tmp_path / "copy", tmp_path / "copy.partial"
    with pytest.raises(StoppedError):
        store.backup(target, stop)
    assert not target.exists()
    copied = partial / "audio" / f"{making.clip(0).id}.wav"
    inode = copied.stat().st_ino
    store.delete(making.clip(1).id)
    Path(store.get(making.clip(2).id).path).write_bytes(b"2")  # touched: copied again
    store.backup(target)
    assert not partial.exists()
    assert (target / "audio" / copied.name).stat().st_ino == inode
    with opened(target) as copy:
        assert copy.verify(audio=True) == []
        assert len(names(copy)) == 5


def test_recordings_outside_the_library_stay_where_they_are(store: LocalStore, tmp_path: Path) -> None:
    outside = tmp_path / "9.wav"
    outside.write_bytes(b"9")
    store.add(replace(making.clip(9), path=str(outside)), making.segments(making.unit(np.random.default_rng(9), 1)))
    store.backup(tmp_path / "copy")
    with opened(tmp_path / "copy") as copy:
        assert copy.get(making.clip(9).id).path == str(outside)
        assert not list((tmp_path / "copy").rglob("9.wav"))


def test_a_target_that_is_there_is_left_alone(store: LocalStore, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    store.backup(tmp_path / "empty")
    for target in (tmp_path / "empty", store.path, store.path / "copy", Path(store.clips()[0].path)):
        with pytest.raises(LibraryError):
            store.backup(target)
    with opened(tmp_path / "empty") as copy:
        assert copy.verify(audio=True) == []
    assert store.verify(audio=True) == []


def test_a_library_that_is_compacted_is_not_copied_meanwhile(store: LocalStore, tmp_path: Path) -> None:
    with alone(store.path), pytest.raises(LibraryBusy, match="already"):
        store.backup(tmp_path / "copy")
    store.backup(tmp_path / "copy")


def test_a_library_that_is_only_read_can_be_copied(store: LocalStore, tmp_path: Path) -> None:
    store.close()
    with LocalStore.open(store.path, None, read_only=True) as reading:
        reading.backup(tmp_path / "copy")
    with opened(tmp_path / "copy") as copy:
        assert copy.verify(audio=True) == []
