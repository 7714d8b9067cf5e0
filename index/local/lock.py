"""One at a time: what works on a whole library (compaction, backup, a snapshot) keeps out others, in any process.

The lock is on the folder itself, so there is no file to leave behind, and it ends with the process that holds it.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from index.errors import LibraryBusy, LibraryError


@contextmanager
def alone(folder: Path, busy: str = "") -> Iterator[None]:
    """Hold the lock of a folder for the block.

    Raises LibraryBusy where another holds it, with the message `busy` where that is given, and LibraryError.
    """
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise LibraryError(f"{folder} cannot be opened: {error.strerror}.") from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LibraryBusy(
                busy
                or f"{folder} is being compacted, rebuilt or backed up already. Wait for that to end and try again."
            ) from None
        yield
    finally:
        os.close(handle)
