"""RAVDESS by its stems: speech only, each recording once."""

import shutil
from pathlib import Path

import pytest

from model_export import corpora
from model_export.corpora import ravdess as adapter
from model_export.emotions import affect_of
from model_export.errors import CorpusError
from tests.model_export.conftest import speak


def test_it_is_read_by_its_stems_and_leaves_out_song_and_video(ravdess: Path) -> None:
    rows = corpora.prepare("ravdess", ravdess)
    assert len(rows) == 32
    assert {row.speaker for row in rows} == {f"ravdess-0{n}" for n in range(1, 5)}
    angry = next(row for row in rows if row.emotion == "anger" and row.speaker == "ravdess-02")
    assert (angry.gender, angry.intensity) == ("female", "strong")
    assert angry.affect == affect_of("anger", "strong")
    assert {row.emotion for row in rows} == set(adapter.EMOTIONS.values())


def test_a_second_copy_of_all_folders_inside_counts_once(ravdess: Path) -> None:
    inner = ravdess / "audio_speech_actors_01-24"
    for folder in sorted(ravdess.glob("Actor_*")):
        shutil.copytree(folder, inner / folder.name)
    rows = corpora.prepare("ravdess", ravdess)
    assert len(rows) == len({row.path.stem for row in rows}) == 32


def test_two_different_recordings_of_one_name_are_both_named(ravdess: Path) -> None:
    name = "03-01-05-02-01-01-02.wav"
    speak(ravdess / "again" / "Actor_02" / name, seed=999)
    with pytest.raises(CorpusError) as caught:
        corpora.prepare("ravdess", ravdess)
    assert str(ravdess / "Actor_02" / name) in str(caught.value)
    assert str(ravdess / "again" / "Actor_02" / name) in str(caught.value)


def test_the_recording_that_stands_in_it_twice_and_files_of_other_names_are_left_out(ravdess: Path) -> None:
    for name in (adapter.DUPLICATE, "._03-01-05-01-01-01-02", "03-01-09-01-01-01-02", "03-01-05-01-01-01-25"):
        speak(ravdess / "Actor_07" / f"{name}.wav", seed=5)
    assert len(corpora.prepare("ravdess", ravdess)) == 32
