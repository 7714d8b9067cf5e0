"""The batch build: what is added, skipped, updated and refused, on real sound with the real encoders."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from encoders.encoder import Encoder
from index.build import BuildReport, Progress, build
from index.local.library import LocalStore
from index.sources import Failure
from tests import sounds
from tests.index import making

ROOT = Path(__file__).parents[2]


@pytest.fixture
def store(tmp_path: Path, encoder: Encoder) -> Iterator[LocalStore]:
    with LocalStore.create(tmp_path / "library", encoder.bundle) as store:
        yield store


def speak(folder: Path, count: int, seconds: float = 0.5, first: int = 0) -> list[Path]:
    """Write so many different short recordings."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{number:04d}.wav" for number in range(first, first + count)]
    for number, file in enumerate(files, start=first):
        file.write_bytes(sounds.media(sounds.voice(seconds, pitch=100 + number, seed=number)))
    return files


def age(*files: Path, seconds: float = 60) -> None:
    """Let files have been changed so long ago that their stamps can be relied on."""
    for file in files:
        then = file.stat().st_mtime_ns - round(seconds * 1e9)
        os.utime(file, ns=(then, then))


def outcome(report: BuildReport) -> tuple[int, int, int, int]:
    return report.added, report.updated, report.skipped, len(report.failed)


def test_a_folder_becomes_clips_that_are_found(tmp_path: Path, store: LocalStore, encoder: Encoder) -> None:
    files = speak(tmp_path / "sound", 5)
    report = build(store, encoder, [tmp_path / "sound"])
    assert outcome(report) == (5, 0, 0, 0)
    assert not report.interrupted
    for file in files:
        embedding, affect = encoder.embed_clip(file)
        (hit,) = store.search(embedding, k=1)
        assert (hit.clip.name, hit.clip.path) == (file.name, str(file))
        assert hit.score == pytest.approx(1, abs=1e-3)
        assert hit.clip.duration == pytest.approx(0.5, abs=0.01)
        assert hit.clip.affect == pytest.approx(affect, abs=1e-5)
    assert store.verify() == []


def test_a_second_run_adds_only_what_is_new(tmp_path: Path, store: LocalStore, encoder: Encoder) -> None:
    folder = tmp_path / "sound"
    speak(folder, 3)
    build(store, encoder, [folder])
    speak(folder, 2, first=3)
    assert outcome(build(store, encoder, [folder])) == (2, 0, 3, 0)
    assert outcome(build(store, encoder, [folder])) == (0, 0, 5, 0)


def test_one_content_at_two_paths_is_the_first_ones_clip(tmp_path: Path, store: LocalStore, encoder: Encoder) -> None:
    (file,) = speak(tmp_path / "b", 1)
    copy = tmp_path / "a" / "copy.wav"
    copy.parent.mkdir()
    copy.write_bytes(file.read_bytes())
    assert outcome(build(store, encoder, [file, tmp_path])) == (1, 0, 2, 0)
    assert store.clips()[0].path == str(file)
    file.unlink()  # the clip moves to where its content still is
    assert outcome(build(store, encoder, [tmp_path])) == (0, 1, 0, 0)
    assert store.clips()[0].path == str(copy)


def test_a_manifest_brings_and_changes_metadata(tmp_path: Path, store: LocalStore, encoder: Encoder) -> None:
    speak(tmp_path, 2)
    manifest = tmp_path / "clips.csv"
    manifest.write_text("path,speaker,take\n0000.wav,03,1\n0001.wav,08,2\n")
    assert outcome(build(store, encoder, [manifest])) == (2, 0, 0, 0)
    described = {clip.name: clip.metadata for clip in store.clips()}
    assert described == {"0000.wav": {"speaker": "03", "take": 1}, "0001.wav": {"speaker": "08", "take": 2}}
    assert outcome(build(store, encoder, [manifest])) == (0, 0, 2, 0)
    assert outcome(build(store, encoder, [tmp_path])) == (0, 0, 2, 0)  # a folder says nothing about metadata
    manifest.write_text("path,speaker,take\n0000.wav,03,1\n0001.wav,08,3\n")
    assert outcome(build(store, encoder, [manifest])) == (0, 1, 1, 0)
    assert {clip.metadata["take"] for clip in store.clips()} == {1, 3}


