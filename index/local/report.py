"""Statistics about a local library, and the checks of `verify`.

Each check returns what it finds wrong, in words; nothing is repaired here.
"""

import sqlite3
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np

from encoders.affect import HIGH, LOW
from index.local import catalog
from index.local.vectors import Vectors
from index.records import Drift, DriftKind

BINS: Final = 6

_NAMED: Final = 10  # examples of one kind of drift that are named one by one
_PORTION: Final = 8192
_UNIT: Final = 0.01


def histograms(connection: sqlite3.Connection) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Count the clips in equal bins of valence, and of arousal."""
    edges = np.linspace(LOW, HIGH, BINS + 1)
    rows = connection.execute("SELECT valence, arousal FROM clips")
    counts = np.zeros((2, BINS), np.int64)
    while portion := rows.fetchmany(_PORTION):
        for axis, values in enumerate(np.array(portion).T):
            counts[axis] += np.histogram(values.clip(LOW, HIGH), edges)[0]
    return tuple(counts[0].tolist()), tuple(counts[1].tolist())


def size(folder: Path) -> int:
    """Return the bytes that the files under a folder take."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def damage(connection: sqlite3.Connection) -> list[Drift]:
    """Let SQLite check the file itself."""
    try:
        messages = [row[0] for row in connection.execute("PRAGMA integrity_check") if row[0] != "ok"]
    except sqlite3.DatabaseError as error:
        messages = [f"SQLite cannot read all of the file: {error}"]
    if not messages:
        messages = [
            f"row {row[1]} of {row[0]} belongs to a row of {row[2]} that is not there"
            for row in connection.execute("PRAGMA foreign_key_check")
        ]
    return _named("catalog", iter(messages))


def records(connection: sqlite3.Connection) -> list[Drift]:
    """Check the clips' records against their segments, and the metadata's values against their kinds."""
    clips = connection.execute(
        """
        SELECT clips.id, sha256, clips.segments, count(segments.id),
            abs(clips.valence - coalesce(avg(segments.valence), 0)) +
            abs(clips.arousal - coalesce(avg(segments.arousal), 0))
        FROM clips LEFT JOIN segments ON segments.clip = number GROUP BY number ORDER BY number
        """
    )
    metadata = connection.execute(
        """
        SELECT id, key, kind FROM metadata JOIN clips ON number = clip WHERE NOT CASE kind
            WHEN 'text' THEN typeof(value) = 'text' WHEN 'number' THEN typeof(value) IN ('integer', 'real')
            WHEN 'boolean' THEN value IN (0, 1) ELSE value IS NULL END
        """
    )
    wrong = (f"clip {clip}: the metadata field {key!r} is no {kind}" for clip, key, kind in metadata)
    return [*_named("catalog", _records(clips)), *_named("catalog", wrong)]


def embeddings(connection: sqlite3.Connection, dim: int) -> list[Drift]:
    """Check that every stored embedding has the right size and is a unit vector."""

    def wrong() -> Iterator[str]:
        sizes = connection.execute(
            "SELECT segments.id, clips.id, length(embedding) FROM segments JOIN clips ON number = clip"
            " WHERE length(embedding) <> ?",
            (2 * dim,),
        )
        for segment, clip, length in sizes:
            yield f"segment {segment} of clip {clip}: the embedding has {length} bytes instead of {2 * dim}"
        for rows in catalog.rows_after(connection, 0, dim):
            lengths = np.linalg.norm(rows.codes.astype(np.float32), axis=1)
            for place in np.flatnonzero(~(np.abs(lengths - 1) <= _UNIT)):
                yield (
                    f"segment {rows.segments[place]} of clip {int(rows.ids[place]):016x}: "
                    f"the embedding has length {lengths[place]:.3f} instead of 1"
                )

    return _named("embedding", wrong())


def vectors(connection: sqlite3.Connection, searched: Vectors) -> list[Drift]:
    """Compare what is searched with the catalog; the vectors must have followed it to this moment."""
    held = searched.segments()

    def wrong() -> Iterator[str]:
        stored = []
        for rows in catalog.rows_after(connection, 0, searched.dim):
            stored.append(rows.segments)
            common = np.isin(rows.segments, held, assume_unique=True)
            codes = searched.codes(rows.segments[common])
            same = (codes.view(np.uint16) == rows.codes[common].view(np.uint16)).all(axis=1)
            for segment in rows.segments[common][~same]:
                yield f"segment {segment} is searched with another embedding than the catalog's"
        known = np.concatenate(stored) if stored else np.empty(0, np.int64)
        for segment in np.setdiff1d(known, held, assume_unique=True):
            yield f"segment {segment} is in the catalog, but is not searched"
        for segment in np.setdiff1d(held, known, assume_unique=True):
            yield f"segment {segment} is searched, but is not in the catalog"

    return _named("vectors", wrong())


def audio(connection: sqlite3.Connection, folder: Path, uploads: Path) -> list[Drift]:
    """Look for clips' files that are gone or were replaced, and for uploaded files that no clip needs."""

    def wrong() -> Iterator[str]:
        for clip, path in connection.execute("SELECT id, path FROM clips ORDER BY number"):
            if not (folder / path).is_file():
                yield f"clip {clip}: its file is not at {folder / path}"
        replaced = connection.execute(
            "SELECT path, group_concat(id, ', ') FROM clips GROUP BY path HAVING count(*) > 1 ORDER BY path"
        )
        for path, ids in replaced:
            yield f"{folder / path} is the file of more than one clip ({ids}): it was replaced after it was added"
        for file in sorted(uploads.glob("*")):
            if not catalog.present(connection, [file.name.partition(".")[0]]):
                yield f"{file} belongs to no clip"

    return _named("audio", wrong())


def _records(rows: sqlite3.Cursor) -> Iterator[str]:
    for clip, sha256, said, counted, off in rows:
        if clip != sha256[:16]:
            yield f"clip {clip}: its id is not the beginning of its sha256, {sha256}"
        if said != counted:
            yield f"clip {clip}: its record says {said} segments, there are {counted}"
        elif off > 1e-3:
            yield f"clip {clip}: its affect is not the mean of its segments'"


def _named(kind: DriftKind, messages: Iterator[str]) -> list[Drift]:
    drift = [Drift(kind, message) for message in islice(messages, _NAMED)]
    if more := sum(1 for _ in messages):
        drift.append(Drift(kind, f"and {more} more like these"))
    return drift
