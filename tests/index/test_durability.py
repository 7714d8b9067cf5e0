"""What was acknowledged survives: SIGKILL, two writers at once, a full disk."""

import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from index.local.library import LocalStore
from tests.index import children, making


def drift(store: LocalStore) -> list[str]:
    """Return what `verify` finds, but for the sound files, which these clips never had."""
    return [str(item) for item in store.verify() if item.kind != "audio"]


def check_against_scan(store: LocalStore, seeds: set[str]) -> None:
    """Check that exactly the clips of `seeds` are there, whole, and that search agrees with a scan over them."""
    held = {making.clip(seed).id: children.vectors_of(seed) for seed in seeds}
    assert {clip.id: clip.segments for clip in store.clips(limit=100_000)} == {
        clip: len(vectors) for clip, vectors in held.items()
    }
    query = making.unit(np.random.default_rng(0), 1)[0]
    scan: making.Scan = []
    for clip, vectors in held.items():
        scores = vectors.astype(np.float64) @ making.normal(query)
        scan.append((clip, 1.5 * int(scores.argmax()), float(scores.max())))
    scan.sort(key=lambda entry: -entry[2])
    assert making.agrees(store.search(query, k=100_000), scan, 100_000)


def killed(*started: subprocess.Popen[str], after: float) -> list[list[str]]:
    """Kill children once the last has begun and some time has passed; return the lines that each wrote."""
    last = started[-1]
    assert last.stdout is not None
    began = last.stdout.readline().rstrip()
    time.sleep(after)
    *others, lines = map(children.kill, started)
    return [*others, [began, *lines]]


def account(lines: list[str], present: set[str], most: int) -> list[str]:
    """Bring `present` to what was acknowledged; return what was announced and is open: at most so many steps."""
    announced: dict[str, str] = {}
    for line in lines:
        step, seed = line.lstrip("?")[0], line.lstrip("?+-")
        if line.startswith("?"):
            announced[seed] = step
        else:
            announced.pop(seed)
            (present.add if step == "+" else present.discard)(seed)
    assert len(announced) <= most
    return list(announced)


def rounds(library: Path, count: int, task: str = "churn", at_once: int = 1) -> None:
    """Kill a writer at a random moment again and again; in every other round, one that compacts with it."""
    chance = random.Random(0)
    present: set[str] = set()
    compacted = 0
    with LocalStore.create(library, making.bundle()) as reader:  # follows through all of it
        for number in range(count):
            children_ = [children.start(task, library, number)]
            if number % 2:
                children_.insert(0, children.start("compact", library))
            *others, lines = killed(*children_, after=chance.uniform(0, 0.5))
            compacted += sum(map(len, others))
            undecided = account(lines, present, at_once)
            with LocalStore.open(library, making.bundle()) as store:
                # The step that was under way is done or not done, and either is right; nothing else is open.
                there = store.has([making.clip(seed).id for seed in undecided])
                assert len(there) in {0, len(undecided)}
                for seed in undecided:
                    (present.add if making.clip(seed).id in there else present.discard)(seed)
                assert drift(store) == []
                check_against_scan(store, present)
            check_against_scan(reader, present)
            assert drift(reader) == []
    assert len(present) > count  # the children did get to work
    assert compacted


def test_what_was_acknowledged_survives_being_killed(tmp_path: Path) -> None:
    rounds(tmp_path / "library", 12)


def test_what_is_added_together_is_there_together_after_being_killed(tmp_path: Path) -> None:
    rounds(tmp_path / "library", 6, "together", children.TOGETHER)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_what_was_acknowledged_survives_being_killed_a_hundred_times(tmp_path: Path) -> None:
    rounds(tmp_path / "library", 100)


def backup_rounds(tmp_path: Path, count: int) -> None:
    """Kill a process that copies a library which another adds to; what copies there are have to be whole."""
    chance = random.Random(1)
    whole = 0
    for number in range(count):
        library = tmp_path / f"library-{number // 10}"  # one that grew for long takes long to copy and to check
        target = tmp_path / f"copy-{number}"
        writer = children.start("churn", library, number)
        assert writer.stdout is not None
        for _ in range(6):
            writer.stdout.readline()
        with LocalStore.open(library, making.bundle()) as store:
            earlier = {clip.id for clip in store.clips(limit=100_000) if clip.metadata["round"] != str(number)}
            store.compact()
        copier = children.start("backup", library, target)
        assert copier.stdout is not None
        done = [copier.stdout.readline() for _ in range(1 + number % 2)][1:]  # it has begun, or even made one
        time.sleep(chance.uniform(0, 0.3))
        done += children.kill(copier)
        children.kill(writer)
        copies = [copy for copy in sorted(tmp_path.glob(f"copy-{number}-*")) if copy.suffix != ".partial"]
        assert len(done) <= len(copies) <= len(done) + 1  # one may be done, and not have been said to be
        for copy in copies:
            whole += 1
            with LocalStore.open(copy, making.bundle()) as store:
                assert store.verify(audio=True) == []
                clips = store.clips(limit=100_000)
                assert earlier <= {clip.id for clip in clips}
                check_against_scan(store, {clip.name.removeprefix("clip-").removesuffix(".wav") for clip in clips})
            shutil.rmtree(copy)
    assert whole >= count // 2


def test_a_backup_is_whole_whenever_it_is_killed(tmp_path: Path) -> None:
    backup_rounds(tmp_path, 4)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_backup_is_whole_whenever_it_is_killed_fifty_times(tmp_path: Path) -> None:
    backup_rounds(tmp_path, 50)


