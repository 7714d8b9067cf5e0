"""Pages of clips in the order they were added.

Milvus gives rows in the order of their ids only, so a page is found by when its clips were added: two moments
between which the page lies, and little else, are found by counting (each count halves what is left), and only the
rows between them are read and put in order.
"""

import time
from typing import Final, NamedTuple

from index.milvus import reading
from index.milvus.connection import Connection
from index.milvus.rows import Stored

_SLACK: Final = 500  # rows that may be read on either side of a page: fewer do not pay for another count
_LATEST: Final = 2**53  # microseconds since 1970: the year 2255


class _Moment(NamedTuple):
    """A moment, in microseconds since 1970, and how many of the clips were added until then."""

    at: int
    clips: int


def page(connection: Connection, condition: str, offset: int, limit: int) -> list[Stored]:
    """Return the clips that an expression is true of, `limit` from `offset` on, in the order they were added."""
    clips = connection.address.clips

    def until(moment: int) -> _Moment:
        return _Moment(moment, connection.count(clips, f"({condition}) and added <= {moment}"))

    total = connection.count(clips, condition)
    end = min(total, offset + limit)
    if offset >= end:
        return []
    # From `low` to `high` lies the page, then closer and closer.
    low, high = _Moment(-1, 0), _Moment(_LATEST, total)
    if total > 2 * _SLACK:
        now = until(time.time_ns() // 1000)
        high = now if now.clips >= end else high
    beyond = high
    while low.clips <= offset - _SLACK and beyond.at - low.at > 1:
        middle = until((low.at + beyond.at) // 2)
        low, beyond = (middle, beyond) if middle.clips <= offset else (low, middle)
    below = low
    while high.clips >= end + _SLACK and high.at - below.at > 1:
        middle = until((below.at + high.at) // 2)
        below, high = (below, middle) if middle.clips >= end else (middle, high)
    between = f"({condition}) and added > {low.at} and added <= {high.at}"
    order = sorted((row["added"], row["id"]) for row in connection.every(clips, between, ("id", "added")))
    ids = [clip for _, clip in order[offset - low.clips :][:limit]]
    found = reading.clips(connection, ids)
    return [found[clip] for clip in ids if clip in found]  # one deleted meanwhile is left out
