"""Snapshots and rows for the tests, without a catalog."""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from index.local.catalog import Rows
from index.local.coarse import Coarse
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
    manifest = _manifest(library)
    del manifest["files"]["affect.npy"]
    (_folder(library) / "affect.npy").unlink()
    _replace(library, manifest)


def before_bytes(library: Path) -> None:
    """Make the snapshot of a library one as it was written when reduced codes were float16."""
    manifest, folder = _manifest(library), _folder(library)
    old, new = folder / "reduced.f16", folder / "reduced.faiss"
    reduced = Coarse.read(np.fromfile(new, np.uint8)).index
    values = reduced.reconstruct_n(0, reduced.ntotal).astype("<f2").tobytes()
    old.write_bytes(values)
    new.unlink()
    del manifest["files"][new.name]
    manifest["files"][old.name] = {"bytes": len(values), "sha256": hashlib.sha256(values).hexdigest()}
    _replace(library, manifest | {"format": 1})


def _folder(library: Path) -> Path:
    current = json.loads((library / FOLDER / "current.json").read_bytes())
    return library / FOLDER / str(current["snapshot"])


def _manifest(library: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((_folder(library) / "manifest.json").read_bytes())
    return manifest


def _replace(library: Path, manifest: dict[str, Any]) -> None:
    text = json.dumps(manifest).encode()
    (_folder(library) / "manifest.json").write_bytes(text)
    current = library / FOLDER / "current.json"
    named = json.loads(current.read_bytes())
    current.write_text(json.dumps({**named, "manifest": hashlib.sha256(text).hexdigest()}))
