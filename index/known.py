"""What a library knows of the files that a build finds, before their contents are read.

A file whose size and time of change are those that were recorded with a clip is taken to hold that clip's content
still. A file that was changed in the last two seconds has no stamp yet: clocks of file systems are coarse, and it
may change once more without its stamp showing it.
"""

import stat
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final, Protocol

from index.records import Stamp
from index.sources import Failure, Recording

SETTLED: Final = 2_000_000_000  # nanoseconds
_AT_ONCE: Final = 512


class Stamps(Protocol):
    """What is asked of a library here."""

    def stamps(self, paths: list[str]) -> dict[str, dict[str, Stamp | None]]:
        """See `index.store.Store.stamps`."""


@dataclass(frozen=True, slots=True)
class Found:
    """A recording, and what is known of its path.

    `seen` is what its file looks like, None where there is no ordinary file; `settled` whether that can be relied on.
    `clips` are the clips whose path this is, with the stamps that were recorded.
    """

    recording: Recording
    path: str
    seen: Stamp | None
    settled: bool
    clips: Mapping[str, Stamp | None]

    @property
    def stamp(self) -> Stamp | None:
        """What may be recorded with the clip."""
        return self.seen if self.settled else None

    @property
    def unchanged(self) -> str | None:
        """The id of the clip whose content the file still has, as far as its stamp tells."""
        if self.stamp is None:
            return None
        return next((clip for clip, stamp in self.clips.items() if stamp == self.stamp), None)


def look(library: Stamps, items: Iterable[Recording | Failure]) -> Iterator[Found | Failure]:
    """Yield what is known of each recording; failures are handed on in their places."""
    rest = iter(items)
    while portion := list(islice(rest, _AT_ONCE)):
        paths = [str(item.path.absolute()) if isinstance(item, Recording) else "" for item in portion]
        known = library.stamps([path for path in paths if path and _is_unicode(path)])
        for path, item in zip(paths, portion, strict=True):
            if isinstance(item, Recording):
                yield Found(item, path, *_seen(item.path), known.get(path, {}))
            else:
                yield item


def stamp_of(path: Path) -> Stamp | None:
    """Return what a file looks like now; None where there is no ordinary file."""
    return _seen(path)[0]


def _seen(path: Path) -> tuple[Stamp | None, bool]:
    try:
        status = path.stat()
    except OSError:
        return None, False
    if not stat.S_ISREG(status.st_mode):
        return None, False
    return Stamp(status.st_size, status.st_mtime_ns), abs(time.time_ns() - status.st_mtime_ns) > SETTLED


def _is_unicode(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True
