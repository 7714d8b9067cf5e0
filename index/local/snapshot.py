"""A snapshot: the vectors that are searched, on disk, as they were at one moment of the catalog.

    snapshots/current.json         which snapshot is the current one, and the sha256 of its manifest
    snapshots/<name>/
      manifest.json                what it is (`Manifest`), and size and sha256 of the files below
      codes.f16                    the embeddings, float16 [n, dim], in the order of the segments' row numbers
      segments.npy, starts.npy     of each segment: its row number, its start in seconds
      affect.npy                   and its valence and arousal; snapshots of older versions are without it
      clips.npy, ids.npy           of each clip, ascending by row number: row number, id as a number
      offsets.npy                  where each clip's segments begin; one more than there are clips
      index.faiss, reduced.faiss   the approximate index, where there is one (`index.local.approximate`); older versions
                                   wrote reduced.f16, float16 [n, values]

It is derived and may always be lost: the catalog has everything. What it must never be is wrong. It is written into a
folder of its own, every file is flushed to the disk, and only then does `current.json` name it, by a rename; a
writer that dies leaves the one before in place. `open` checks the manifest, that the snapshot belongs to the
library's bundle, every file's size, and the checksums of all files but the codes (which are mapped, not read);
`damage` checks those too.

Readers that have an older snapshot mapped keep it: its files go when the last of them lets go.
"""

import errno
import hashlib
import io
import json
import mmap
import os
import secrets
import shutil
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from index.errors import LibraryError, LibraryFull, LibraryReadOnly
from index.local import choice
from index.local.approximate import Approximate, Effort, build
from index.local.catalog import Rows
from index.local.coarse import Coarse
from index.local.codes import Codes, Floats, Ints, Scan, scan
from index.local.files import File, Files, flush, sync
from index.local.lock import alone
from index.local.tuning import exact_latency, tune

FORMAT: Final = 2  # 1: without axes for queries of their own, reduced codes as float16
FOLDER: Final = "snapshots"
RECALL: Final = 0.95
FEWEST_QUERIES: Final = 32

_CURRENT: Final = "current.json"
_MANIFEST: Final = "manifest.json"
_CODES: Final = "codes.f16"
_INDEX: Final = "index.faiss"
_REDUCED: Final = "reduced.faiss"
_OLD_REDUCED: Final = "reduced.f16"
_COLUMNS: Final[dict[str, np.dtype[Any]]] = {
    "segments": np.dtype("<i8"),
    "starts": np.dtype("<f8"),
    "affect": np.dtype("<f4"),
    "clips": np.dtype("<i8"),
    "ids": np.dtype("<u8"),
    "offsets": np.dtype("<i8"),
}
_WIDTHS: Final = {"affect": 2}
_BUSY: Final = "another process is writing a snapshot of the library {}. Wait for it to finish."
_ATTEMPTS: Final = 5
_PORTION: Final = 1 << 20
_ROOM: Final = 4  # times the codes that the machine's memory must hold, or they are not all fetched in advance

Progress = Callable[[str, float], None]


class SnapshotUnusable(Exception):  # noqa: N818
    """There is a snapshot, but it may not be used; the message says why. The catalog has everything it had."""


class Manifest(BaseModel):
    """What a snapshot is.

    `sequence` is the catalog's last change that is in it, `last_segment` the highest row number of its segments (0
    without any), `count` how many there are. `reason` says why the index is of this kind. `recall` (recall@10 against
    the exact scan, which has 1) and `latency_ms` (median, one thread) are those of text queries when it was written;
    the latency is None where there were no queries to measure it with.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1, 2] = FORMAT
    name: str = Field(pattern=r"^[0-9]+-[0-9a-f]+$")
    fingerprint: str
    dim: int = Field(gt=0)
    sequence: int = Field(ge=0)
    last_segment: int = Field(ge=0)
    count: int = Field(ge=0)
    clips: int = Field(ge=0)
    kind: Literal["exact", "ivf"]
    parameters: dict[str, int | float]
    reason: str
    recall: float
    latency_ms: float | None
    created_at: datetime
    files: dict[str, File]


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A snapshot, open. Its codes are mapped; the file is let go of with the last reference to them.

    `segments` and `starts` are a segment's each; clip i has the row number `clips[i]`, the id `ids[i]` (as a number)
    and the rows `offsets[i]` up to `offsets[i + 1]`. `affect` [n, 2] is None where the snapshot is an older version's.
    """

    folder: Path
    manifest: Manifest
    scan: Scan
    segments: Ints
    starts: npt.NDArray[np.float64]
    clips: Ints
    ids: npt.NDArray[np.uint64]
    offsets: Ints
    affect: npt.NDArray[np.float32] | None
    approximate: Approximate | None

    @property
    def codes(self) -> Codes:
        """The embeddings, float16 [n, dim]."""
        return self.scan.codes

    def damage(self) -> list[str]:
        """Read every file and say of each whose checksum is wrong that it is damaged."""
        found = []
        for name, file in self.manifest.files.items():
            try:
                with (self.folder / name).open("rb") as handle:
                    same = hashlib.file_digest(handle, "sha256").hexdigest() == file.sha256
            except OSError as error:
                found.append(f"{self.folder / name} cannot be read: {error.strerror}")
                continue
            if not same:
                found.append(f"{self.folder / name} is damaged: its sha256 is not the manifest's")
        return found


