"""What the checks of `verify` have in common, wherever a library lies."""

import hashlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from index.known import stamp_of
from index.records import Drift, DriftKind, Stamp

_NAMED: Final = 10  # examples of one kind of drift that are named one by one


def named(kind: DriftKind, messages: Iterator[str]) -> list[Drift]:
    """Return drift of one kind: the first few, and how many more there are."""
    drift = [Drift(kind, message) for message in islice(messages, _NAMED)]
    if more := sum(1 for _ in messages):
        drift.append(Drift(kind, f"and {more} more like these"))
    return drift


def audio_file(clip: str, file: Path, sha256: str, stamp: Stamp | None, *, read: bool) -> str | None:
    """Say what is wrong with the file of the clip of this id, None where it is the one that was added.

    One whose size or time is another than `stamp` is read and compared with `sha256`; with `read`, any is.
    """
    if not file.is_file():
        return f"clip {clip}: its file is not at {file}"
    if (read or (stamp is not None and stamp != stamp_of(file))) and _sha256(file) != sha256:
        return f"clip {clip}: {file} is not the file that was added any more, or cannot be read"
    return None


def _sha256(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None