def test_each_bad_recording_is_named_and_the_others_are_added(
    tmp_path: Path, store: LocalStore, encoder: Encoder
) -> None:
    folder = tmp_path / "sound"
    good = speak(folder, 2)
    voice = sounds.voice(1.0)
    bad = {
        "empty.wav": b"",
        "text.wav": b"this is not sound at all, but a text\n" * 20,
        "short.wav": sounds.media(voice[:800]),
        "silent.wav": sounds.media(np.zeros(16_000, np.float32)),
        "torn.mp3": sounds.media(sounds.voice(4.0), "mp3")[:100],
    }
    for name, content in bad.items():
        (folder / name).write_bytes(content)
    (folder / "silent again.wav").write_bytes(bad["silent.wav"])
    manifest = folder / "clips.csv"
    manifest.write_text("path\nnowhere.wav\n0000.wav\n")
    (folder / "link.wav").symlink_to(folder / "gone.wav")
    os.mkfifo(folder / "pipe.wav")

    report = build(store, encoder, [folder, manifest, tmp_path / "missing"])
    assert (report.added, report.skipped) == (2, 1)
    failed = {Path(item.name).name: item.message for item in report.failed}
    assert set(failed) == {*bad, "silent again.wav", "nowhere.wav", "link.wav", "pipe.wav", "missing"}
    assert all(Path(item.name).name in item.message for item in report.failed if item.name != str(folder))
    assert "silent" in failed["silent again.wav"]
    assert {clip.path for clip in store.clips()} == {str(file) for file in good}
    assert store.verify() == []


def test_a_recording_that_is_too_long_is_refused(tmp_path: Path, store: LocalStore, encoder: Encoder) -> None:
    speak(tmp_path / "sound", 1, seconds=3.0)
    report = build(store, encoder, [tmp_path / "sound"], max_duration=2.0)
    assert outcome(report) == (0, 0, 0, 1)


def test_a_file_name_that_is_not_unicode_fails_alone(tmp_path: Path, store: LocalStore, encoder: Encoder) -> None:
    (good,) = speak(tmp_path / "sound", 1)
    odd = good.with_name("\udcff.wav")
    odd.write_bytes(sounds.media(sounds.voice(0.5, seed=9)))
    report = build(store, encoder, [tmp_path / "sound"])
    assert (report.added, len(report.failed)) == (1, 1)
    assert "not valid Unicode" in report.failed[0].message


def test_progress_ends_at_the_total(tmp_path: Path, store: LocalStore, encoder: Encoder) -> None:
    folder = tmp_path / "sound"
    speak(folder, 4)
    (folder / "copy.wav").write_bytes((folder / "0000.wav").read_bytes())
    (folder / "empty.wav").write_bytes(b"")
    seen: list[Progress] = []
    build(store, encoder, [folder], threads=3, progress=seen.append)
    assert seen[-1] == Progress(done=6, total=6, failed=1, new=6, seconds_left=0)
    assert [step.done for step in seen] == sorted(step.done for step in seen)
    build(store, encoder, [folder], threads=3, progress=seen.append)
    assert seen[-1].new == 6  # files that were made a moment ago have no stamp that could be relied on


def test_a_long_recording_has_segments_all_along(tmp_path: Path, store: LocalStore, encoder: Encoder) -> None:
    info = encoder.bundle.info
    seconds = 2.5 * info.win_dur
    (tmp_path / "sound.wav").write_bytes(sounds.media(sounds.speech(seconds)))
    build(store, encoder, [tmp_path / "sound.wav"])
    (clip,) = store.clips()
    kept = store.segments(clip.id)
    assert clip.segments == len(kept) > 2
    assert kept[0].start == 0
    assert clip.duration == kept[-1].end == pytest.approx(seconds, abs=0.05)
    assert all(later.start - earlier.start <= info.hop_dur + 1e-6 for earlier, later in pairwise(kept))


class Stop(Exception):  # noqa: N818
    """Raised by a test's own progress callback."""


def test_silence_at_the_end_counts_for_the_duration(tmp_path: Path, store: LocalStore, encoder: Encoder) -> None:
    file = tmp_path / "sound.wav"
    win_dur = encoder.bundle.info.win_dur
    silence = np.zeros(round(3 * win_dur * sounds.RATE), np.float32)
    file.write_bytes(sounds.media(np.concatenate([sounds.voice(win_dur), silence])))
    build(store, encoder, [file])
    (clip,) = store.clips()
    assert clip.duration == pytest.approx(4 * win_dur, abs=0.01)
    assert store.segments(clip.id)[-1].end < 3 * win_dur


