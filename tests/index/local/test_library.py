"""The local store: what only a library in a folder has."""

import shutil
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from index.errors import EmbeddingError, LibraryAway
from index.local.library import CATALOG, LocalStore
from index.local.sqlite import Database
from tests.index import making


def test_paths_inside_the_library_move_with_it(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    new = making.clip(1)
    with LocalStore.create(here, making.bundle()) as store:
        inside = store.audio / f"{new.id}.wav"
        inside.write_bytes(b"sound")
        added = store.add(replace(new, path=str(inside)), making.segments(making.unit(np.random.default_rng(0), 1)))
        assert added.path == str(inside)
        assert store.verify() == []
    here.rename(there)
    with LocalStore.open(there, making.bundle()) as store:
        assert store.get(new.id).path == str(there / "audio" / f"{new.id}.wav")
        store.delete(new.id)
        assert list(store.audio.iterdir()) == []


@pytest.mark.parametrize("replaced", [False, True], ids=["deleted", "replaced"])
def test_a_library_that_is_taken_away_while_it_is_open_takes_nothing_and_finds_nothing(
    tmp_path: Path, replaced: bool
) -> None:
    here, aside, another = tmp_path / "here", tmp_path / "aside", tmp_path / "another"
    rows = making.segments(making.unit(np.random.default_rng(0), 1))
    LocalStore.create(another, making.bundle()).close()
    with LocalStore.create(here, making.bundle()) as store:
        known = store.add(making.clip(1), rows).id
        here.rename(aside)
        if replaced:
            shutil.copytree(another, here)
        what = "replaced" if replaced else "deleted"
        for ask in (
            lambda: store.add(making.clip(2), rows),
            lambda: store.delete(known),
            lambda: store.get(known),
            store.count,
        ):
            with pytest.raises(LibraryAway, match=rf"library\.db was {what}.* while it was in use"):
                ask()
        if replaced:
            shutil.rmtree(here)
        aside.rename(here)  # put back, it is as it was
        assert store.add(making.clip(2), rows).id != known
        assert store.count().clips == 2
    with LocalStore.open(another, making.bundle()) as other:
        assert other.count().clips == 0


def test_a_change_whose_library_is_taken_away_meanwhile_is_not_acknowledged(tmp_path: Path) -> None:
    here, aside = tmp_path / "here", tmp_path / "aside"
    LocalStore.create(here, making.bundle()).close()
    with closing(Database(here / CATALOG)) as database, pytest.raises(LibraryAway):
        _write_while(database, lambda: here.rename(aside))


def _write_while(database: Database, happens: Callable[[], object]) -> None:
    with database.write() as connection:
        connection.execute("CREATE TABLE later (x)")
        happens()


def test_what_is_written_together_is_seen_when_the_block_ends(tmp_path: Path) -> None:
    with LocalStore.create(tmp_path, making.bundle()) as store, LocalStore.open(tmp_path, None) as other:
        with store.together():
            for name in "ab":
                store.add(making.clip(name), making.segments(making.unit(np.random.default_rng(0), 2)))
                assert store.get(making.clip(name).id).segments == 2
            store.delete(making.clip("a").id)
            with pytest.raises(EmbeddingError):
                store.add(making.clip("c"), making.segments(making.unit(np.random.default_rng(0), 1, making.DIM + 1)))
            assert other.count().clips == 0
        assert [clip.id for clip in other.clips()] == [making.clip("b").id]
        assert store.verify() == other.verify()


def test_a_block_that_raises_keeps_what_was_whole(tmp_path: Path) -> None:
    def interrupted(store: LocalStore) -> None:
        with store.together():
            store.add(making.clip("a"), making.segments(making.unit(np.random.default_rng(0), 1)))
            raise KeyboardInterrupt

    with LocalStore.create(tmp_path, making.bundle()) as store:
        with pytest.raises(KeyboardInterrupt):
            interrupted(store)
        store.add(making.clip("b"), making.segments(making.unit(np.random.default_rng(0), 1)))
        with LocalStore.open(tmp_path, None) as other:
            assert other.count().clips == 2