def new_name(sequence: int) -> str:
    """Return a name for a snapshot after the change `sequence` that no other has."""
    return f"{sequence}-{secrets.token_hex(8)}"


def write(
    folder: Path,
    *,
    name: str,
    fingerprint: str,
    dim: int,
    sequence: int,
    rows: Iterable[Rows],
    queries: Floats,
    budget: int | None = None,
    recall: float = RECALL,
    progress: Progress | None = None,
) -> Manifest:
    """Write a snapshot of the library in `folder`, make it the current one, and remove those before it.

    `name` is a `new_name`. `rows` are all segments in the order of their row numbers, as they are after the change
    `sequence`; they are streamed. `queries` (unit vectors of prompts, float32 [q, dim]) are what an approximate index
    is built for (every other one) and tuned with, to `recall`; with fewer than FEWEST_QUERIES the index is exact.
    `budget` is the memory in bytes that searching may take (`index.local.choice`). `progress` is told what is done,
    and how much of all that is, 0..1.

    Raises LibraryBusy where another process is at it, LibraryFull, LibraryReadOnly, LibraryError.
    """
    snapshots = folder / FOLDER
    tell: Progress = progress or (lambda done, part: None)
    try:
        snapshots.mkdir(exist_ok=True)
        with alone(snapshots, _BUSY.format(folder)):
            _sweep(snapshots)
            own = snapshots / name
            own.mkdir()
            try:
                files = Files(own)
                last, count, clips = _columns(files, dim, rows, tell)
                made = _indexed(files, count, dim, queries, budget, recall, tell)
                manifest = Manifest(
                    name=name,
                    fingerprint=fingerprint,
                    dim=dim,
                    sequence=sequence,
                    last_segment=last,
                    count=count,
                    clips=clips,
                    kind=made.kind,
                    parameters=made.parameters,
                    reason=made.reason,
                    recall=made.recall,
                    latency_ms=made.latency_ms,
                    created_at=datetime.now(UTC),
                    files=files.written,
                )
                text = manifest.model_dump_json(indent=2).encode()
                files.put(_MANIFEST, text)
                sync(own)
                sync(snapshots)
                _publish(snapshots, {"snapshot": name, "manifest": hashlib.sha256(text).hexdigest()})
            except BaseException:
                shutil.rmtree(own, ignore_errors=True)
                raise
            _sweep(snapshots)
            return manifest
    except OSError as error:
        raise _translated(folder, error) from error


def copy(folder: Path, target: Path) -> None:
    """Copy the current snapshot of the library in `folder`, if it has one, to the library in `target`.

    None must be written meanwhile. What is there of an earlier attempt is replaced. Raises OSError.
    """
    source, snapshots = folder / FOLDER, target / FOLDER
    shutil.rmtree(snapshots, ignore_errors=True)
    try:
        current = (source / _CURRENT).read_bytes()
        name = _manifest(source, current).name
    except (FileNotFoundError, SnapshotUnusable):
        return
    shutil.copytree(source / name, snapshots / name)
    (snapshots / _CURRENT).write_bytes(current)


def open(folder: Path, *, fingerprint: str, dim: int) -> Snapshot | None:  # noqa: A001
    """Open the current snapshot of the library in `folder`; None where there is none.

    Raises SnapshotUnusable for one that is torn, damaged, of another bundle or of another format: the caller does
    without it, and may write a new one.
    """
    snapshots = folder / FOLDER
    for attempt in range(_ATTEMPTS):
        try:
            try:
                current = (snapshots / _CURRENT).read_bytes()
            except FileNotFoundError:
                return None
            return _opened(snapshots, current, fingerprint, dim)
        except FileNotFoundError as error:
            # Another process may have published a newer snapshot, and removed this one, while we looked.
            if attempt + 1 == _ATTEMPTS:
                raise SnapshotUnusable(f"{error.filename} is not there") from None
        except OSError as error:
            raise SnapshotUnusable(f"{error.filename or snapshots} cannot be read: {error.strerror}") from None
    raise AssertionError("unreachable")


