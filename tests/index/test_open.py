"""Opening: what is a library, what is none, and whose it is."""

import sqlite3
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from index.errors import (
    LibraryBusy,
    LibraryError,
    LibraryInvalid,
    LibraryMismatch,
    LibraryNewer,
    LibraryNotFound,
    LibraryReadOnly,
)
from index.local.sqlite import Database
from index.open import open_store
from tests.index import making


@pytest.fixture
def library(tmp_path: Path) -> Path:
    path = tmp_path / "a library, 100% käse?#"
    with open_store(path, bundle=making.bundle(), create=True) as store:
        store.add(making.clip(1), making.segments(making.unit(np.random.default_rng(0), 2)))
    return path


def test_a_library_is_made_once_and_kept(library: Path) -> None:
    assert sorted(file.name for file in library.iterdir()) == ["audio", "library.db"]
    for options in ({}, {"read_only": True}, {"create": True}):
        with open_store(str(library), bundle=making.bundle(), **options) as store:
            assert store.count().clips == 1
            assert store.fingerprint == making.bundle().fingerprint
            assert len(store.search(np.ones(making.DIM, np.float32), k=5, group_by_clip=False)) == 2


def test_what_is_no_library_is_named(tmp_path: Path) -> None:
    with pytest.raises(LibraryNotFound, match=r"no library at .*nowhere.*emotionrank index build"):
        open_store(tmp_path / "nowhere", bundle=None)
    with pytest.raises(LibraryNotFound, match=r"is a folder, but no library: there is no library\.db"):
        open_store(tmp_path, bundle=None)
    file = tmp_path / "file"
    file.write_text("x")
    for create in (False, True):
        with pytest.raises(LibraryInvalid, match="is a file; a library is a folder"):
            open_store(file, bundle=making.bundle(), create=create)
    with pytest.raises(LibraryReadOnly, match="cannot make a library"):
        open_store(file / "below", bundle=making.bundle(), create=True)
    with pytest.raises(
        LibraryError, match=r"in folders and in Milvus, not in postgres\. Give .*milvus://HOST:PORT/NAME"
    ):
        open_store("postgres://host:5432/clips", bundle=making.bundle())
    assert not (tmp_path / "nowhere").exists()


def test_a_damaged_or_foreign_catalog_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    catalog = tmp_path / "library.db"
    for content in (b"this is a text, not a database" * 100, b""):
        catalog.write_bytes(content)
        with pytest.raises(LibraryInvalid):
            open_store(tmp_path, bundle=making.bundle())
        assert catalog.read_bytes() == content
    foreign = sqlite3.connect(catalog)
    foreign.execute("CREATE TABLE notes (x)")
    foreign.close()
    for create in (False, True):
        with pytest.raises(LibraryInvalid, match="not the catalog of a library"):
            open_store(tmp_path, bundle=making.bundle(), create=create)


def test_another_bundles_library_is_refused_with_what_to_do(library: Path) -> None:
    for options in ({}, {"read_only": True}, {"create": True}):
        with pytest.raises(LibraryMismatch, match=r"made with the bundle test 1 .*other 1") as error:
            open_store(library, bundle=making.bundle("other"), **options)
    assert "emotionrank index build SOURCE... --library" in str(error.value)
    with open_store(library, bundle=None) as store:  # looking at it needs no bundle
        assert store.info().bundle_name == "test"


def test_a_bundle_that_hears_as_the_librarys_own_opens_it(library: Path) -> None:
    other = making.bundle("other")
    reworded = replace(other, info=other.info.model_copy(update={"hears_as": (making.bundle().fingerprint,)}))
    with open_store(library, bundle=reworded) as store:
        assert store.fingerprint == making.bundle().fingerprint


def test_a_newer_library_is_refused(library: Path) -> None:
    connection = sqlite3.connect(library / "library.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(LibraryNewer, match="has format 99; this version of emotionrank reads up to 2"):
        open_store(library, bundle=making.bundle())


def test_a_library_opened_for_reading_is_not_changed(library: Path) -> None:
    with open_store(library, bundle=making.bundle(), read_only=True) as store:
        with pytest.raises(LibraryReadOnly, match="opened for reading only"):
            store.delete(making.clip(1).id)
        assert store.count().clips == 1


def test_a_lock_that_is_not_let_go_is_named(library: Path) -> None:
    other = sqlite3.connect(library / "library.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    database = Database(library / "library.db", patience=0.2)
    try:
        with pytest.raises(LibraryBusy, match=r"locked for 0\.2 seconds"), database.write():
            pass
        with database.read() as connection:  # reading does not wait for it
            assert connection.execute("SELECT count(*) FROM clips").fetchone() == (1,)
    finally:
        other.close()
        database.close()
