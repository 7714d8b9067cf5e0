"""What is read of a library in Milvus by its ids, paths and fields; searches and pages are elsewhere."""

import json
import math
from collections.abc import Iterable, Sequence
from typing import Final

from encoders.encoder import EncodedSegment
from index.checks import clip_not_found
from index.errors import LibraryInvalid
from index.milvus import encoding, rows, schema
from index.milvus.connection import Connection, portions
from index.milvus.expressions import EVERYTHING, is_id, one_of
from index.milvus.rows import Stored
from index.records import Counts, Stamp

_OWN_WITHOUT_PATH: Final = f'added == {schema.OWN} and path == ""'  # all but stamps


def clips(connection: Connection, ids: Sequence[str]) -> dict[str, Stored]:
    """Return those of the clips `ids` that the library has."""
    wanted = [row for clip in ids if is_id(clip) for row in (clip, rows.stamp_id(clip))]
    return rows.read_clips(connection.by_id(connection.address.clips, wanted, rows.CLIP))


def clip(connection: Connection, id: str) -> Stored:
    """Return a clip. Raises ClipNotFound."""
    found = clips(connection, [id]).get(id)
    if found is None:
        raise clip_not_found(id)
    return found


def whole(connection: Connection, id: str) -> tuple[Stored, list[EncodedSegment]]:
    """Return a clip and its segments, of one edition. Raises ClipNotFound."""
    while True:
        stored = clip(connection, id)
        found = connection.by_id(connection.address.segments, rows.segment_ids(stored), rows.SEGMENT)
        segments = rows.read_segments(found)
        if len(segments) == stored.clip.segments:
            return stored, segments
        if clip(connection, id).edition == stored.edition:  # not just replaced by another process
            raise LibraryInvalid(
                f"the library {connection.address} is damaged: of the clip {id}, {len(segments)} of "
                f"{stored.clip.segments} segments are there. Delete the clip and add it again."
            )


def has(connection: Connection, ids: Iterable[str]) -> set[str]:
    """Return those of `ids` that the library has."""
    wanted = [clip for clip in ids if is_id(clip)]
    return {row["id"] for row in connection.by_id(connection.address.clips, wanted, ["id"])}


def count(connection: Connection, condition: str) -> Counts:
    """Count the clips that an expression is true of. Milvus has no sums: what is summed is fetched."""
    found = connection.every(connection.address.clips, condition, ("segments", "duration"))
    each = [(row["segments"], row["duration"]) for row in found]
    return Counts(len(each), sum(segments for segments, _ in each), math.fsum(seconds for _, seconds in each))


def stamps(connection: Connection, paths: Sequence[str]) -> dict[str, dict[str, Stamp | None]]:
    """Return, by path, the clips whose path it is, and their stamps."""
    by_key = {encoding.name_key(path): path for path in paths}
    found: dict[str, dict[str, Stamp | None]] = {}
    for some in portions(list(by_key)):
        there = list(
            connection.query(connection.address.clips, one_of("path", some), ("id", "path", "record", "added"))
        )
        known = rows.read_stamps(there)
        for row in there:
            if row["added"] != schema.OWN:
                found.setdefault(by_key[row["path"]], {})[row["id"]] = known.get((row["id"], row["path"]))
    return found


def fields(connection: Connection, among: Iterable[str] | None) -> set[str]:
    """Return the names of the metadata fields that clips have: those of `among`, or all."""
    if among is not None:
        return {key for key in among if connection.any(connection.address.clips, _has_field(key))}
    records = connection.every(connection.address.clips, EVERYTHING, ("record",))
    return {key for row in records for key in json.loads(row["record"])["metadata"]}


def ways(connection: Connection) -> tuple[str, ...]:
    """Return the names of the ways in which the library's clips were cut into segments, the oldest first."""
    found = connection.query(connection.address.clips, _OWN_WITHOUT_PATH, ("id", "record"))
    each = (json.loads(row["record"]) for row in found if row["id"] != schema.LIBRARY)
    records = sorted(each, key=lambda record: (record["since"], record["way"]))
    return tuple(record["way"] for record in records)


def _has_field(key: str) -> str:
    return f'{EVERYTHING} and array_contains(tokens, "{encoding.field_token(key)}")'
