"""What is wrong with a manifest and its audio is found, all of it, and a sound one passes."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model_export.corpora.check import Report, check, is_clipped
from model_export.manifest import Row
from tests.model_export.conftest import speak
from tests.sounds import media, voice


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    """Four sound clips of two speakers."""
    folder = tmp_path_factory.mktemp("clips")
    found = []
    for number in range(4):
        speak(folder / f"{number}.wav", seed=number)
        speaker, gender = ("mine-a", "female") if number < 2 else ("mine-b", "male")
        found.append(Row(folder / f"{number}.wav", "mine", speaker, f"e{number % 2}", 2.0 + number, 4.0, gender=gender))
    return found


def cases(report: Report) -> dict[str, list[str]]:
    return {problem.kind: problem.cases for problem in report.problems}


def test_a_sound_corpus_passes_and_is_summed_up(rows: list[Row]) -> None:
    report = check(rows)
    assert report.as_dict()["ok"] is True
    summary = report.corpora["mine"]
    assert (summary["clips"], summary["labelled"], summary["speakers"]) == (4, 4, 2)
    assert summary["hours"] == pytest.approx(4 * 0.6 / 3600, abs=1e-3)
    assert summary["genders"] == {"female": 2, "male": 2}
    assert summary["emotions"] == {"e0": 2, "e1": 2}
    assert summary["valence"] == {"mean": 3.5, "sd": 1.12}


def test_audio_that_cannot_be_used_is_told_apart(rows: list[Row], tmp_path: Path) -> None:
    silent, broken, absent = tmp_path / "silent.wav", tmp_path / "broken.wav", tmp_path / "absent.wav"
    silent.write_bytes(media(np.zeros(16_000, np.float32)))
    broken.write_bytes(b"this is no sound" * 100)
    report = check([*rows, *(replace(rows[0], path=path) for path in (silent, broken, absent))])
    found = cases(report)
    assert set(found) == {"silent", "unreadable", "missing"}
    assert report.usable == rows
    for kind, path in (("silent", silent), ("unreadable", broken), ("missing", absent)):
        assert len(found[kind]) == 1
        assert str(path) in found[kind][0]


def test_clipped_clips_are_named(rows: list[Row], tmp_path: Path) -> None:
    loud = tmp_path / "loud.wav"
    loud.write_bytes(media(np.clip(12 * voice(0.6, seed=9), -1, 1)))
    assert cases(check([*rows, replace(rows[0], path=loud)])) == {"clipped": [str(loud)]}


@pytest.mark.parametrize("gain", [0.5, 1.0])
def test_a_clip_that_only_reaches_full_scale_is_not_clipped(gain: float) -> None:
    samples = voice(1.0, seed=3)
    assert not is_clipped(gain * samples / np.abs(samples).max())


def test_the_same_recording_under_two_names_and_a_clip_listed_twice_are_found(rows: list[Row], tmp_path: Path) -> None:
    copy = tmp_path / "copy.wav"
    copy.write_bytes(rows[0].path.read_bytes())
    report = check([*rows, replace(rows[0], path=copy), rows[3]])
    found = cases(report)
    assert report.usable == rows
    assert set(found) == {"duplicate recordings", "listed twice"}
    assert found["duplicate recordings"] == [" = ".join(sorted([str(rows[0].path), str(copy)]))]
    assert found["listed twice"] == [f"{rows[3].path}: 2 rows"]


def test_labels_that_are_not_there_are_wrong_outside_a_test_part_only(rows: list[Row]) -> None:
    hidden = replace(rows[0], valence=math.nan)
    assert cases(check([hidden, *rows[1:]])) == {"no valence or arousal": [str(hidden.path)]}
    tested = [replace(row, split="test3") for row in (hidden, rows[1])]
    report = check([*tested, *rows[2:]])
    assert report.problems == []
    assert report.corpora["mine"]["labelled"] == 3


def test_leaking_speakers_and_speakers_of_two_genders_or_corpora_are_named(rows: list[Row]) -> None:
    wrong = [
        replace(rows[0], split="train"),
        replace(rows[1], split="test", gender="male"),
        replace(rows[2], corpus="other"),
        rows[3],
    ]
    found = cases(check(wrong))
    assert found["leaking speakers"] == ["mine-a: test and train"]
    assert found["speakers of two genders"] == ["mine-a: female, male"]
    assert found["speakers of two corpora"] == ["mine-b: mine, other"]


def test_unknown_speakers_neither_leak_nor_have_one_gender(rows: list[Row]) -> None:
    unknown = [
        replace(row, speaker="mine-unknown", split=s) for row, s in zip(rows[1:3], ("train", "test"), strict=True)
    ]
    report = check([rows[0], *unknown, rows[3]])
    assert report.problems == []
    assert report.corpora["mine"]["of unknown speakers"] == 2


def test_a_single_class_is_named(rows: list[Row]) -> None:
    alike = [replace(row, valence=2.0) for row in rows]
    assert cases(check(alike)) == {"a single class": ["mine: all 4 clips are at one place of the plane"]}
