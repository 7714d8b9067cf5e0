"""The map: where every segment of a library lies in the plane, as the bytes that a page draws from.

Little-endian: a head of 16 bytes, then points or, where there are more than MOST_POINTS segments, a grid.

    bytes 0-3    "ERmp"
    byte 4       1, the version of this layout
    byte 5       0 for points, 1 for a grid
    bytes 6-7    how many cells each side of the grid has; 0 for points
    bytes 8-11   how many segments there are
    bytes 12-15  how many clips

A point is two uint16, valence and arousal, 0 for 1 and 65535 for 7; points come in no order that means anything. A grid
is a uint32 a cell, how many segments lie in it: the lowest arousal first, and within it the lowest valence.

A map is made once for a filter and a state of the library. A store that cannot tell its state (Milvus) is read
again when the map is FRESH seconds old.
"""

import hashlib
import struct
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from encoders.affect import HIGH, LOW
from index.filters import Filter
from index.places import Places
from index.store import Store

MOST_POINTS: Final = 200_000
SIDE: Final = 256
FRESH: Final = 10.0

_HEAD: Final = struct.Struct("<4sBBHII")
_MAGIC: Final = b"ERmp"
_VERSION: Final = 1
_TOP: Final = 65_535
_KEPT: Final = 16  # maps, of at most 800 kB each


@dataclass(frozen=True, slots=True)
class Map:
    """A map's bytes, and the entity tag that stands for them."""

    body: bytes
    etag: str


@dataclass(frozen=True, slots=True)
class _Entry:
    state: str | None
    made: float
    map: Map


class Maps:
    """The maps of one library, kept. To be used from one thread at a time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._entries: OrderedDict[str, _Entry] = OrderedDict()

    def of(self, condition: Filter | None) -> Map:
        """Return the map of the clips that a filter keeps. Raises what the store raises."""
        key = repr(condition)  # `==` would take 1, 1.0 and true for the same
        state = self._store.state()  # before the walk: a change in between makes the next map anew
        entry = self._entries.pop(key, None)
        if entry is None or not _holds(entry, state):
            body = draw(self._store.places(condition))
            entry = _Entry(state, time.monotonic(), Map(body, f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'))
        self._entries[key] = entry
        if len(self._entries) > _KEPT:
            self._entries.popitem(last=False)
        return entry.map


def _holds(entry: _Entry, state: str | None) -> bool:
    return time.monotonic() - entry.made < FRESH if state is None else entry.state == state


def draw(places: Places, *, most: int = MOST_POINTS) -> bytes:
    """Return the bytes of a map: points, or a grid where there are more than `most` segments."""
    steps: npt.NDArray[np.uint16] = np.rint(np.clip((places.affect - LOW) / (HIGH - LOW), 0, 1) * _TOP).astype("<u2")
    count, clips = len(places), len(places.clips)
    if count <= most:
        return _HEAD.pack(_MAGIC, _VERSION, 0, 0, count, clips) + steps.tobytes()
    valence, arousal = (steps.astype(np.int64) * SIDE // (_TOP + 1)).T
    cells = np.bincount(arousal * SIDE + valence, minlength=SIDE * SIDE).astype("<u4")
    return _HEAD.pack(_MAGIC, _VERSION, 1, SIDE, count, clips) + cells.tobytes()
