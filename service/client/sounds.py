"""What is sent as a file: a path, bytes, or an open file that can be read again.

Files are streamed from the disk: however long a recording is, a piece of it is held at a time. Only the last part of
a path is sent, as the name. A file that somebody still writes to is sent as long as it was when its sending began.
"""

import errno
import io
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

Sound = str | os.PathLike[str] | bytes | BinaryIO


class Part(NamedTuple):
    """A file of a form, as httpx takes it."""

    name: str
    file: "Measured | bytes"
    media_type: str = "application/octet-stream"


class Measured:
    """A file as long as it was when it was last measured, by seeking its end: a request says its length first."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size = 0
        self._at = 0

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place."""
        self._at = self._file.seek(offset, whence)
        if whence == io.SEEK_END:
            self._size = self._at - offset
        return self._at

    def tell(self) -> int:
        """Return the place."""
        return self._at

    def read(self, size: int) -> bytes:
        """Read on; raises OSError where the file has become shorter."""
        piece = self._file.read(min(size, self._size - self._at))
        if not piece and self._at < self._size:
            raise OSError(errno.EIO, "it became shorter while it was sent")
        self._at += len(piece)
        return piece


def name_of(sound: Sound) -> str:
    """Return what the service is told that a sound is called."""
    if isinstance(sound, str | os.PathLike):
        name = Path(sound).name
    else:
        given = getattr(sound, "name", None)
        name = Path(given).name if isinstance(given, str) else ""
    # A name of the file system may hold bytes that are no text.
    return os.fsencode(name).decode("utf-8", "replace") or "upload"


def size_of(sound: Sound) -> int:
    """Return a sound's size in bytes; raises OSError for a path that is not there."""
    if isinstance(sound, bytes):
        return len(sound)
    if isinstance(sound, str | os.PathLike):
        return Path(sound).stat().st_size
    return sound.seek(0, io.SEEK_END)


@contextmanager
def opened(field: str, sounds: Sequence[Sound]) -> Iterator[list[tuple[str, Part]]]:
    """Open sounds as the files of a form's field; closes those that it opened.

    Raises OSError for a path that cannot be read (later also, where it becomes shorter) and ValueError for a file that
    cannot be read twice, as a second try has to.
    """
    with ExitStack() as stack:
        parts = []
        for sound in sounds:
            file: Measured | bytes
            if isinstance(sound, str | os.PathLike):
                file = Measured(stack.enter_context(Path(sound).open("rb")))
            elif isinstance(sound, bytes):
                file = sound
            elif sound.seekable():
                file = Measured(sound)
            else:
                raise ValueError(
                    f"{name_of(sound)} is a stream that cannot be read again. Give what it holds, as bytes."
                )
            parts.append((field, Part(name_of(sound), file)))
        yield parts