def _opened(snapshots: Path, current: bytes, fingerprint: str, dim: int) -> Snapshot:
    manifest = _manifest(snapshots, current)
    folder = snapshots / manifest.name
    if manifest.fingerprint != fingerprint or manifest.dim != dim:
        raise SnapshotUnusable(
            f"{folder} is of another bundle (fingerprint {manifest.fingerprint[:12]}, {manifest.dim} values)"
        )
    for name, file in manifest.files.items():
        size = (folder / name).stat().st_size
        if size != file.bytes:
            raise SnapshotUnusable(f"{folder / name} has {size:,} bytes instead of {file.bytes:,}")
    shape = manifest.count, manifest.dim
    if manifest.files[_CODES].bytes != 2 * shape[0] * shape[1]:
        raise SnapshotUnusable(f"{folder / _CODES} is not {shape[0]:,} x {shape[1]} float16 numbers")
    codes = scan(_mapped(folder / _CODES, shape, scattered=manifest.kind != "exact"))
    opened = Snapshot(
        folder,
        manifest,
        codes,
        segments=_column(folder, manifest, "segments"),
        starts=_column(folder, manifest, "starts"),
        clips=_column(folder, manifest, "clips"),
        ids=_column(folder, manifest, "ids"),
        offsets=_column(folder, manifest, "offsets"),
        affect=_seldom(folder, manifest, "affect") if "affect.npy" in manifest.files else None,
        approximate=None if manifest.kind == "exact" else _approximate(folder, manifest, codes),
    )
    if len(opened.segments) != manifest.count or len(opened.offsets) != manifest.clips + 1:
        raise SnapshotUnusable(f"{folder}: its columns do not fit its manifest")
    return opened


def _manifest(snapshots: Path, current: bytes) -> Manifest:
    try:
        named = json.loads(current)
        name, digest = str(named["snapshot"]), str(named["manifest"])
    except (ValueError, TypeError, KeyError):
        raise SnapshotUnusable(f"{snapshots / _CURRENT} does not name a snapshot") from None
    path = snapshots / Path(name).name / _MANIFEST
    text = path.read_bytes()
    if hashlib.sha256(text).hexdigest() != digest:
        raise SnapshotUnusable(f"{path} is not the manifest that {_CURRENT} names")
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = ".".join(map(str, problem["loc"]))
        raise SnapshotUnusable(f"{path} is of another format ({where}: {problem['msg']})") from None


def _approximate(folder: Path, manifest: Manifest, codes: Scan) -> Approximate:
    if _REDUCED in manifest.files:
        reduced = Coarse.read(np.frombuffer(_checked(folder / _REDUCED, manifest), np.uint8))
    else:
        values = np.frombuffer(_checked(folder / _OLD_REDUCED, manifest), "<f2").reshape(manifest.count, -1)
        reduced = Coarse.read_halves(values)
    index = np.frombuffer(_checked(folder / _INDEX, manifest), np.uint8)
    effort = Effort(int(manifest.parameters["probes"]), int(manifest.parameters["candidates"]))
    return Approximate.of(codes, reduced, index, effort)


def _mapped(path: Path, shape: tuple[int, int], *, scattered: bool) -> Codes:
    if not shape[0]:
        return np.empty(shape, np.float16)
    with path.open("rb") as file:
        pages = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    if scattered:
        pages.madvise(mmap.MADV_RANDOM)
        # While queries look at a row here and there, each of them a wait for the disk, the system may read all of it.
        threading.Thread(target=_read_ahead, args=(path, pages), daemon=True).start()
    return np.frombuffer(pages, "<f2").reshape(shape)


def _read_ahead(path: Path, pages: mmap.mmap) -> None:
    with suppress(OSError), path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)
        if _ROOM * len(pages) <= os.sysconf("SC_PHYS_PAGES") * mmap.PAGESIZE:
            # A page that was never touched costs the query that meets it as much as all the rest of its work.
            np.frombuffer(pages, np.uint8)[:: mmap.PAGESIZE].max()


def _column(folder: Path, manifest: Manifest, name: str) -> npt.NDArray[Any]:
    path = folder / f"{name}.npy"
    column: npt.NDArray[Any] = np.load(io.BytesIO(_checked(path, manifest)), allow_pickle=False)
    return column.astype(_COLUMNS[name], copy=False)


