"""Connections, transactions and errors of the catalog's SQLite file.

A `Database` may be used from any thread: each transaction has a connection of its own, lent from a pool.
A read transaction sees one moment of the database; a write transaction is on disk when it returns (WAL with
synchronous=FULL), or has changed nothing. SQLite goes on in a file that was deleted or replaced under it, where a
change would be lost: each transaction looks whether the file at the path is still the one that was opened, a write
transaction at its end too. Everything SQLite can complain about comes out as a LibraryError
that says what to do.
"""

import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Final, Literal, TypeVar
from urllib.parse import quote

from index.errors import (
    LibraryAway,
    LibraryBusy,
    LibraryError,
    LibraryFull,
    LibraryInvalid,
    LibraryNotFound,
    LibraryReadOnly,
)

PATIENCE: Final = 60.0  # seconds to wait for another process's transaction

_PORTION: Final = 500  # values in one IN (...)
_BUSY: Final = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}

T = TypeVar("T")


def portions(values: Iterable[T]) -> Iterator[tuple[T, ...]]:
    """Yield values in portions that one `IN (...)` takes."""
    rest = iter(values)
    while portion := tuple(islice(rest, _PORTION)):
        yield portion


def marks(values: Sequence[object]) -> str:
    """Return the parameters' places of an `IN (...)` over values."""
    return ", ".join("?" * len(values))