def test_two_compact_at_once_while_one_writes(tmp_path: Path) -> None:
    library = tmp_path / "library"
    with LocalStore.create(library, making.bundle()) as reader:
        writer = children.start("add", library, "x", 60)
        compacting = [children.start("compact", library, 15) for _ in range(2)]
        for child in (writer, *compacting):
            _, errors = child.communicate(timeout=60)
            assert (child.returncode, errors) == (0, "")
        check_against_scan(reader, {f"x-{number}" for number in range(60)})
        assert drift(reader) == []


def test_a_compaction_that_does_not_fit_changes_nothing(tmp_path: Path) -> None:
    library = tmp_path / "library"
    seeds = {f"x-{number}" for number in range(40)}
    with LocalStore.create(library, making.bundle()) as store:
        for seed in seeds:
            store.add(making.clip(seed), making.segments(children.vectors_of(seed)))
        child = children.start("compact", library, 1, largest_file=1000)
        output, errors = child.communicate(timeout=60)
        assert (child.returncode, output) == (1, "")
        assert errors.startswith("Library")
        assert "Traceback" not in errors
        assert drift(store) == []
        store.compact()
        check_against_scan(store, seeds)


def test_a_creation_that_was_killed_is_completed_by_the_next(tmp_path: Path) -> None:
    library = tmp_path / "library"
    for delay in (0.0, 0.2, 0.4):
        child = children.start("add", library, "x", 1)
        time.sleep(delay)
        child.kill()
        child.communicate(timeout=30)
    with LocalStore.create(library, making.bundle()) as store:
        assert drift(store) == []
        assert store.count().clips in {0, 1}


def test_two_processes_make_and_fill_one_library_at_once(tmp_path: Path) -> None:
    library = tmp_path / "library"
    writers = [children.start("add", library, name, 15) for name in ("a", "b", "a")]
    for writer in writers:
        _, errors = writer.communicate(timeout=60)
        assert (writer.returncode, errors) == (0, "")
    with LocalStore.open(library, making.bundle()) as store:
        assert drift(store) == []
        check_against_scan(store, {f"{name}-{number}" for name in "ab" for number in range(15)})


def test_a_reader_follows_what_another_process_adds_and_deletes(tmp_path: Path) -> None:
    library = tmp_path / "library"
    query = np.ones(making.DIM, np.float32)
    with LocalStore.create(library, making.bundle()) as reader:
        assert reader.search(query, k=1) == []
        child = children.start("add", library, "x", 3)
        child.communicate(timeout=30)
        check_against_scan(reader, {"x-0", "x-1", "x-2"})
        with LocalStore.open(library, making.bundle()) as writer:
            writer.delete(making.clip("x-1").id)
            check_against_scan(reader, {"x-0", "x-2"})
            writer.add(making.clip("x-1"), making.segments(children.vectors_of("x-1")))
            writer.delete(making.clip("x-0").id)
            check_against_scan(reader, {"x-1", "x-2"})
            for seed in ("x-1", "x-2"):
                writer.delete(making.clip(seed).id)
            check_against_scan(reader, set())
        assert drift(reader) == []


def test_a_write_that_does_not_fit_changes_nothing(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk: the operating system refuses the write."""
    library = tmp_path / "library"
    child = children.start("add", library, "x", 10_000, largest_file=300_000)
    output, errors = child.communicate(timeout=60)
    assert child.returncode == 1
    assert "Library" in errors
    assert "What was stored before is safe" in errors
    assert "Traceback" not in errors
    with LocalStore.open(library, making.bundle()) as store:
        assert drift(store) == []
        check_against_scan(store, {line.removeprefix("+") for line in output.split()})


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = f"mount -t tmpfs -o size=1m none {disk}"
    run = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    if not shutil.which("unshare") or subprocess.run([*run, mount], capture_output=True).returncode:
        pytest.skip("no disk of its own can be made here")
    child = f"{sys.executable} -m tests.index.children"
    script = f"{mount} && {child} add {disk}/library x 10000; {child} read {disk}/library"
    done = subprocess.run([*run, script], cwd=children.ROOT, capture_output=True, text=True, timeout=60)
    *added, read = done.stdout.splitlines()
    assert done.stderr.startswith("LibraryFull: no room for the change")
    assert "Traceback" not in done.stderr
    assert len(added) > 20
    assert read.split() == sorted(making.clip(line.removeprefix("+")).name for line in added)


@pytest.mark.parametrize("log", [False, True], ids=["closed", "with a log"])
def test_a_read_only_library_can_be_searched_but_not_changed(tmp_path: Path, log: bool) -> None:
    library = tmp_path / "library"
    with LocalStore.create(library, making.bundle()) as store:
        for seed in ("x-0", "x-1"):
            store.add(making.clip(seed), making.segments(children.vectors_of(seed)))
    if log:  # a writer that died has left its log behind
        writer = children.start("churn", library, "y")
        assert writer.stdout is not None
        for _ in range(4):
            writer.stdout.readline()
        children.kill(writer)
    for file in library.rglob("*"):
        file.chmod(0o555 if file.is_dir() else 0o444)
    library.chmod(0o555)
    for folder in (tmp_path, *tmp_path.parents):  # let another user come this far
        if folder.stat().st_uid == os.getuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    other = 65534 if os.getuid() == 0 else 0  # permissions do not bind root
    try:
        child = children.start("read", library, "add", "z", 1, user=other)
        output, errors = child.communicate(timeout=30)
    finally:
        library.chmod(0o755)
    assert output.split()[:2] == ["clip-x-0.wav", "clip-x-1.wav"]
    assert child.returncode == 1
    assert errors.startswith("LibraryReadOnly")
    assert "Traceback" not in errors
