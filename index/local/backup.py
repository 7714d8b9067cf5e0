"""A consistent copy of a library, while others search it and add to it.

The copy is of one moment: the catalog as SQLite's online backup reads it, the uploaded audio of its clips, and the
snapshot. It is made in `<target>.partial` and becomes the target by a rename once all of it is on the disk: a target
that is there is whole. A copy that was stopped is gone on with, not begun again: audio that was copied stays. To
restore one, open it, or move it where the library was.

Recordings that the library only names, those outside its folder, are not its own and are not copied.
"""

import errno
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from index.errors import LibraryError, LibraryFull, LibraryReadOnly
from index.local import catalog, snapshot
from index.local.lock import alone
from index.local.sqlite import Database
from index.records import Backup
from index.store import Progress

_PAGES: Final = 4096  # of the catalog, copied between two reports of progress


def backup(folder: Path, database: Database, target: Path, progress: Progress | None) -> Backup:
    """Copy the library in `folder` to `target`, which must not be there yet, or be an empty folder.

    Raises LibraryBusy where the library is being compacted or backed up, LibraryFull, LibraryReadOnly, LibraryError.
    """
    started = time.monotonic()
    tell: Progress = progress or (lambda what, part: None)
    _check(folder, target)
    partial = target.with_name(f"{target.name}.partial")
    with _translated(target):
        (partial / "audio").mkdir(parents=True, exist_ok=True)
        with alone(folder), alone(partial):
            missing = _records_and_audio(folder, database, partial, tell)
            tell("copying the snapshot", 0.0)
            snapshot.copy(folder, partial)
            tell("waiting for the disk", 1.0)
            # Last, and one after the other: most are on the disk by now.
            size = sum(map(_flush, [*partial.rglob("*"), partial]))
            partial.replace(target)
            _flush(target.parent)
    return Backup(str(target), size, missing, time.monotonic() - started)


def _records_and_audio(folder: Path, database: Database, partial: Path, tell: Progress) -> tuple[str, ...]:
    """Copy the catalog and its clips' audio; return the files that clips name and that are not there."""
    for file in partial.glob(f"{database.path.name}*"):
        file.unlink()
    copy = Database(partial / database.path.name, "rwc")
    try:
        with database.read() as source, copy.plain() as target:
            catalog.properties(source)  # from the first look on, it sees one moment

            def copied(_: int, remaining: int, total: int) -> None:
                tell("copying the catalog", 1 - remaining / max(total, 1))

            source.backup(target, pages=_PAGES, progress=copied)
        with copy.read() as connection:
            files = [(clip, path) for clip, path, *_ in catalog.files(connection) if _own(path)]
        _sweep(partial, {database.path.name, *(path for _, path in files)})
        gone = []
        for number, (clip, path) in enumerate(files):
            tell("copying audio", number / len(files))
            if not _take(folder / path, partial / path):
                gone.append((clip, path))
        with database.read() as source:
            there = catalog.present(source, [clip for clip, _ in gone])
        with copy.write() as target:
            for clip, _ in gone:
                if clip not in there:  # deleted meanwhile: of this clip, the copy is as it is now
                    catalog.delete(target, catalog.number_of(target, clip))
    finally:
        copy.close()
    return tuple(str(folder / path) for clip, path in gone if clip in there)


def _sweep(partial: Path, wanted: set[str]) -> None:
    """Remove what an earlier attempt left and this one does not need."""
    for file in partial.rglob("*"):
        if file.is_file() and file.relative_to(partial).as_posix() not in wanted:
            file.unlink()


def _own(path: str) -> bool:
    """Say whether a clip's file lies in the library's folder: only then is its path relative."""
    return not path.startswith("/") and ".." not in path.split("/")


def _take(source: Path, target: Path) -> bool:
    """Copy a file, unless it was copied before; say whether it is there."""
    try:
        now = source.stat()
        if target.exists() and (target.stat().st_size, target.stat().st_mtime_ns) == (now.st_size, now.st_mtime_ns):
            return True
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)
    except FileNotFoundError:
        return False
    return True


def _check(folder: Path, target: Path) -> None:
    if target.resolve().is_relative_to(folder.resolve()):
        raise LibraryError(f"{target} lies in the library itself. Name a folder outside of {folder}.")
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise LibraryError(f"{target} is there already; a backup is made whole, in a new folder. Name another.")


@contextmanager
def _translated(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise LibraryFull(
                f"no room for the backup {target}: the disk is full. The library is as it was. Make room and run the "
                "same command again: it goes on with what was copied."
            ) from error
        if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
            raise LibraryReadOnly(
                f"the backup {target} cannot be written: {error.strerror} ({error.filename})."
            ) from error
        raise LibraryError(f"the backup {target} failed: {error}. The library is as it was.") from error


def _flush(path: Path) -> int:
    """Wait until a file or a folder is on the disk; return the bytes of a file, 0 of a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    return 0 if path.is_dir() else path.stat().st_size
