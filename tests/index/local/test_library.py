"""The local store: what only a library in a folder has."""

import shutil
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from index.errors import LibraryAway
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
