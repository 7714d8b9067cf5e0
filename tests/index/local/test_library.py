"""The local store: what only a library in a folder has."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from index.local.library import LocalStore
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
