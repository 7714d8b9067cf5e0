"""Clips and segments as rows of the collections, and back."""

import json
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from encoders.affect import Affect
from encoders.encoder import EncodedSegment
from index.errors import MetadataError
from index.milvus import encoding, schema
from index.milvus.connection import Row
from index.records import Clip, Stamp

CLIP: Final = ("id", "edition", "record", "path", "segments", "duration", "valence", "arousal", "added")
SEGMENT: Final = ("id", "starts_at", "ends_at", "segment_valence", "segment_arousal", "embedding")


@dataclass(frozen=True, slots=True)
class Stored:
    """A clip of the library, and which edition of its segments holds."""

    clip: Clip
    edition: str


def new_edition() -> str:
    """Return a name for a write of segments: when it began, and a random end. Names order by age."""
    return f"{time.time_ns() // 1000:014x}{secrets.token_hex(6)}"


def edition_before(seconds: float) -> str:
    """Return a text that is over every edition that began longer than `seconds` ago, and under the others."""
    return f"{(time.time_ns() // 1000) - int(seconds * 1e6):014x}"


def segment_ids(stored: Stored) -> list[str]:
    """Return the ids of the rows of a clip's segments."""
    return [_segment_id(stored.clip.id, stored.edition, place) for place in range(stored.clip.segments)]


def stamp_id(clip: str) -> str:
    """Return the id of the row of a clip's stamp."""
    return f"{clip}-stamp"


def stamp_row(clip: str, path_key: str, stamp: Stamp) -> Row:
    """Return the row of the stamp of the file at that path, a clip's."""
    return schema.own_row(stamp_id(clip), {"clip": clip, "size": stamp.size, "mtime_ns": stamp.mtime_ns}, path_key)


def read_stamps(rows: Iterable[Row]) -> dict[tuple[str, str], Stamp]:
    """Return the stamps among some rows, by the clip and the hash of the path that they are of."""
    found = {}
    for row in rows:
        if row["added"] == schema.OWN:
            record = json.loads(row["record"])
            found[record["clip"], row["path"]] = Stamp(record["size"], record["mtime_ns"])
    return found


def way_row(way: str) -> Row:
    """Return the row of a way in which clips are cut into segments from now on."""
    return schema.own_row(f"way-{encoding.name_key(way)}", {"way": way, "since": time.time_ns()})


def read_clips(rows: Iterable[Row]) -> dict[str, Stored]:
    """Return the clips of rows that have the columns CLIP, with the stamps among them, by their ids."""
    rows = list(rows)
    stamps = read_stamps(rows)
    return {
        row["id"]: read_clip(row, stamps.get((row["id"], row["path"]))) for row in rows if row["added"] != schema.OWN
    }


def read_clip(row: Row, stamp: Stamp | None = None) -> Stored:
    """Return the clip of a row that has the columns CLIP."""
    record = json.loads(row["record"])
    clip = Clip(
        id=row["id"],
        name=record["name"],
        path=record["path"],
        sha256=record["sha256"],
        duration=row["duration"],
        added_at=encoding.moment(row["added"]),
        metadata=record["metadata"],
        affect=Affect(row["valence"], row["arousal"]),
        segments=row["segments"],
        stamp=stamp,
    )
    return Stored(clip, row["edition"])


def read_segments(rows: Iterable[Row]) -> list[EncodedSegment]:
    """Return the segments of rows that have the columns SEGMENT, in order of time."""
    return [
        EncodedSegment(
            row["starts_at"],
            row["ends_at"],
            np.array(row["embedding"], np.float32),
            Affect(row["segment_valence"], row["segment_arousal"]),
        )
        for row in sorted(rows, key=lambda row: (row["starts_at"], row["id"]))
    ]


def clip_row(stored: Stored) -> Row:
    """Return the row of a clip. Raises MetadataError for what is too large for a row."""
    clip = stored.clip
    record = {
        "sha256": clip.sha256,
        "name": clip.name,
        "path": clip.path,
        "metadata": dict(sorted(clip.metadata.items())),
    }
    return {
        "id": clip.id,
        "edition": stored.edition,
        "record": _fitting(json.dumps(record, ensure_ascii=False), schema.MAX_TEXT, clip),
        "path": path_key(clip),
        "segments": clip.segments,
        "affect": [float(value) for value in clip.affect],
        **filtered(clip),
    }


def path_key(clip: Clip) -> str:
    """Return what a clip's row is found by where its path is known."""
    return encoding.name_key(clip.path)


def segment_rows(stored: Stored, segments: Sequence[EncodedSegment]) -> Iterator[Row]:
    """Yield the rows of a clip's segments. Embeddings are rounded to float16, as every store keeps them."""
    columns = filtered(stored.clip)
    for place, segment in enumerate(segments):
        yield {
            "id": _segment_id(stored.clip.id, stored.edition, place),
            "clip": stored.clip.id,
            "edition": stored.edition,
            "starts_at": float(segment.start),
            "ends_at": float(segment.end),
            "segment_valence": float(segment.affect.valence),
            "segment_arousal": float(segment.affect.arousal),
            "embedding": segment.embedding.astype(np.float16).astype(np.float32),
            **columns,
        }


def filtered(clip: Clip) -> dict[str, Any]:
    """Return the columns that filters look at. Raises MetadataError for what is too large for a row."""
    ranges: Mapping[str, str] = encoding.ranges(clip.metadata)
    _fitting(json.dumps(ranges), schema.MAX_JSON, clip)
    return {
        "duration": float(clip.duration),
        "valence": float(clip.affect.valence),
        "arousal": float(clip.affect.arousal),
        "added": encoding.microseconds(clip.added_at),
        "name": _fitting(encoding.sortable(clip.name), schema.MAX_TEXT, clip),
        "tokens": encoding.tokens(clip.metadata),
        "ranges": ranges,
    }


def _fitting(text: str, limit: int, clip: Clip) -> str:
    if len(text.encode()) > limit:
        raise MetadataError(
            f"{clip.name[:80]}: the clip's name, path and metadata are too large for a library in Milvus, which holds "
            "some 45 kB of them a clip. Shorten its longest texts."
        )
    return text


def _segment_id(clip: str, edition: str, place: int) -> str:
    return f"{clip}{edition}{place:08x}"
