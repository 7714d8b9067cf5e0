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
from index.records import Clip, JsonScalar

CLIP: Final = ("id", "edition", "record", "segments", "duration", "valence", "arousal", "added")
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


def read_clip(row: Row) -> Stored:
    """Return the clip of a row that has the columns CLIP."""
    record = json.loads(row["record"])
    metadata: dict[str, JsonScalar] = record["metadata"]
    clip = Clip(
        id=row["id"],
        name=record["name"],
        path=record["path"],
        sha256=record["sha256"],
        duration=row["duration"],
        added_at=encoding.moment(row["added"]),
        metadata=metadata,
        affect=Affect(row["valence"], row["arousal"]),
        segments=row["segments"],
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
        "path": encoding.path_key(clip.path),
        "segments": clip.segments,
        "affect": [float(value) for value in clip.affect],
        **filtered(clip),
    }


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
