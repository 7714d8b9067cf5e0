"""The change sequence of a catalog, and the snapshot that it stands by.

Every change has a number, one more than the one before. A reader that has seen all changes up to one asks for those
after it; what a snapshot holds already need not be listed any more, and goes when the snapshot is adopted.

A snapshot is derived from one catalog, and of two catalogs of one bundle, or of one catalog before and after an older
copy of it was restored, either would look right beside the other's. So the catalog names its snapshot, and takes no
other for its own. The name is registered before the snapshot is published and adopted after: a process that dies in
between leaves one that may be used, and is not adopted.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from index.local.catalog import Ints

_ADOPTED: Final = "snapshot"
_REGISTERED: Final = "snapshot_registered"
_TRIMMED: Final = "changes_trimmed"

_STATE: Final = f"""
SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'changes'), 0),
    CAST(coalesce((SELECT value FROM library WHERE key = '{_TRIMMED}'), '0') AS INTEGER),
    coalesce((SELECT value FROM library WHERE key = '{_ADOPTED}'), '')
"""


@dataclass(frozen=True, slots=True)
class State:
    """Where a catalog is: its last change, the last one that is not listed any more, and its snapshot's name.

    The numbers are 0 and the name empty where there is none yet.
    """

    sequence: int
    trimmed: int
    snapshot: str


def state(connection: sqlite3.Connection) -> State:
    """Return where the catalog is; some microseconds, so that every search may ask."""
    return State(*connection.execute(_STATE).fetchone())


def deleted(connection: sqlite3.Connection, after: int) -> Ints:
    """Return the row numbers of the clips deleted after a change; it must not have been trimmed."""
    return numbers(connection, "SELECT {} FROM changes WHERE sequence > ? AND kind = 'delete'", "clip", (after,))


def changed(connection: sqlite3.Connection, after: int) -> Ints:
    """Return the row numbers of the clips added, updated or deleted after a change, ascending, each once."""
    return np.unique(numbers(connection, "SELECT {} FROM changes WHERE sequence > ?", "clip", (after,)))


def own_snapshots(connection: sqlite3.Connection) -> frozenset[str]:
    """Return the names of the snapshots that are this catalog's: the one adopted, and one that was to follow it."""
    rows = connection.execute("SELECT value FROM library WHERE key IN (?, ?)", (_ADOPTED, _REGISTERED))
    return frozenset(row[0] for row in rows)


def register(connection: sqlite3.Connection, name: str) -> None:
    """Say that a snapshot is being made of this catalog. The caller holds a write transaction."""
    _put(connection, _REGISTERED, name)


def adopt(connection: sqlite3.Connection, name: str, sequence: int) -> int:
    """Stand by a snapshot that holds the changes up to `sequence`; return how many need not be listed any more.

    The caller holds a write transaction.
    """
    _put(connection, _ADOPTED, name)
    _put(connection, _TRIMMED, str(sequence))
    connection.execute("DELETE FROM library WHERE key = ?", (_REGISTERED,))
    return connection.execute("DELETE FROM changes WHERE sequence <= ?", (sequence,)).rowcount


def numbers(connection: sqlite3.Connection, statement: str, column: str, parameters: Sequence[object] = ()) -> Ints:
    """Return a column of row numbers, in no promised order; `{}` in the statement stands for it.

    SQLite hands them over as one text: a third of the time that a Python object for each takes.
    """
    (text,) = connection.execute(statement.format(f"group_concat({column})"), parameters).fetchone()
    return np.fromstring(text, np.int64, sep=",") if text else np.empty(0, np.int64)


def _put(connection: sqlite3.Connection, key: str, value: str) -> None:
    connection.execute(
        "INSERT INTO library VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", (key, value)
    )
