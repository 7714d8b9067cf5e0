"""Compaction: a new snapshot from the catalog, with everything that was added and without what was deleted.

The snapshot is made from one moment of the catalog. Meanwhile others search, with the snapshot there was, and add and
delete: that is what they follow from the new one. When it is published the catalog adopts it and no longer lists the
changes that are in it. A process that is killed on the way has changed nothing that anyone searches.
"""

import sqlite3
import time
from pathlib import Path
from typing import Final

import numpy as np

from index.local import catalog, changes, snapshot
from index.local.codes import Floats
from index.local.following import open_snapshot
from index.local.lock import alone
from index.local.snapshot import SnapshotUnusable
from index.local.sqlite import Database
from index.records import Compaction
from index.store import Progress

# Segments added or removed since the snapshot from which on compacting pays: they are searched one by one, which at
# this many costs as much as the snapshot's millions do, and are read anew from the catalog by each process that opens.
WORTHWHILE: Final = 20_000


def worthwhile(connection: sqlite3.Connection, folder: Path, fingerprint: str, dim: int) -> bool:
    """Say whether so much has changed since the snapshot, or the start, that compacting pays."""
    try:
        found = open_snapshot(connection, changes.state(connection), folder, fingerprint, dim)
    except SnapshotUnusable:
        return True
    held, last_clip = (found.manifest.count, int(found.clips[-1])) if found and found.manifest.count else (0, 0)
    added = catalog.segments_after(connection, last_clip)
    removed = held - (catalog.count(connection, None).segments - added)
    return added + removed >= WORTHWHILE


def compact(
    folder: Path,
    database: Database,
    *,
    fingerprint: str,
    dim: int,
    queries: Floats | None,
    budget: int | None,
    recall: float,
    progress: Progress | None,
) -> Compaction:
    """Write a new snapshot of the library in `folder` and adopt it. Raises as `snapshot.write`."""
    started = time.monotonic()
    with alone(folder):
        _finish(folder, database, fingerprint, dim)
        with database.read() as connection:
            state = changes.state(connection)
            name = snapshot.new_name(state.sequence)
            with database.write() as other:
                changes.register(other, name)
            manifest = snapshot.write(
                folder,
                name=name,
                fingerprint=fingerprint,
                dim=dim,
                sequence=state.sequence,
                rows=catalog.rows_after(connection, 0, dim),
                queries=np.empty((0, dim), np.float32) if queries is None else queries,
                budget=budget,
                recall=recall,
                progress=progress,
            )
        with database.write() as connection:
            folded = changes.adopt(connection, manifest.name, manifest.sequence)
    return Compaction(
        segments=manifest.count,
        clips=manifest.clips,
        changes=folded,
        kind=manifest.kind,
        parameters=manifest.parameters,
        reason=manifest.reason,
        recall=manifest.recall,
        latency_ms=manifest.latency_ms,
        bytes=sum(file.bytes for file in manifest.files.values()),
        seconds=time.monotonic() - started,
    )


def _finish(folder: Path, database: Database, fingerprint: str, dim: int) -> None:
    """Adopt the snapshot of a process that died after publishing it: registering another would disown it."""
    with database.read() as connection:
        state = changes.state(connection)
        try:
            found = open_snapshot(connection, state, folder, fingerprint, dim)
        except SnapshotUnusable:
            return
    if found is not None and found.manifest.name != state.snapshot:
        with database.write() as connection:
            changes.adopt(connection, found.manifest.name, found.manifest.sequence)
