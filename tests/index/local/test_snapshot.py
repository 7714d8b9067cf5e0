"""Snapshots: written whole or not at all, opened only where they are right, replaced under readers."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from index.errors import LibraryBusy, LibraryFull
from index.local import snapshot
from index.local.catalog import Rows
from index.local.lock import alone
from index.local.snapshot import FOLDER, Manifest, SnapshotUnusable
from index.local.vectors import Vectors
from tests.index.local.making import part_of
from tests.index.making import unit

DIM = 16
NO_QUERIES = np.empty((0, DIM), np.float32)


def some(count: int, seed: int = 0) -> Rows:
    """Make `count` segments of clips of three; row numbers have gaps, as after deletions."""
    clips = np.arange(count) // 3
    return Rows(
        2 * np.arange(count) + 5,
        clips + 7,
        clips.astype(np.uint64) * np.uint64(0x9E37_79B9_7F4A_7C15),
        np.arange(count) % 3 * np.float64(1.5),
        np.stack([1 + np.arange(count) % 7, 7 - np.arange(count) % 5], axis=1).astype(np.float32),
        unit(np.random.default_rng(seed), count, DIM).astype(np.float16),
    )


def portions(rows: Rows, size: int) -> Iterator[Rows]:
    for begin in range(0, len(rows.segments), size):
        yield part_of(rows, begin, begin + size)


def write(folder: Path, rows: Rows, sequence: int = 3, size: int = 4) -> Manifest:
    return snapshot.write(
        folder,
        name=snapshot.new_name(sequence),
        fingerprint="f",
        dim=DIM,
        sequence=sequence,
        rows=portions(rows, size),
        queries=NO_QUERIES,
    )


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / FOLDER).iterdir() if path.is_dir())


@pytest.mark.parametrize("count", [0, 1, 50])
def test_what_was_written_is_what_is_opened(tmp_path: Path, count: int) -> None:
    rows = some(count)
    written = write(tmp_path, rows)
    opened = snapshot.open(tmp_path, fingerprint="f", dim=DIM)
    assert opened is not None
    assert opened.manifest == written
    assert (written.sequence, written.count) == (3, count)
    assert written.last_segment == (rows.segments[-1] if count else 0)
    assert (opened.codes == rows.codes).all()
    assert opened.segments.tolist() == rows.segments.tolist()
    assert opened.starts.tolist() == rows.starts.tolist()
    lengths = np.diff(opened.offsets)
    assert np.repeat(opened.clips, lengths).tolist() == rows.clips.tolist()
    assert np.repeat(opened.ids, lengths).tolist() == rows.ids.tolist()
    assert opened.damage() == []
    assert len(Vectors(DIM, opened)) == count


def test_there_is_none_before_the_first(tmp_path: Path) -> None:
    assert snapshot.open(tmp_path, fingerprint="f", dim=DIM) is None


def test_searching_a_snapshot_is_searching_what_was_added(tmp_path: Path) -> None:
    rows = some(60)
    write(tmp_path, part_of(rows, 0, 30))
    mapped = Vectors(DIM, snapshot.open(tmp_path, fingerprint="f", dim=DIM))
    held = Vectors(DIM)
    held.add(rows)
    mapped.add(part_of(rows, 30, 60))
    for query in unit(np.random.default_rng(1), 20, DIM):
        ours, theirs = mapped.search(query, 12), held.search(query, 12)
        assert ours.segments.tolist() == theirs.segments.tolist()
        assert ours.scores.tolist() == theirs.scores.tolist()
    assert (mapped.codes(rows.segments) == rows.codes).all()
    assert mapped.segments().tolist() == rows.segments.tolist()


def test_a_new_snapshot_replaces_the_old_and_readers_keep_theirs(tmp_path: Path) -> None:
    rows = some(50)
    first = write(tmp_path, rows)
    old = snapshot.open(tmp_path, fingerprint="f", dim=DIM)
    assert old is not None
    second = write(tmp_path, some(20, seed=1), sequence=9)
    assert names(tmp_path) == [second.name] != [first.name]
    assert (old.codes == rows.codes).all()
    new = snapshot.open(tmp_path, fingerprint="f", dim=DIM)
    assert new is not None
    assert new.manifest.sequence == 9


def test_a_writer_that_fails_leaves_the_old_snapshot_and_nothing_else(tmp_path: Path) -> None:
    kept = write(tmp_path, some(9))

    def broken() -> Iterator[Rows]:
        yield some(3)
        raise OSError(28, "No space left on device", "codes.f16")

    with pytest.raises(LibraryFull, match="disk is full"):
        snapshot.write(
            tmp_path, name=snapshot.new_name(4), fingerprint="f", dim=DIM, sequence=4, rows=broken(), queries=NO_QUERIES
        )
    assert names(tmp_path) == [kept.name]
    opened = snapshot.open(tmp_path, fingerprint="f", dim=DIM)
    assert opened is not None
    assert opened.manifest == kept


def test_what_a_killed_writer_left_behind_is_swept_up(tmp_path: Path) -> None:
    write(tmp_path, some(9))
    (tmp_path / FOLDER / "8-00ff").mkdir()
    (tmp_path / FOLDER / "8-00ff" / "codes.f16").write_bytes(b"half")
    assert len(names(tmp_path)) == 2
    kept = write(tmp_path, some(12))
    assert names(tmp_path) == [kept.name]


def test_one_writes_at_a_time(tmp_path: Path) -> None:
    write(tmp_path, some(9))
    with alone(tmp_path / FOLDER), pytest.raises(LibraryBusy, match="another process"):
        write(tmp_path, some(9))
    write(tmp_path, some(9))


@pytest.mark.parametrize(
    "name", ["codes.f16", "segments.npy", "starts.npy", "clips.npy", "ids.npy", "offsets.npy", "manifest.json"]
)
@pytest.mark.parametrize("how", ["cut", "gone", "changed"])
def test_a_damaged_snapshot_is_not_used(tmp_path: Path, name: str, how: str) -> None:
    manifest = write(tmp_path, some(50))
    path = tmp_path / FOLDER / manifest.name / name
    content = bytearray(path.read_bytes())
    content[-5] ^= 4
    match how:
        case "cut":
            path.write_bytes(content[:-1])
        case "gone":
            path.unlink()
        case _:
            path.write_bytes(content)
    if (name, how) == ("codes.f16", "changed"):
        opened = snapshot.open(tmp_path, fingerprint="f", dim=DIM)
        assert opened is not None  # too much to read at every start: verify does
        assert [name in message for message in opened.damage()] == [True]
    else:
        with pytest.raises(SnapshotUnusable, match=name):
            snapshot.open(tmp_path, fingerprint="f", dim=DIM)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"snapshot": "3-00"}', b'{"snapshot": 5, "manifest": 6}', b"\xff\xfe"]
)
def test_a_torn_pointer_is_not_followed(tmp_path: Path, content: bytes) -> None:
    write(tmp_path, some(9))
    (tmp_path / FOLDER / "current.json").write_bytes(content)
    with pytest.raises(SnapshotUnusable):
        snapshot.open(tmp_path, fingerprint="f", dim=DIM)
    write(tmp_path, some(9))
    assert snapshot.open(tmp_path, fingerprint="f", dim=DIM) is not None
    assert len(names(tmp_path)) == 1


def test_a_pointer_leads_nowhere_outside(tmp_path: Path) -> None:
    manifest = write(tmp_path, some(9))
    shutil.copytree(tmp_path / FOLDER / manifest.name, tmp_path / manifest.name)
    pointer = tmp_path / FOLDER / "current.json"
    named = json.loads(pointer.read_text())
    shutil.rmtree(tmp_path / FOLDER / manifest.name)
    pointer.write_text(json.dumps(named | {"snapshot": f"../{manifest.name}"}))
    with pytest.raises(SnapshotUnusable):
        snapshot.open(tmp_path, fingerprint="f", dim=DIM)


@pytest.mark.parametrize(("fingerprint", "dim"), [("g", DIM), ("f", 2 * DIM)])
def test_a_snapshot_of_another_bundle_is_not_used(tmp_path: Path, fingerprint: str, dim: int) -> None:
    write(tmp_path, some(9))
    with pytest.raises(SnapshotUnusable, match="another bundle"):
        snapshot.open(tmp_path, fingerprint=fingerprint, dim=dim)


def test_a_reader_finds_the_new_snapshot_though_the_old_went_while_it_looked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, some(9))
    pointer = tmp_path / FOLDER / "current.json"
    read, stale = Path.read_bytes, [pointer.read_bytes()]
    newer = write(tmp_path, some(12))
    monkeypatch.setattr(Path, "read_bytes", lambda path: stale.pop() if stale and path == pointer else read(path))
    opened = snapshot.open(tmp_path, fingerprint="f", dim=DIM)
    assert opened is not None
    assert opened.manifest == newer
    assert not stale