class Database:
    """The SQLite file at `path`: "ro" never writes to it, "rw" does, "rwc" makes it where there is none."""

    def __init__(self, path: Path, mode: Literal["ro", "rw", "rwc"] = "rw", *, patience: float = PATIENCE) -> None:
        self.path = path
        self._mode = mode
        self._patience = patience
        self._writing = threading.Lock()
        self._mine = threading.local()
        self._pool_lock = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._file: tuple[int, int] | None = None  # the device and inode of the file that was opened
        self._closed = False

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection that sees one moment of the database until the block ends."""
        if whole := self._whole():
            with self._translated():
                yield whole
            return
        with self._translated(), self._connection() as connection:
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection whose changes are durable when the block ends; an exception undoes them all."""
        if self._mode == "ro":
            raise LibraryReadOnly(f"the library {self.path.parent} was opened for reading only.")
        if whole := self._whole():
            with self._translated():
                yield from _part(whole, "SAVEPOINT part", "RELEASE part", "ROLLBACK TO part")
            return
        with self._translated(), self._turn(), self._connection() as connection:
            yield from _part(connection, "BEGIN IMMEDIATE", "COMMIT", "ROLLBACK")
            self._check_in_place()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make one transaction of what this thread writes until the block ends: the disk is waited for once.

        Each write still is whole or undone by itself. Where the block raises, what was whole before is kept.
        """
        ended: BaseException | None = None
        with self.write() as connection:
            self._mine.whole = connection
            try:
                yield
            except BaseException as error:
                ended = error  # to be raised when what was whole is on the disk
            finally:
                self._mine.whole = None
            if ended and not connection.in_transaction:
                raise ended  # a full disk, for one, has undone everything
        if ended:
            raise ended

    @contextmanager
    def plain(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection outside any transaction, for pragmas."""
        with self._translated(), self._connection() as connection:
            yield connection

    def use_log(self) -> None:
        """Make the file one that keeps a write-ahead log; it stays so for all who open it later."""
        # Changing the mode of a new file does not honour the busy timeout when another process does the same.
        deadline = time.monotonic() + self._patience
        with self.plain() as connection:
            while True:
                try:
                    connection.execute("PRAGMA journal_mode = WAL")
                    return
                except sqlite3.OperationalError as error:
                    if _primary(error) not in _BUSY or time.monotonic() > deadline:
                        raise
                    time.sleep(0.02)

    def close(self) -> None:
        """Close every connection; those lent close when they come back."""
        with self._pool_lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _whole(self) -> sqlite3.Connection | None:
        """Return the connection of the transaction that this thread is putting `together`."""
        return getattr(self._mine, "whole", None)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        # Threads of one process queue here rather than in SQLite's sleeping retries, which are not fair.
        if not self._writing.acquire(timeout=self._patience):
            raise self._busy()
        try:
            yield
        finally:
            self._writing.release()

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        with self._pool_lock:
            if self._closed:
                raise LibraryError(f"the library {self.path.parent} has been closed.")
            connection = self._idle.pop() if self._idle else None
        if connection is None:
            connection = self._connect()
        try:
            self._check_in_place()
            yield connection
        finally:
            with self._pool_lock:
                keep = not self._closed
                if keep:
                    self._idle.append(connection)
            if not keep:
                connection.close()

    def _check_in_place(self) -> None:
        """Raise LibraryAway where the file at the path is not the one that was opened first."""
        found = None
        with suppress(FileNotFoundError, NotADirectoryError):
            status = self.path.stat()
            found = status.st_dev, status.st_ino
        if self._file is None:
            self._file = found
        if found is None or found != self._file:
            raise self._away("deleted" if found is None else "replaced by another file")

    def _away(self, what: str) -> LibraryAway:
        return LibraryAway(
            f"the catalog {self.path} was {what} while it was in use: nothing can be read or written. Put it back "
            "where it was, or start again with the library that is there now."
        )

    def _connect(self) -> sqlite3.Connection:
        try:
            return self._configured(f"mode={self._mode}")
        except sqlite3.OperationalError as error:
            # Reading a WAL database needs its -shm file, which cannot be made in a folder that is read-only.
            # With no log beside it the file alone is the whole truth, and nobody can be writing to it.
            log = self.path.with_name(self.path.name + "-wal")
            refused = _primary(error) in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}
            if self._mode != "ro" or not refused or (log.exists() and log.stat().st_size):
                raise
            return self._configured("mode=ro&immutable=1")

    def _configured(self, mode: str) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"file:{quote(str(self.path.absolute()))}?{mode}",
            uri=True,
            timeout=self._patience,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except BaseException:
            connection.close()
            raise
        return connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.ProgrammingError:
            raise  # a fault of this program, not of the library
        except sqlite3.Error as error:
            raise self._translate(error) from error

    def _translate(self, error: sqlite3.Error) -> LibraryError:
        folder = self.path.parent
        code = _primary(error)
        if code in _BUSY:
            return self._busy()
        if code == sqlite3.SQLITE_FULL:
            return LibraryFull(
                f"no room for the change: the disk of the library {folder} is full. What was stored before is "
                "safe. Make room and try again."
            )
        if code == sqlite3.SQLITE_READONLY:
            return LibraryReadOnly(
                f"the library {folder} may not be written to ({error}). Check the permissions of the folder "
                f"and of {self.path.name}."
            )
        if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
            return LibraryInvalid(
                f"the library {folder} is damaged, or {self.path.name} is no catalog ({error}). Restore it from "
                "a backup, or build the library again in a new folder."
            )
        if code == sqlite3.SQLITE_CANTOPEN:
            if not self.path.exists():
                if self._file is not None:
                    return self._away("deleted")
                return LibraryNotFound(f"the catalog {self.path} is not there any more, or cannot be made.")
            return LibraryReadOnly(
                f"the catalog {self.path} cannot be opened ({error}). Check the permissions of the folder; a "
                "library in a read-only folder must have been closed cleanly."
            )
        return LibraryError(f"the catalog of the library {folder} failed: {error}. What was stored before is safe.")

    def _busy(self) -> LibraryBusy:
        return LibraryBusy(
            f"another process has kept the library {self.path.parent} locked for {self._patience:g} seconds. "
            "Wait for it to finish (or stop it) and try again."
        )


def _part(connection: sqlite3.Connection, begin: str, keep: str, undo: str) -> Iterator[sqlite3.Connection]:
    connection.execute(begin)
    try:
        yield connection
        connection.execute(keep)
    except BaseException:
        # Some errors, a full disk among them, have already rolled back.
        with suppress(sqlite3.Error):
            connection.execute(undo)
        raise


def _primary(error: sqlite3.Error) -> int:
    """Return SQLite's primary result code; errors of Python's own making have none."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
