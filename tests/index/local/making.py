"""Snapshots and rows for the tests, without a catalog."""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from index.local.catalog import Rows
from index.local.codes import scan
from index.local.snapshot import FOLDER, Manifest, Snapshot


def part_of(rows: Rows, begin: int, end: int) -> Rows:
    """Return some of the rows."""
    return Rows(
        rows.segments[begin:end],
        rows.clips[begin:end],
        rows.ids[begin:end],
        rows.starts[begin:end],
        rows.affect[begin:end],
        rows.codes[begin:end],
    )


def snapshot_of(rows: Rows) -> Snapshot:
    """Return a snapshot of these rows that is on no disk."""
    _, first = np.unique(rows.clips, return_index=True)
    manifest = Manifest(
        name="0-0",
        fingerprint="test",
        dim=rows.codes.shape[1],
        sequence=0,
        last_segment=int(rows.segments[-1]) if len(rows.segments) else 0,
        count=len(rows.segments),
        clips=len(first),
        kind="exact",
        parameters={},
        reason="",
        recall=1.0,
        latency_ms=None,
        created_at=datetime.now(UTC),
        files={},
    )
    return Snapshot(
        Path("nowhere"),
        manifest,
        scan(rows.codes),
        rows.segments,
        rows.starts,
        rows.clips[first],
        rows.ids[first],
        np.append(first, len(rows.segments)),
        rows.affect,
        None,
    )


def before_affect(library: Path) -> None:
    """Make the snapshot of a library one as it was written before snapshots had their segments' affect."""
    current = library / FOLDER / "current.json"
    named = json.loads(current.read_bytes())
    folder = library / FOLDER / named["snapshot"]
    manifest = json.loads((folder / "manifest.json").read_bytes())
    del manifest["files"]["affect.npy"]
    (folder / "affect.npy").unlink()
    text = json.dumps(manifest).encode()
    (folder / "manifest.json").write_bytes(text)
    current.write_text(json.dumps({**named, "manifest": hashlib.sha256(text).hexdigest()}))
