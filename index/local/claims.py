"""Claims: who is making which clip, so that builds that run at the same time do not encode a recording twice.

A claim is a lock on one byte of the empty file `library.claims`, the byte whose place is the clip's id (its first
62 bits). The kernel gives it back when its holder ends, however that ends. Claims are a courtesy between builds: what
is written is right without them, and where a file system has no such locks everyone is granted everything.
"""

import errno
import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

CLAIMS: Final = "library.claims"

_TAKEN: Final = {errno.EAGAIN, errno.EACCES}


@contextmanager
def claim(folder: Path, clip_id: str) -> Iterator[bool]:
    """Hold the claim of a clip in the library `folder` until the block ends; yield False where another has it."""
    try:
        file = os.open(folder / CLAIMS, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError:
        yield True
        return
    try:
        yield _locked(file, int(clip_id, 16) >> 2)
    finally:
        os.close(file)


def _locked(file: int, place: int) -> bool:
    # An open file's own lock (OFD): unlike the older kind it also tells the threads of one process apart.
    lock = struct.pack("hhqqi0q", fcntl.F_WRLCK, os.SEEK_SET, place, 1, 0)
    try:
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, lock)
    except OSError as error:
        return error.errno not in _TAKEN
    return True
