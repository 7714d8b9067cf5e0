"""Uploads: what a form's file is called, and the folder in which added audio is kept.

While a request runs, its files lie in temporary files without a name (`service.intake`): however it ends, even
with the process killed, nothing of them stays. Audio of clips that were added is kept in the library's audio
folder as `<clip id>.<suffix>`: the id comes from the content and the suffix from the sniffed container, so no
name that a caller sends ever becomes part of a path. What a killed process left there is removed at the next start:
files half written, and audio whose record was never written (or is deleted).
"""

import fcntl
import hashlib
import os
import shutil
import tempfile
import time
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final

from fastapi import UploadFile

from service.errors import StorageFull
from service.mediatypes import HEAD_BYTES, UNKNOWN, Container, sniff

MAX_NAME_CHARS: Final = 255
_CHUNK: Final = 1024 * 1024
_PARTIAL: Final = ".partial-"
_PENDING: Final = ".pending-"
# A file younger than this may belong to somebody who has not locked it yet.
_UNLOCKED_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Upload:
    """One file of a form: its base name, for people and messages only, and its bytes, seekable."""

    name: str
    file: BinaryIO

    def sha256(self) -> str:
        """Return the hash of the bytes, as hex."""
        digest = hashlib.sha256()
        self.file.seek(0)
        while chunk := self.file.read(_CHUNK):
            digest.update(chunk)
        return digest.hexdigest()

    def container(self) -> Container:
        """Sniff what the bytes are."""
        self.file.seek(0)
        return sniff(self.file.read(HEAD_BYTES))


def received(upload: UploadFile) -> Upload:
    """Take one file of a form as it came."""
    return Upload(base_name(upload.filename), upload.file)


def outliving(upload: Upload) -> Upload:
    """Give the same bytes in a file of its own, which stays open when the request's form is closed.

    Raises `StorageFull` when they cannot be written; close the file when it is done with.
    """
    try:
        upload.file.flush()
        return Upload(upload.name, os.fdopen(os.dup(upload.file.fileno()), "rb"))
    except OSError as error:
        raise StorageFull(f"{upload.name}: the upload could not be stored: {error.strerror}") from error


def base_name(name: str | None) -> str:
    """Return the last part of a file name, whichever system it is from, without control characters."""
    last = PurePosixPath((name or "").replace("\\", "/")).name
    printable = "".join(c for c in last if unicodedata.category(c)[0] != "C").strip()
    return "upload" if printable in {"", ".", ".."} else printable[:MAX_NAME_CHARS]


class AudioFolder:
    """The folder of kept audio. Files appear in it whole or not at all; other files are never touched.

    `owner` names the library where the folder may be that of several.
    """

    def __init__(self, path: Path, owner: str = "") -> None:
        self.path = path.absolute()
        self._owner = owner.encode()
        with suppress(OSError):  # `keep` says what is wrong
            self.path.parent.mkdir(parents=True, exist_ok=True)  # never again: a library that is deleted stays so
        self._sweep()

    def keep(self, upload: Upload, clip_id: str) -> Path:
        """Store an upload's bytes for good as the audio of a clip, and return where.

        Raises `StorageFull` when they cannot be written; nothing stays behind then.
        """
        container = upload.container()
        target = self.path / f"{clip_id}.{container.suffix}"
        try:
            self.path.mkdir(exist_ok=True)
            handle, partial = tempfile.mkstemp(dir=self.path, prefix=_PARTIAL)
            try:
                with os.fdopen(handle, "wb") as out:
                    fcntl.flock(out, fcntl.LOCK_SH)
                    upload.file.seek(0)
                    shutil.copyfileobj(upload.file, out)
                    out.flush()
                    os.fsync(out.fileno())
                Path(partial).replace(target)
            except BaseException:
                Path(partial).unlink(missing_ok=True)
                raise
            self._sync()
        except OSError as error:
            raise StorageFull(f"{upload.name}: the audio could not be stored: {error.strerror}") from error
        return target

    @contextmanager
    def pending(self, clip_id: str) -> Iterator[None]:
        """Mark that a clip's audio and its record are not in step until the block ends, for `recover`."""
        marker = self.path / f"{_PENDING}{clip_id}"
        handle = -1
        with suppress(OSError):  # where no marker can be written, no audio can be kept: `keep` says so
            self.path.mkdir(exist_ok=True)
            handle = os.open(marker, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(handle, fcntl.LOCK_SH)
            os.pwrite(handle, self._owner, 0)
        try:
            yield
        finally:
            if handle >= 0:
                with suppress(OSError):
                    marker.unlink(missing_ok=True)
                os.close(handle)

    def recover(self, has: Callable[[list[str]], set[str]]) -> None:
        """Remove audio that was kept by a process which was killed before its record was written.

        `has` tells which of some ids the library has. What a living process is at is left alone.
        """
        for marker in self.path.glob(f"{_PENDING}*"):
            with suppress(OSError), marker.open("rb") as file:
                if file.read() != self._owner:
                    continue
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # it is held as long as somebody works on the clip
                identity = marker.name.removeprefix(_PENDING)
                if not has([identity]):
                    self.discard(identity)
                marker.unlink(missing_ok=True)

    def holds(self, path: str) -> bool:
        """Tell whether a clip's path lies directly in this folder, so that the file is ours to remove."""
        return Path(path).parent == self.path

    def remove(self, path: str) -> None:
        """Remove a kept file; files outside this folder belong to the user and are left alone."""
        if self.holds(path):
            Path(path).unlink(missing_ok=True)

    def discard(self, clip_id: str) -> None:
        """Remove what is kept of a clip that is gone."""
        for file in self.path.glob(f"{clip_id}.*"):
            with suppress(OSError):  # `verify` names files that are left behind
                file.unlink()

    def _sync(self) -> None:
        """Make the folder's entries durable."""
        folder = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _sweep(self) -> None:
        """Remove what a killed process left half-written."""
        limit = time.time() - _UNLOCKED_SECONDS
        for partial in self.path.glob(f"{_PARTIAL}*"):
            with suppress(OSError), partial.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # it is held as long as somebody writes
                if partial.stat().st_mtime < limit:
                    partial.unlink()


def container_of(path: Path) -> Container:
    """Sniff a stored file; UNKNOWN when it cannot be read."""
    try:
        with path.open("rb") as file:
            return sniff(file.read(HEAD_BYTES))
    except OSError:
        return UNKNOWN
