"""Statistics about a local library, and the checks of `verify`.

Each check returns what it finds wrong, in words; nothing is repaired here.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Final

import numpy as np

from encoders.affect import HIGH, LOW, Affect
from index.drift import audio_file, named
from index.local import catalog, changes
from index.local.snapshot import Snapshot, SnapshotUnusable
from index.local.vectors import Vectors
from index.records import Counts, Drift, IndexInfo

BINS: Final = 6

_UNIT: Final = 0.01


def summary(connection: sqlite3.Connection) -> tuple[Counts, tuple[int, ...], tuple[int, ...]]:
    """Count clips, segments and seconds, and the clips in equal bins of valence, and of arousal; in one walk."""
    valence, arousal = (
        f"min({BINS - 1}, max(0, CAST(({axis} - {LOW}) * {BINS} / {HIGH - LOW} AS INTEGER)))" for axis in Affect._fields
    )
    *counts, bins = connection.execute(
        f"SELECT count(*), coalesce(sum(segments), 0), coalesce(sum(duration), 0.0),"
        f" group_concat({BINS} * {valence} + {arousal}) FROM clips"
    ).fetchone()
    numbers = np.fromstring(bins, np.int64, sep=",") if bins else np.empty(0, np.int64)
    table = np.bincount(numbers, minlength=BINS * BINS).reshape(BINS, BINS)
    return Counts(*counts), tuple(table.sum(axis=1).tolist()), tuple(table.sum(axis=0).tolist())


def size(folder: Path) -> int:
    """Return the bytes that the files under a folder take."""
    total = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):  # others may be at work
                total += size(Path(entry.path)) if entry.is_dir(follow_symlinks=False) else entry.stat().st_size
    return total


def index(connection: sqlite3.Connection, vectors: Vectors, problem: str | None) -> IndexInfo:
    """Say what the library is searched with: the vectors of its snapshot, without what changed since."""
    found = vectors.snapshot
    if found is None:
        return IndexInfo(
            kind="exact",
            parameters={},
            reason="there is no snapshot: the embeddings are read from the catalog at the first search",
            recall=None,
            latency_ms=None,
            memory=asdict(vectors.memory),
            made_at=None,
            changes=None,
            tail=None,
            problem=problem,
        )
    manifest = found.manifest
    return IndexInfo(
        kind=manifest.kind,
        parameters=manifest.parameters,
        reason=manifest.reason,
        recall=manifest.recall,
        latency_ms=manifest.latency_ms,
        memory=asdict(vectors.memory),
        made_at=manifest.created_at,
        changes=changes.state(connection).sequence - manifest.sequence,
        tail=catalog.segments_after(connection, int(found.clips[-1]) if len(found.clips) else 0),
        problem=problem,
    )


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
    return named("catalog", iter(messages))


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
    return [*named("catalog", _records(clips)), *named("catalog", wrong), *named("catalog", _changes(connection))]


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

    return named("embedding", wrong())


def snapshot(connection: sqlite3.Connection, opened: Callable[[sqlite3.Connection], Snapshot | None]) -> list[Drift]:
    """Open the snapshot, read all of it, and compare whose its segments are with the catalog."""
    try:
        found = opened(connection)
    except SnapshotUnusable as error:
        return [Drift("snapshot", str(error))]
    if found is None:
        return []
    clip_of = np.repeat(np.arange(len(found.clips)), np.diff(found.offsets))

    def wrong() -> Iterator[str]:
        for rows in catalog.rows_after(connection, 0, found.manifest.dim):
            places = np.searchsorted(found.segments, rows.segments)
            places = places[rows.segments <= found.manifest.last_segment]
            held = rows.segments[: len(places)]
            clips = clip_of[places]
            same = (
                (found.segments[places] == held)
                & (found.clips[clips] == rows.clips[: len(places)])
                & (found.ids[clips] == rows.ids[: len(places)])
                & (found.starts[places] == rows.starts[: len(places)])
            )
            if found.affect is not None:
                same &= (found.affect[places] == rows.affect[: len(places)]).all(axis=1)
            for segment in held[~same]:
                yield f"segment {segment} has another clip, start or affect in the snapshot than in the catalog"

    return [*named("snapshot", iter(found.damage())), *named("snapshot", wrong())]


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

    return named("vectors", wrong())


def audio(connection: sqlite3.Connection, folder: Path, uploads: Path, *, read: bool) -> list[Drift]:
    """Look for clips' files that are gone or were replaced, and for uploaded files that no clip needs.

    A file whose size or time is another than when it was added is read and compared with its sha256; with `read`,
    every file is.
    """

    def wrong() -> Iterator[str]:
        for clip, path, sha256, stamp in catalog.files(connection):
            if wrong := audio_file(clip, folder / path, sha256, stamp, read=read):
                yield wrong
        replaced = connection.execute(
            "SELECT path, group_concat(id, ', ') FROM clips GROUP BY path HAVING count(*) > 1 ORDER BY path"
        )
        for path, ids in replaced:
            yield f"{folder / path} is the file of more than one clip ({ids}): it was replaced after it was added"
        for file in sorted(uploads.glob("*")):
            if not catalog.present(connection, [file.name.partition(".")[0]]):
                yield f"{file} belongs to no clip"

    return named("audio", wrong())


def _changes(connection: sqlite3.Connection) -> Iterator[str]:
    state = changes.state(connection)
    listed, first, last = connection.execute("SELECT count(*), min(sequence), max(sequence) FROM changes").fetchone()
    expected = state.sequence - state.trimmed
    if listed != expected or (listed and (first, last) != (state.trimmed + 1, state.sequence)):
        yield f"{listed} changes are listed, {first} to {last}; it should be {state.trimmed + 1} to {state.sequence}"


def _records(rows: sqlite3.Cursor) -> Iterator[str]:
    for clip, sha256, said, counted, off in rows:
        if clip != sha256[:16]:
            yield f"clip {clip}: its id is not the beginning of its sha256, {sha256}"
        if said != counted:
            yield f"clip {clip}: its record says {said} segments, there are {counted}"
        elif off > 1e-3:
            yield f"clip {clip}: its affect is not the mean of its segments'"