def _seldom(folder: Path, manifest: Manifest, name: str) -> npt.NDArray[Any]:
    """Map a column that few searches look at, so that it takes no memory before one does."""
    _checked(folder / f"{name}.npy", manifest)
    column: npt.NDArray[Any] = np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
    return np.asarray(column).astype(_COLUMNS[name], copy=False)


def _checked(path: Path, manifest: Manifest) -> bytes:
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != manifest.files[path.name].sha256:
        raise SnapshotUnusable(f"{path} is damaged: its sha256 is not the manifest's")
    return content


class _Index(NamedTuple):
    kind: choice.Kind
    reason: str
    recall: float
    latency_ms: float | None
    parameters: dict[str, int | float]


def _indexed(
    files: Files, count: int, dim: int, queries: Floats, budget: int | None, recall: float, progress: Progress
) -> _Index:
    """Build, tune and write the index that suits; the codes are there."""
    plan = choice.choose(count, dim, budget)
    reason = plan.reason
    codes = _mapped(files.folder / _CODES, (count, dim), scattered=False)
    if plan.kind == "ivf" and len(queries) < FEWEST_QUERIES:
        reason = f"an approximate index needs prompts to be tuned with, {FEWEST_QUERIES} at least; {len(queries)} came"
    elif plan.kind == "ivf":
        cells, most_values = (int(plan.parameters[name]) for name in ("cells", "most_values"))
        index = build(codes, queries[::2], cells, most_values, progress)
        tuned = tune(index, queries[1::2], recall)
        if tuned is not None:
            for file, content in zip((_INDEX, _REDUCED), index.serialized(), strict=True):
                files.put(file, content.tobytes())
            found = {"cells": index.cells.nlist, "values": index.cells.d, **tuned.effort._asdict()}
            return _Index("ivf", reason, tuned.recall, tuned.latency_ms, found)
        reason = f"no approximate index of these {count:,} segments reaches a recall of {recall:g} on text queries"
    return _Index("exact", reason, 1.0, exact_latency(scan(codes), queries), {})


def _columns(files: Files, dim: int, rows: Iterable[Rows], progress: Progress) -> tuple[int, int, int]:
    """Write codes and columns; return the last segment's row number and how many segments and clips there are."""
    parts: dict[str, list[npt.NDArray[np.generic]]] = {name: [] for name in _COLUMNS}
    count, last_clip = 0, -1
    with files.new(_CODES) as add:
        for some in rows:
            add(np.ascontiguousarray(some.codes, "<f2").tobytes())
            first = np.flatnonzero(np.diff(some.clips, prepend=last_clip))
            parts["segments"].append(some.segments)
            parts["starts"].append(some.starts)
            parts["affect"].append(some.affect)
            parts["clips"].append(some.clips[first])
            parts["ids"].append(some.ids[first])
            parts["offsets"].append(first + count)
            count += len(some.segments)
            last_clip = int(some.clips[-1]) if len(some.clips) else last_clip
            progress(f"{count:,} segments written", 0.0)
    parts["offsets"].append(np.array([count]))
    columns = {
        name: np.concatenate([np.empty((0, _WIDTHS[name]) if name in _WIDTHS else 0, kind), *parts[name]]).astype(kind)
        for name, kind in _COLUMNS.items()
    }
    for name, column in columns.items():
        content = io.BytesIO()
        np.save(content, column, allow_pickle=False)
        files.put(f"{name}.npy", content.getvalue())
    segments = columns["segments"]
    return int(segments[-1]) if count else 0, count, len(columns["clips"])


def _publish(snapshots: Path, current: dict[str, str]) -> None:
    temporary = snapshots / f"{_CURRENT}.new"
    with temporary.open("wb") as file:
        file.write(json.dumps(current).encode())
        flush(file)
    temporary.replace(snapshots / _CURRENT)
    sync(snapshots)


def _sweep(snapshots: Path) -> None:
    """Remove every snapshot that is not the current one, and what writers that died left behind."""
    try:
        current = _manifest(snapshots, (snapshots / _CURRENT).read_bytes()).name
    except (OSError, SnapshotUnusable):
        current = None
    for path in snapshots.iterdir():
        if path.is_dir() and path.name != current:
            shutil.rmtree(path, ignore_errors=True)


def _translated(folder: Path, error: OSError) -> LibraryError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return LibraryFull(
            f"no room for a snapshot of the library {folder}: the disk is full. The library is as it was. "
            "Make room and try again."
        )
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return LibraryReadOnly(f"the library {folder} may not be written to ({error.strerror}: {error.filename}).")
    return LibraryError(f"a snapshot of the library {folder} could not be written: {error}. The library is as it was.")
