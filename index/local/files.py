"""Files that are on the disk when they are said to be, with their sizes and checksums."""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from pydantic import BaseModel, ConfigDict, Field


class File(BaseModel):
    """A file as it was written."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bytes: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Files:
    """Files written into a folder, each flushed to the disk; `written` is what they are."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.written: dict[str, File] = {}

    @contextmanager
    def new(self, name: str) -> Iterator[Callable[[bytes], None]]:
        """Make a file, and lend what appends to it; it is on the disk when the block ends. Raises OSError."""
        digest = hashlib.sha256()
        size = 0
        with (self.folder / name).open("xb") as file:

            def add(content: bytes) -> None:
                nonlocal size
                file.write(content)
                digest.update(content)
                size += len(content)

            yield add
            flush(file)
        self.written[name] = File(bytes=size, sha256=digest.hexdigest())

    def put(self, name: str, content: bytes) -> None:
        """Make a file with this content. Raises OSError."""
        with self.new(name) as add:
            add(content)


def flush(file: BinaryIO) -> None:
    """Return when what was written is on the disk."""
    file.flush()
    os.fsync(file.fileno())


def sync(folder: Path) -> None:
    """Return when what was made, renamed or removed in the folder is on the disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
