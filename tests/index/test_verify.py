"""`verify` finds every kind of drift, and `info` says what a library is."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from encoders.affect import Affect
from index.local.library import LocalStore
from index.records import Counts, NewClip
from tests.index import making


@pytest.fixture
def library(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    with LocalStore.create(tmp_path / "library", making.bundle()) as store:
        for number in range(4):
            new = making.clip(number, {"n": number, "flag": True})
            sound = store.audio / f"{new.id}.wav"
            sound.write_bytes(b"sound")
            store.add(
                NewClip(new.sha256, new.name, str(sound), 3.0, new.metadata),
                making.segments(making.unit(rng, 3)),
            )
    return tmp_path / "library"


def found(library: Path) -> list[tuple[str, str]]:
    with LocalStore.open(library, making.bundle()) as store:
        return [(item.kind, item.message) for item in store.verify()]


def tamper(library: Path, statement: str, *values: object) -> None:
    connection = sqlite3.connect(library / "library.db", isolation_level=None)
    connection.execute(statement, values)
    connection.close()


def test_a_good_library_has_no_drift(library: Path) -> None:
    assert found(library) == []


HALF = making.unit(np.random.default_rng(5), 1)[0] * 0.5
NAN = np.full(making.DIM, np.nan, np.float16)
CASES: dict[str, tuple[Callable[[], tuple[str, object]], str, str]] = {
    "a segment is gone": (lambda: ("DELETE FROM segments WHERE id = ?", 2), "catalog", "says 3 segments, there are 2"),
    "an affect is not the mean": (
        lambda: ("UPDATE clips SET arousal = ? WHERE number = 1", 6.5),
        "catalog",
        "affect is not the mean",
    ),
    "an id is not of its content": (
        lambda: ("UPDATE clips SET id = ? WHERE number = 1", "0" * 16),
        "catalog",
        "not the beginning of its sha256",
    ),
    "a value is not of its kind": (
        lambda: ("UPDATE metadata SET kind = ? WHERE key = 'n'", "text"),
        "catalog",
        "'n' is no text",
    ),
    "a segment without a clip": (lambda: ("UPDATE segments SET clip = ? WHERE id = 1", 99), "catalog", "not there"),
    "a short embedding": (
        lambda: ("UPDATE segments SET embedding = ? WHERE id = 5", b"\0" * 6),
        "embedding",
        "has 6 bytes instead of 32",
    ),
    "a NaN embedding": (
        lambda: ("UPDATE segments SET embedding = ? WHERE id = 5", NAN.tobytes()),
        "embedding",
        "has length nan",
    ),
    "an embedding of half the length": (
        lambda: ("UPDATE segments SET embedding = ? WHERE id = 5", HALF.astype(np.float16).tobytes()),
        "embedding",
        "has length 0.500",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_drift_is_found(library: Path, case: str) -> None:
    change, kind, message = CASES[case]
    tamper(library, *change())
    drift = found(library)
    assert any(item[0] == kind and message in item[1] for item in drift), drift


def test_vectors_that_are_not_the_catalogs_are_found(library: Path) -> None:
    with LocalStore.open(library, making.bundle()) as store:
        store.search(np.ones(making.DIM, np.float32), k=1)
        other = making.unit(np.random.default_rng(9), 1)[0]
        # Behind the back of the change sequence.
        tamper(library, "UPDATE segments SET embedding = ? WHERE id = 1", other.astype(np.float16).tobytes())
        tamper(library, "DELETE FROM segments WHERE id = ?", 12)
        drift = [item.message for item in store.verify() if item.kind == "vectors"]
    assert drift == [
        "segment 1 is searched with another embedding than the catalog's",
        "segment 12 is searched, but is not in the catalog",
    ]


def test_missing_and_orphaned_sound_files_are_a_kind_of_their_own(library: Path) -> None:
    gone = library / "audio" / f"{making.clip(2).id}.wav"
    gone.unlink()
    (library / "audio" / "0123456789abcdef.mp3").write_bytes(b"x")
    assert found(library) == [
        ("audio", f"clip {making.clip(2).id}: its file is not at {gone}"),
        ("audio", f"{library / 'audio' / '0123456789abcdef.mp3'} belongs to no clip"),
    ]


def test_a_file_that_was_replaced_by_another_is_named(library: Path) -> None:
    with LocalStore.open(library, making.bundle()) as store:
        path = store.get(making.clip(2).id).path
        new = NewClip(making.clip(9).sha256, "new.wav", path, 3.0)
        store.add(new, making.segments(making.unit(np.random.default_rng(9), 1)))
        (drift,) = store.verify()
    assert drift.kind == "audio"
    assert f"{path} is the file of more than one clip" in drift.message
    assert new.id in drift.message
    assert making.clip(2).id in drift.message


def test_many_of_a_kind_are_counted(library: Path) -> None:
    with LocalStore.open(library, making.bundle()) as store:
        for number in range(10, 40):
            store.add(making.clip(number), making.segments(making.unit(np.random.default_rng(number), 1)))
    drift = found(library)
    assert len(drift) == 11
    assert drift[-1] == ("audio", "and 20 more like these")


def test_a_torn_catalog_is_reported_and_not_a_crash(library: Path) -> None:
    file = library / "library.db"
    content = bytearray(file.read_bytes())
    page = 4096
    for number in range(8, len(content) // page):
        content[number * page : number * page + 64] = b"\xff" * 64
    file.write_bytes(content)
    drift = found(library)
    assert drift
    assert all(kind == "catalog" for kind, _ in drift)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LocalStore]:
    with LocalStore.create(tmp_path, making.bundle()) as store:
        yield store


def test_info_counts_and_sums(store: LocalStore) -> None:
    rng = np.random.default_rng(0)
    points = [Affect(1.0, 7.0), Affect(4.0, 4.0), Affect(6.9, 1.5), Affect(7.0, 3.999)]
    for number, point in enumerate(points):
        store.add(making.clip(number, duration=900.0), making.segments(making.unit(rng, 2), point))
    info = store.info()
    assert (info.address, info.kind, info.dim) == (str(store.path), "local", making.DIM)
    assert (info.bundle_name, info.bundle_version, info.fingerprint) == ("test", "1", making.bundle().fingerprint)
    assert info.counts == Counts(4, 8, 3600.0)
    assert info.valence == (1, 0, 0, 1, 0, 2)
    assert info.arousal == (1, 0, 1, 1, 0, 1)
    assert info.bytes is not None
    assert info.bytes >= (store.path / "library.db").stat().st_size
