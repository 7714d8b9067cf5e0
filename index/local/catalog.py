"""The catalog: the durable record of a local library's clips and segments, and the only truth about it.

Plain functions over a connection that `index.local.sqlite.Database` lends inside a transaction. Embeddings
are kept as float16, little-endian: on unit vectors that is as good as float32 for ranking, at half the size.

Clips and segments have row numbers that are never used twice. They stay inside `index.local`; outside, a clip
is its content-derived id. `changes` numbers every change, so that a reader finds out with one look whether
there is anything new, and asks only for that.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
import numpy.typing as npt

from encoders.affect import Affect
from encoders.encoder import EncodedSegment
from encoders.windows import FORMER
from index.checks import clip_conflict, clip_not_found
from index.filters import And, Filter, timestamp
from index.local.sqlite import marks, portions
from index.local.where import compile_filter
from index.records import Clip, Counts, JsonScalar, Metadata, NewClip, Stamp, kind

APPLICATION: Final = 0x45524C42  # "ERLB", in the file's header: what `file` and this program know it by
SCHEMA_VERSION: Final = 2

_SCHEMA: Final = """
CREATE TABLE library (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE clips (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    sha256 TEXT NOT NULL,
    name TEXT NOT NULL,
    path TEXT NOT NULL,
    duration REAL NOT NULL,
    added_at TEXT NOT NULL,
    valence REAL NOT NULL,
    arousal REAL NOT NULL,
    segments INTEGER NOT NULL,
    size INTEGER,
    mtime_ns INTEGER
) STRICT;
CREATE INDEX clips_by_path ON clips (path);
CREATE TABLE segments (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    clip INTEGER NOT NULL REFERENCES clips (number) ON DELETE CASCADE,
    start REAL NOT NULL,
    "end" REAL NOT NULL,
    valence REAL NOT NULL,
    arousal REAL NOT NULL,
    embedding BLOB NOT NULL
) STRICT;
CREATE INDEX segments_by_clip ON segments (clip, start);
CREATE TABLE metadata (
    clip INTEGER NOT NULL REFERENCES clips (number) ON DELETE CASCADE,
    key TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('text', 'number', 'boolean', 'null')),
    value ANY,
    PRIMARY KEY (clip, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX metadata_by_value ON metadata (key, kind, value, clip);
CREATE TABLE changes (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL CHECK (kind IN ('add', 'update', 'delete')),
    clip INTEGER NOT NULL
) STRICT;
"""
# From the version before, one step a version. Version 1 had no stamps of files and did not name the segmentation.
_MIGRATIONS: Final = {
    1: f"""
ALTER TABLE clips ADD COLUMN size INTEGER;
ALTER TABLE clips ADD COLUMN mtime_ns INTEGER;
CREATE INDEX clips_by_path ON clips (path);
INSERT INTO library SELECT 'segmentation', '{FORMER}' FROM clips LIMIT 1;
INSERT OR IGNORE INTO library VALUES ('segmentation', '');
"""
}
_CLIP: Final = """clips.number, clips.id, clips.name, clips.path, clips.sha256, clips.duration, clips.added_at,
    clips.valence, clips.arousal, clips.segments"""
_STAMP: Final = {1: "NULL, NULL", 2: "clips.size, clips.mtime_ns"}

Ints = npt.NDArray[np.int64]
Row = tuple[int, str, str, str, str, float, str, float, float, int, int | None, int | None]


@dataclass(frozen=True, slots=True)
class Rows:
    """Segments as the vector search needs them, `n` in a row.

    `segments` and `clips` are row numbers; `ids` are the clips' ids as numbers, which order as the ids do;
    `starts` are seconds; `affect` is float32 [n, 2]; `codes` are the embeddings, float16 [n, dim].
    """

    segments: Ints
    clips: Ints
    ids: npt.NDArray[np.uint64]
    starts: npt.NDArray[np.float64]
    affect: npt.NDArray[np.float32]
    codes: npt.NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class Found:
    """A segment that a search found, and its clip; its embedding where that was asked for."""

    clip: Clip
    start: float
    end: float
    affect: Affect
    embedding: npt.NDArray[np.float32] | None


def create(connection: sqlite3.Connection, properties: dict[str, str]) -> None:
    """Make the tables and write the library's properties. The caller holds the write transaction."""
    for statement in _SCHEMA.split(";"):
        connection.execute(statement)
    connection.executemany("INSERT INTO library VALUES (?, ?)", properties.items())
    connection.execute(f"PRAGMA application_id = {APPLICATION}")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the tables of an older version to this one's. The caller holds the write transaction.

    What was written before stays as it was; a program of an older version refuses the library from then on.
    """
    for version in range(header(connection)[1], SCHEMA_VERSION):
        for statement in _MIGRATIONS[version].split(";"):
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def header(connection: sqlite3.Connection) -> tuple[int, int]:
    """Return (application id, schema version); (0, 0) for a file that is still empty."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return application, version


def is_blank(connection: sqlite3.Connection) -> bool:
    """Say whether nothing has been made in the file yet, neither a library nor anything else."""
    tables = connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
    return tables is None and header(connection) == (0, 0)


def properties(connection: sqlite3.Connection) -> dict[str, str]:
    """Return what `create` wrote of the library."""
    return dict(connection.execute("SELECT key, value FROM library"))


def segmentation(connection: sqlite3.Connection) -> tuple[str, ...]:
    """Return the names of the ways in which the library's clips were cut into segments, the oldest first."""
    return tuple(properties(connection).get("segmentation", FORMER).split())


def add(connection: sqlite3.Connection, clip: NewClip, affect: Affect, segments: Sequence[EncodedSegment]) -> int:
    """Add a clip that is not there yet, with its segments, and return its row number."""
    cursor = connection.execute(
        "INSERT INTO clips (id, sha256, name, path, duration, added_at, valence, arousal, segments, size, mtime_ns)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            clip.id,
            clip.sha256,
            clip.name,
            clip.path,
            clip.duration,
            timestamp(datetime.now(UTC)),
            affect.valence,
            affect.arousal,
            len(segments),
            *(clip.stamp or (None, None)),
        ),
    )
    number = cursor.lastrowid
    assert number is not None
    connection.executemany(
        'INSERT INTO segments (clip, start, "end", valence, arousal, embedding) VALUES (?, ?, ?, ?, ?, ?)',
        (
            (number, s.start, s.end, float(s.affect.valence), float(s.affect.arousal), pack(s.embedding))
            for s in segments
        ),
    )
    _describe(connection, number, clip.metadata or {})
    if clip.segmentation not in (ways := segmentation(connection)):
        value = " ".join((*ways, clip.segmentation))
        connection.execute("UPDATE library SET value = ? WHERE key = 'segmentation'", (value,))
    _log(connection, "add", number)
    return number


def update(
    connection: sqlite3.Connection,
    number: int,
    *,
    name: str | None = None,
    path: str | None = None,
    metadata: Metadata | None = None,
    stamp: Stamp | None = None,
) -> None:
    """Change what is given of a clip; None leaves it as it is, but for the stamp, which a new path replaces."""
    connection.execute("UPDATE clips SET name = coalesce(?, name) WHERE number = ?", (name, number))
    if path is not None:
        connection.execute(
            "UPDATE clips SET path = ?, size = ?, mtime_ns = ? WHERE number = ?",
            (path, *(stamp or (None, None)), number),
        )
    if metadata is not None:
        connection.execute("DELETE FROM metadata WHERE clip = ?", (number,))
        _describe(connection, number, metadata)
    _log(connection, "update", number)


def delete(connection: sqlite3.Connection, number: int) -> None:
    """Remove a clip with its segments and metadata."""
    connection.execute("DELETE FROM clips WHERE number = ?", (number,))
    _log(connection, "delete", number)


def number_of(connection: sqlite3.Connection, clip: str) -> int:
    """Return the row number of the clip with this id. Raises ClipNotFound."""
    row = connection.execute("SELECT number FROM clips WHERE id = ?", (clip,)).fetchone()
    if row is None:
        raise clip_not_found(clip)
    return int(row[0])


def find(connection: sqlite3.Connection, clip: NewClip) -> int | None:
    """Return the row number of the clip with this content, None where there is none. Raises ClipConflict."""
    row = connection.execute("SELECT number, sha256 FROM clips WHERE id = ?", (clip.id,)).fetchone()
    if row is None:
        return None
    if row[1] != clip.sha256:
        raise clip_conflict(clip)
    return int(row[0])


def present(connection: sqlite3.Connection, ids: Iterable[str]) -> set[str]:
    """Return those of `ids` that the library has."""
    found: set[str] = set()
    for some in portions(ids):
        rows = connection.execute(f"SELECT id FROM clips WHERE id IN ({marks(some)})", some)
        found.update(row[0] for row in rows)
    return found


def stamps(connection: sqlite3.Connection, paths: Iterable[str]) -> Iterator[tuple[str, str, Stamp | None]]:
    """Yield (path, clip id, stamp) for the clips whose path is one of `paths`."""
    size, mtime = _STAMP[header(connection)[1]].split(", ")
    for some in portions(paths):
        rows = connection.execute(
            f"SELECT path, id, {size}, {mtime} FROM clips WHERE path IN ({marks(some)}) ORDER BY number", some
        )
        for path, clip, *stamp in rows:
            yield path, clip, _stamp(*stamp)


def files(connection: sqlite3.Connection) -> Iterator[tuple[str, str, str, Stamp | None]]:
    """Yield (clip id, path, sha256, stamp) of every clip, in the order they were added."""
    rows = connection.execute(f"SELECT id, path, sha256, {_STAMP[header(connection)[1]]} FROM clips ORDER BY number")
    for clip, path, sha256, *stamp in rows:
        yield clip, path, sha256, _stamp(*stamp)


def restamp(connection: sqlite3.Connection, stamps: Mapping[str, Stamp]) -> None:
    """Set the stamps of clips by their ids. No change that a reader follows."""
    connection.executemany(
        "UPDATE clips SET size = ?, mtime_ns = ? WHERE id = ?", ((*stamp, clip) for clip, stamp in stamps.items())
    )


def one(connection: sqlite3.Connection, number: int) -> Clip:
    """Return the clip of this row number."""
    rows = connection.execute(f"SELECT {_columns(connection)} FROM clips WHERE number = ?", (number,)).fetchall()
    return _clips(connection, rows)[0]


def page(connection: sqlite3.Connection, offset: int, limit: int) -> list[Clip]:
    """Return the clips in the order they were added, `limit` from `offset` on."""
    rows = connection.execute(
        f"SELECT {_columns(connection)} FROM clips ORDER BY number LIMIT ? OFFSET ?", (limit, offset)
    ).fetchall()
    return _clips(connection, rows)


def some(connection: sqlite3.Connection, numbers: Sequence[int]) -> list[Clip]:
    """Return the clips of these row numbers, which are all there, in their order."""
    clips = _by_number(connection, numbers)
    return [clips[number] for number in numbers]


def count(connection: sqlite3.Connection, condition: Filter | None) -> Counts:
    """Count what a filter keeps."""
    where, parameters = compile_filter(condition or And(()))
    row = connection.execute(
        f"SELECT count(*), coalesce(sum(segments), 0), coalesce(sum(duration), 0.0) FROM clips WHERE {where}",
        parameters,
    ).fetchone()
    return Counts(*row)


def segments_after(connection: sqlite3.Connection, clip: int) -> int:
    """Count the segments of the clips whose row number is over `clip`."""
    (count,) = connection.execute("SELECT coalesce(sum(segments), 0) FROM clips WHERE number > ?", (clip,)).fetchone()
    return int(count)


def numbers_of(connection: sqlite3.Connection, ids: Iterable[str]) -> Ints:
    """Return the row numbers of those of the clips `ids` that the library has."""
    found: list[int] = []
    for some in portions(ids):
        rows = connection.execute(f"SELECT number FROM clips WHERE id IN ({marks(some)})", some)
        found.extend(row[0] for row in rows)
    return np.array(found, np.int64)


def derive(connection: sqlite3.Connection) -> None:
    """Derive anew what follows from the rest: the clips' sums over their segments, and the indices."""
    connection.execute(
        """
        UPDATE clips SET segments = s.count, valence = s.valence, arousal = s.arousal FROM (
            SELECT clip, count(*) AS count, avg(valence) AS valence, avg(arousal) AS arousal FROM segments GROUP BY clip
        ) AS s WHERE s.clip = number AND (
            clips.segments <> s.count OR abs(clips.valence - s.valence) + abs(clips.arousal - s.arousal) > 1e-3
        )
        """
    )
    connection.execute("REINDEX")


def segments_of(connection: sqlite3.Connection, number: int) -> list[EncodedSegment]:
    """Return a clip's segments in order of time."""
    rows = connection.execute(
        'SELECT start, "end", valence, arousal, embedding FROM segments WHERE clip = ? ORDER BY start, id',
        (number,),
    )
    return [
        EncodedSegment(start, end, unpack(blob).astype(np.float32), Affect(valence, arousal))
        for start, end, valence, arousal, blob in rows
    ]


def found(connection: sqlite3.Connection, segments: Sequence[int], *, embeddings: bool = False) -> dict[int, Found]:
    """Return the segments of these row numbers; those that are not there any more are left out."""
    rows: list[tuple[int, int, float, float, float, float, bytes | None]] = []
    embedding = "embedding" if embeddings else "NULL"
    for some in portions(segments):
        rows += connection.execute(
            f'SELECT id, clip, start, "end", valence, arousal, {embedding} FROM segments WHERE id IN ({marks(some)})',
            some,
        )
    clips = _by_number(connection, {row[1] for row in rows})
    return {
        segment: Found(
            clips[clip], start, end, Affect(valence, arousal), None if blob is None else unpack(blob).astype(np.float32)
        )
        for segment, clip, start, end, valence, arousal, blob in rows
    }


def rows_after(connection: sqlite3.Connection, segment: int, dim: int, size: int = 8192) -> Iterator[Rows]:
    """Yield the segments whose row number is over `segment`, in order, up to `size` at a time.

    Row numbers are given out in the order of the transactions, so these are all segments that were added
    since, but for those already deleted. Embeddings of another size than `dim` are left out (`verify` finds
    them).
    """
    cursor = connection.execute(
        "SELECT segments.id, clip, clips.id, start, segments.valence, segments.arousal, embedding"
        " FROM segments JOIN clips ON number = clip"
        " WHERE segments.id > ? AND length(embedding) = ? ORDER BY segments.id",
        (segment, 2 * dim),
    )
    while rows := cursor.fetchmany(size):
        numbers, clips, ids, starts, valence, arousal, blobs = zip(*rows, strict=True)
        yield Rows(
            np.array(numbers, np.int64),
            np.array(clips, np.int64),
            np.array([int(clip, 16) for clip in ids], np.uint64),
            np.array(starts, np.float64),
            np.array([valence, arousal], np.float32).T,
            unpack(b"".join(blobs)).reshape(len(rows), dim),
        )


def affect_until(connection: sqlite3.Connection, segment: int) -> tuple[Ints, npt.NDArray[np.float32]]:
    """Return the row numbers up to `segment`, ascending, and these segments' affect [n, 2]; a walk over all of them."""
    rows = connection.execute("SELECT id, valence, arousal FROM segments WHERE id <= ? ORDER BY id", (segment,))
    table = np.fromiter(rows, np.dtype((np.float64, 3)))
    return table[:, 0].astype(np.int64), table[:, 1:].astype(np.float32)


def pack(embedding: npt.NDArray[np.float32]) -> bytes:
    """Return an embedding as the catalog stores it: float16, little-endian."""
    return embedding.astype("<f2").tobytes()


def unpack(blob: bytes) -> npt.NDArray[np.float16]:
    """Return the values that `pack` stored."""
    return np.frombuffer(blob, "<f2")


def _describe(connection: sqlite3.Connection, number: int, metadata: Metadata) -> None:
    connection.executemany(
        "INSERT INTO metadata VALUES (?, ?, ?, ?)",
        ((number, key, kind(value), value) for key, value in metadata.items()),
    )


def _log(connection: sqlite3.Connection, change: str, number: int) -> None:
    connection.execute("INSERT INTO changes (kind, clip) VALUES (?, ?)", (change, number))


def _columns(connection: sqlite3.Connection) -> str:
    """Name the columns of a `Row`; a version-1 library that is only read has no stamps."""
    return f"{_CLIP}, {_STAMP[header(connection)[1]]}"


def _stamp(size: int | None, mtime_ns: int | None) -> Stamp | None:
    return None if size is None or mtime_ns is None else Stamp(size, mtime_ns)


def _by_number(connection: sqlite3.Connection, numbers: Iterable[int]) -> dict[int, Clip]:
    rows: list[Row] = []
    for some in portions(numbers):
        rows += connection.execute(f"SELECT {_columns(connection)} FROM clips WHERE number IN ({marks(some)})", some)
    return {row[0]: clip for row, clip in zip(rows, _clips(connection, rows), strict=True)}


def _clips(connection: sqlite3.Connection, rows: Sequence[Row]) -> list[Clip]:
    metadata: dict[int, dict[str, JsonScalar]] = {row[0]: {} for row in rows}
    for some in portions(metadata):
        fields = connection.execute(
            f"SELECT clip, key, kind, value FROM metadata WHERE clip IN ({marks(some)}) ORDER BY clip, key", some
        )
        for clip, key, what, value in fields:
            metadata[clip][key] = bool(value) if what == "boolean" else value
    return [
        Clip(
            id=row[1],
            name=row[2],
            path=row[3],
            sha256=row[4],
            duration=row[5],
            added_at=datetime.fromisoformat(row[6]),
            metadata=metadata[row[0]],
            affect=Affect(row[7], row[8]),
            segments=row[9],
            stamp=_stamp(row[10], row[11]),
        )
        for row in rows
    ]
