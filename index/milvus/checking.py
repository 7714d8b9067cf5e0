"""A library in Milvus: its statistics, the checks of `verify`, and what killed processes left behind.

Clips and segments are read side by side in the order of the clips' ids, so that little is held however large the
library is. What looks wrong is looked at once more: another process may just have been changing it.
"""

from collections.abc import Iterator
from itertools import groupby, islice, pairwise
from pathlib import Path
from typing import Final, Literal

import numpy as np

from encoders.affect import HIGH, LOW
from index.drift import audio_file, named
from index.milvus import reading
from index.milvus.connection import Connection, Row
from index.milvus.expressions import EVERYTHING
from index.milvus.rows import CLIP, Stored, edition_before, filtered, read_clip, segment_ids
from index.milvus.schema import FILTERED
from index.records import Drift

BINS: Final = 6
GRACE: Final = 3600.0  # seconds after which an edition that no clip names is not on its way any more

_SIZE: Final = 1000  # rows with their embeddings at a time
_UNIT: Final = 0.01


def histogram(connection: Connection, axis: Literal["valence", "arousal"]) -> tuple[int, ...]:
    """Count the clips in equal bins of an axis; those beyond its ends are in the first or the last."""
    edges = np.linspace(LOW, HIGH, BINS + 1)[1:-1].tolist()
    clips = connection.address.clips
    below = [connection.count(clips, f"{EVERYTHING} and {axis} < {edge!r}") for edge in edges]
    below = [0, *below, connection.count(clips, EVERYTHING)]
    return tuple(upper - lower for lower, upper in pairwise(below))


def verify(connection: Connection, *, audio: bool) -> list[Drift]:
    """Check the clips' rows against their segments', the embeddings, and the audio files (`audio`: by reading them)."""
    return [
        *named("catalog", _records(connection)),
        *named("catalog", _filters(connection)),
        *named("embedding", _embeddings(connection)),
        *named("vectors", _searched(connection)),
        *named("audio", _audio(connection, read=audio)),
    ]


def drifted(connection: Connection) -> Iterator[Stored]:
    """Yield the clips whose segments filters take for others than the clip."""
    for stored, rows in _joined(connection, FILTERED):
        if stored is None:
            continue
        expected = filtered(stored.clip)
        own = [row for row in rows if row["edition"] == stored.edition]
        if not all(_agrees(row, expected) for row in own) and _holds(connection, stored):
            yield stored


def left_behind(connection: Connection) -> Iterator[Row]:
    """Yield the rows of segments that no clip has and that no process can still be adding, with their ids.

    The clocks of the machines that add clips must agree to within an hour.
    """
    limit = edition_before(GRACE)
    for stored, rows in _joined(connection, ()):
        edition = stored.edition if stored else ""
        old = [row for row in rows if row["edition"] != edition and row["edition"] < limit]
        if old:
            # Clips and segments were not read at the same moment: what the clip names now is what counts.
            now = _edition(connection, old[0]["clip"])
            yield from (row for row in old if row["edition"] != now)


def _joined(connection: Connection, columns: tuple[str, ...]) -> Iterator[tuple[Stored | None, list[Row]]]:
    """Yield every clip with its segments' rows, of all editions; None with those of a clip that is not there."""
    clips = map(read_clip, connection.every(connection.address.clips, EVERYTHING, CLIP, _SIZE))
    rows = connection.every(connection.address.segments, EVERYTHING, ("id", "clip", "edition", *columns), _SIZE)
    stored = next(clips, None)
    for clip, group in groupby(rows, key=lambda row: str(row["clip"])):
        while stored is not None and stored.clip.id < clip:
            yield stored, []
            stored = next(clips, None)
        if stored is not None and stored.clip.id == clip:
            yield stored, list(group)
            stored = next(clips, None)
        else:
            yield None, list(group)
    while stored is not None:
        yield stored, []
        stored = next(clips, None)


def _records(connection: Connection) -> Iterator[str]:
    for stored, rows in _joined(connection, ("segment_valence", "segment_arousal")):
        if stored is None:
            continue
        clip = stored.clip
        own = [row for row in rows if row["edition"] == stored.edition]
        if clip.id != clip.sha256[:16]:
            yield f"clip {clip.id}: its id is not the beginning of its sha256, {clip.sha256}"
        if {row["id"] for row in own} != set(segment_ids(stored)):
            if _holds(connection, stored):
                yield f"clip {clip.id}: its record says {clip.segments} segments, there are {len(own)}"
        elif _off(own, clip.affect) > 1e-3:
            yield f"clip {clip.id}: its affect is not the mean of its segments'"


def _off(rows: list[Row], affect: tuple[float, float]) -> float:
    means = np.mean([(row["segment_valence"], row["segment_arousal"]) for row in rows], axis=0)
    return float(np.abs(means - affect).sum())


def _embeddings(connection: Connection) -> Iterator[str]:
    for row in connection.every(connection.address.segments, EVERYTHING, ("id", "clip", "embedding"), _SIZE):
        length = float(np.linalg.norm(np.array(row["embedding"], np.float64)))
        if not abs(length - 1) <= _UNIT:
            yield f"segment {row['id']} of clip {row['clip']}: the embedding has length {length:.3f} instead of 1"


def _filters(connection: Connection) -> Iterator[str]:
    for row in connection.every(connection.address.clips, EVERYTHING, (*CLIP, *FILTERED), _SIZE):
        if not _agrees(row, filtered(read_clip(row).clip)):
            yield f"clip {row['id']}: what filters look at is not what its record says"


def _searched(connection: Connection) -> Iterator[str]:
    for stored in drifted(connection):
        yield f"clip {stored.clip.id}: its segments are searched with other metadata than it has"
    left = sum(1 for _ in left_behind(connection))
    if left:
        yield f"{left} segments belong to no clip (an interrupted write left them behind); `index compact` removes them"


def _agrees(row: Row, expected: Row) -> bool:
    return all(row[column] == value for column, value in expected.items())


def _holds(connection: Connection, stored: Stored) -> bool:
    """Say whether a clip is still there just as it was read."""
    return _edition(connection, stored.clip.id) == stored.edition


def _edition(connection: Connection, clip: str) -> str:
    rows = list(connection.by_id(connection.address.clips, [clip], ["edition"]))
    return str(rows[0]["edition"]) if rows else ""


def _audio(connection: Connection, *, read: bool) -> Iterator[str]:
    """Look for files that are gone or changed. One whose stamp is another is read; with `read`, every one is."""
    ids = (row["id"] for row in connection.every(connection.address.clips, EVERYTHING, ("id",)))
    while some := list(islice(ids, _SIZE)):
        for stored in reading.clips(connection, some).values():
            clip = stored.clip
            if wrong := audio_file(clip.id, Path(clip.path), clip.sha256, clip.stamp, read=read):
                yield wrong
