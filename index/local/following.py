"""What is searched, kept at the catalog's last change.

The vectors come from the snapshot, and what changed since is replayed from the catalog; without a snapshot that may
be used, everything comes from the catalog, which only takes longer. Before each search one cheap question to the
catalog says whether there is anything to follow: changes, of this process or another, or a new snapshot.
"""

import logging
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from index.local import catalog, changes, snapshot
from index.local.changes import State
from index.local.snapshot import Snapshot, SnapshotUnusable
from index.local.sqlite import Database
from index.local.vectors import Vectors

log: Final = logging.getLogger("emotionrank.index")


@dataclass(frozen=True, slots=True)
class _Held:
    state: State
    vectors: Vectors


class Following:
    """The vectors of the library in `folder`. Any thread may use them."""

    def __init__(self, folder: Path, database: Database, fingerprint: str, dim: int) -> None:
        self._folder = folder
        self._database = database
        self._fingerprint = fingerprint
        self._dim = dim
        self._loading = threading.Lock()
        self._held: _Held | None = None

    def vectors(self, *, located: bool = False) -> Vectors:
        """Return the vectors as they are after the catalog's last change; `located` as `Vectors` says, where wanted.

        A snapshot of an older version does not know where its segments lie: then the catalog is asked, once.
        """
        held = self._held
        with self._database.read() as connection:
            there = held is not None and (held.vectors.located or not located)
            if held is not None and there and changes.state(connection) == held.state:
                return held.vectors
        with self.moment() as (connection, vectors):
            if located and not vectors.located and vectors.snapshot is not None:
                vectors.locate(*catalog.affect_until(connection, vectors.snapshot.manifest.last_segment))
            return vectors

    @contextmanager
    def moment(self) -> Iterator[tuple[sqlite3.Connection, Vectors]]:
        """Lend a connection that sees one moment of the catalog, and the vectors of the same moment."""
        with self._loading, self._database.read() as connection:
            state = changes.state(connection)
            held = self._held
            if held is None or held.state != state:
                held = self._held = _Held(state, self._followed(connection, state))
            yield connection, held.vectors

    def snapshot(self, connection: sqlite3.Connection) -> Snapshot | None:
        """Open the snapshot that there is at the connection's moment. Raises SnapshotUnusable."""
        return open_snapshot(connection, changes.state(connection), self._folder, self._fingerprint, self._dim)

    def glance(self, connection: sqlite3.Connection) -> tuple[Vectors, str | None]:
        """Return the vectors as they are, following nothing: where they are not loaded yet, the snapshot's alone.

        With them, what is against using the snapshot, if anything is.
        """
        held = self._held
        vectors = held.vectors if held and held.state.snapshot == changes.state(connection).snapshot else None
        if vectors is not None and vectors.snapshot is not None:
            return vectors, None
        try:
            found, problem = self.snapshot(connection), None
        except SnapshotUnusable as error:
            found, problem = None, str(error)
        return (vectors if vectors and not found else Vectors(self._dim, found)), problem

    def _followed(self, connection: sqlite3.Connection, state: State) -> Vectors:
        held = self._held
        if held is None or held.state.snapshot != state.snapshot or held.state.sequence < state.trimmed:
            vectors, since = self._opened(connection, state.sequence)
        else:
            vectors, since = held.vectors, held.state.sequence
        for rows in catalog.rows_after(connection, vectors.last_segment, self._dim):
            vectors.add(rows)
        vectors.remove(changes.deleted(connection, since))
        return vectors

    def _opened(self, connection: sqlite3.Connection, sequence: int) -> tuple[Vectors, int]:
        """Return the snapshot's vectors, or none yet, and the change that they are at."""
        try:
            found = self.snapshot(connection)
        except SnapshotUnusable as error:
            log.warning(
                "%s: %s. Searching is right without it, but the vectors are read from the catalog each time the "
                "library is opened. To write it anew: emotionrank index rebuild --library %s",
                self._folder,
                error,
                self._folder,
            )
            found = None
        if found is None:
            return Vectors(self._dim), sequence
        return Vectors(self._dim, found), found.manifest.sequence


def open_snapshot(
    connection: sqlite3.Connection, state: State, folder: Path, fingerprint: str, dim: int
) -> Snapshot | None:
    """Open the snapshot of the catalog at the connection; None where it has none.

    Raises SnapshotUnusable for one that is lost, torn, another library's, or too old to be followed from.
    """
    found = snapshot.open(folder, fingerprint=fingerprint, dim=dim)
    if found is None:
        if state.snapshot:
            raise SnapshotUnusable(f"the snapshot {state.snapshot} is gone")
        return None
    name, sequence = found.manifest.name, found.manifest.sequence
    if name not in changes.own_snapshots(connection):
        raise SnapshotUnusable(f"the snapshot {name} is not of this catalog (another library's, or another copy's)")
    if not state.trimmed <= sequence <= state.sequence:
        raise SnapshotUnusable(f"the snapshot {name} does not fit the catalog's changes")
    return found
