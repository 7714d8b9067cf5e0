"""The places of all segments, read from Milvus; see `index.places`."""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

from index.errors import ClipNotFound
from index.milvus import reading
from index.milvus.connection import Connection
from index.milvus.expressions import EVERYTHING
from index.places import Places, Row, places

_CLIP = ("id", "edition", "segments", "added")
_SEGMENT = ("id", "clip", "edition", "starts_at", "ends_at", "segment_valence", "segment_arousal")


def scan(connection: Connection, of_clips: str, of_segments: str) -> Places:
    """Return the places of the segments of the clips that one expression is true of; the other says so of segments."""
    address = connection.address
    found = sorted(connection.every(address.clips, of_clips, _CLIP), key=lambda row: (row["added"], row["id"]))
    editions = {row["id"]: row["edition"] for row in found}
    owners = {clip: place for place, clip in enumerate(editions)}
    missing = Counter({row["id"]: row["segments"] for row in found})

    def rows() -> Iterator[Row]:
        for row in connection.every(address.segments, of_segments or EVERYTHING, _SEGMENT):
            clip = row["clip"]
            if editions.get(clip) == row["edition"]:
                missing[clip] -= 1
                affect = row["segment_valence"], row["segment_arousal"]
                yield owners[clip], row["starts_at"], row["ends_at"], *affect

    return places(editions, _without_torn(connection, list(rows()), owners, +missing))


def _without_torn(
    connection: Connection, rows: list[Row], owners: dict[str, int], missing: Counter[str]
) -> Iterator[Row]:
    """Yield rows, but those of a clip that another process replaced in between as they are now."""
    torn = {owners[clip] for clip in missing}
    yield from (row for row in rows if row[0] not in torn)
    for clip in missing:
        with suppress(ClipNotFound):
            for segment in reading.whole(connection, clip)[1]:
                yield owners[clip], segment.start, segment.end, *segment.affect
