"""The spoken sample clips: what is planned, and that making them can stop and go on anywhere."""

import csv
import hashlib
import os
import signal
import subprocess
import sys
import time
import wave
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.demo import samples
from service.demo.speech import VOICES


@pytest.fixture(scope="module")
def small() -> Iterator[int]:
    """Shrink the grid to one column; how many clips that leaves."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(samples, "VALENCES", (4.0,))
        yield len(samples.plan())


@pytest.fixture(scope="module")
def folder(small: int, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hold the clips of the small grid, spoken once."""
    folder = tmp_path_factory.mktemp("clips")
    samples.make(folder)
    return folder


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_plan_has_every_voice_at_every_point_of_the_grid_once() -> None:
    plan = samples.plan()
    assert len(plan) == samples.COUNT == 200
    assert len({(sample.voice, sample.affect) for sample in plan}) == 200
    assert len({sample.file_name for sample in plan}) == 200


def test_sentences_belong_to_no_voice_and_to_no_point() -> None:
    plan = samples.plan()
    assert {sample.sentence for sample in plan} == set(samples.SENTENCES)
    for voice in VOICES:
        assert {s.sentence for s in plan if s.voice == voice} == set(samples.SENTENCES)
    for affect in {sample.affect for sample in plan}:
        assert len({s.sentence for s in plan if s.affect == affect}) == len(VOICES)
    for arousal in samples.AROUSALS:
        uses = Counter(s.sentence for s in plan if s.affect.arousal == arousal)
        assert max(uses.values()) - min(uses.values()) <= 3


def test_manifest_lists_each_clip_with_its_metadata(folder: Path, small: int) -> None:
    with (folder / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == small == 40
    assert tuple(rows[0]) == samples.COLUMNS
    for row, sample in zip(rows, samples.plan(), strict=True):
        assert row["sentence"] == sample.sentence
        assert (float(row["target_valence"]), float(row["target_arousal"])) == sample.affect
        assert row["synthetic"] == "true"
        with wave.open(str(folder / row["path"])) as file_:
            assert 0.6 < file_.getnframes() / file_.getframerate() < 12


def test_no_two_clips_sound_the_same(folder: Path, small: int) -> None:
    # A library knows clips by their content: equal ones would become one.
    assert len(set(digests(folder).values())) == small + 1  # the manifest


def test_a_stopped_run_goes_on_and_ends_with_the_same_bytes(folder: Path, small: int, tmp_path: Path) -> None:
    program = "import sys, pathlib; from service.demo import samples; samples.VALENCES = (4.0,); "
    program += "samples.make(pathlib.Path(sys.argv[1]))"
    child = subprocess.Popen([sys.executable, "-c", program, tmp_path])
    while len(list(tmp_path.glob("*.wav"))) < 5:
        assert child.poll() is None, "it ended before it could be stopped"
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    there = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.wav")}
    assert 5 <= len(there) < small
    assert not (tmp_path / "manifest.csv").exists()
    (tmp_path / ".torn.wav.part").write_bytes(b"RIFF")

    steps: list[tuple[int, int]] = []
    samples.make(tmp_path, lambda done, total: steps.append((done, total)))

    assert steps[0] == (len(there), small)
    assert steps[-1] == (small, small)
    assert all((tmp_path / name).stat().st_mtime_ns == made for name, made in there.items())
    assert digests(tmp_path) == digests(folder)


def test_a_whole_folder_is_left_alone(folder: Path) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.wav")}
    started = time.monotonic()
    samples.make(folder)
    assert time.monotonic() - started < 1
    assert {path.name: path.stat().st_mtime_ns for path in folder.glob("*.wav")} == before