def test_ctrl_c_keeps_what_is_done(tmp_path: Path, store: LocalStore, encoder: Encoder) -> None:
    folder = tmp_path / "sound"
    speak(folder, 30)

    interrupted: list[bool] = []

    def interrupt(progress: Progress) -> None:
        if progress.done >= 5 and not interrupted:
            interrupted.append(True)
            signal.raise_signal(signal.SIGINT)

    report = build(store, encoder, [folder], threads=2, progress=interrupt)
    assert report.interrupted
    assert 5 <= report.added < 30
    assert report.failed == ()
    assert store.count().clips == report.added
    rest = build(store, encoder, [folder], threads=2)
    assert outcome(rest) == (30 - report.added, 0, report.added, 0)


def test_ctrl_c_lets_go_of_a_long_recording(tmp_path: Path, store: LocalStore, encoder: Encoder) -> None:
    long = tmp_path / "long.wav"
    long.write_bytes(sounds.media(np.tile(sounds.voice(encoder.bundle.info.win_dur), 60)))
    speak(tmp_path / "short", 1, first=1)
    interrupted: list[bool] = []

    def interrupt(progress: Progress) -> None:
        if progress.done == 1 and not interrupted:
            interrupted.append(True)
            signal.raise_signal(signal.SIGINT)

    report = build(store, encoder, [long, tmp_path / "short"], threads=2, progress=interrupt)
    assert report.interrupted
    assert [clip.name for clip in store.clips()] == ["0001.wav"]
    assert outcome(report) == (1, 0, 0, 0)


def test_a_build_that_fails_itself_leaves_no_thread_behind(tmp_path: Path, store: LocalStore, encoder: Encoder) -> None:
    folder = tmp_path / "sound"
    speak(folder, 30)

    def fail(progress: Progress) -> None:
        if progress.done >= 2:
            raise Stop

    with pytest.raises(Stop):
        build(store, encoder, [folder], threads=2, progress=fail)
    assert 2 <= store.count().clips < 30
    assert store.verify() == []
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("build")]


def command(library: Path, *sources: Path) -> list[str]:
    return [sys.executable, "-m", "emotionrank", "index", "build", *map(str, sources), "--library", str(library)]


def test_killed_builds_are_finished_by_the_next(tmp_path: Path, encoder: Encoder) -> None:
    folder, library = tmp_path / "sound", tmp_path / "library"
    speak(folder, 40)
    killed_at: list[int] = []
    for _ in range(2):
        child = subprocess.Popen(command(library, folder), cwd=ROOT, stdout=subprocess.DEVNULL)
        before = killed_at[-1] if killed_at else 0
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and child.poll() is None:
            if (library / "library.db").exists() and (count := clips_in(library)) >= before + 6:
                killed_at.append(count)
                break
            time.sleep(0.02)
        child.kill()
        child.wait()
    assert len(killed_at) == 2
    assert killed_at[-1] < 40
    with LocalStore.open(library, encoder.bundle) as store:
        assert store.verify() == []
        there = store.count().clips
        report = build(store, encoder, [folder])
        assert outcome(report) == (40 - there, 0, there, 0)
        assert store.count().clips == 40
        assert store.verify() == []


def clips_in(library: Path) -> int:
    try:
        with LocalStore.open(library, None, read_only=True) as store:
            return store.count().clips
    except Exception:  # it is just being made
        return 0


def test_two_builds_at_once_both_succeed(tmp_path: Path, encoder: Encoder) -> None:
    folder, library = tmp_path / "sound", tmp_path / "library"
    speak(folder, 10)
    children = [
        subprocess.Popen(
            [*command(library, folder), "--json"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    reports = []
    for child in children:
        output, errors = child.communicate(timeout=100)
        assert (child.returncode, errors) == (0, ""), output
        reports.append(json.loads(output))
    assert sum(report["added"] for report in reports) == 10
    assert [report["added"] + report["skipped"] for report in reports] == [10, 10]
    with LocalStore.open(library, encoder.bundle) as store:
        assert store.count().clips == 10
        assert store.verify() == []


def test_what_is_unexpected_about_one_recording_does_not_stop_the_others(
    tmp_path: Path, store: LocalStore, encoder: Encoder
) -> None:
    """A library for another dimension stands for any error that no recording should cause."""
    speak(tmp_path / "sound", 2)
    with LocalStore.create(tmp_path / "other", making.bundle()) as other:
        report = build(other, encoder, [tmp_path / "sound"])
    assert outcome(report) == (0, 0, 0, 2)
    assert all(isinstance(item, Failure) and "512 values" in item.message for item in report.failed)
