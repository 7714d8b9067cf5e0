"""The places of all segments, read from the catalog; see `index.places`."""

import sqlite3
from collections.abc import Iterable, Iterator

from index.local.catalog import Ints
from index.local.sqlite import marks, portions
from index.places import Places, Row, places

_SEGMENTS = 'SELECT clip, start, "end", valence, arousal FROM segments'


def scan(connection: sqlite3.Connection, numbers: Ints | None) -> Places:
    """Return the places of the segments of the clips of these row numbers, which ascend; None is all clips."""
    if numbers is None:
        clips = dict(connection.execute("SELECT number, id FROM clips ORDER BY number"))
        rows: Iterable[Row] = connection.execute(
            _SEGMENTS
        )  # once through the table is quicker than by way of its index
    else:
        clips = {}
        for some in portions(numbers.tolist()):
            clips.update(
                connection.execute(
                    f"SELECT number, id FROM clips WHERE number IN ({marks(some)}) ORDER BY number", some
                )
            )
        rows = _of(connection, numbers)
    owners = {number: place for place, number in enumerate(clips)}
    return places(clips.values(), ((owners[row[0]], *row[1:]) for row in rows))


def _of(connection: sqlite3.Connection, numbers: Ints) -> Iterator[Row]:
    for some in portions(numbers.tolist()):
        yield from connection.execute(f"{_SEGMENTS} WHERE clip IN ({marks(some)})", some)
