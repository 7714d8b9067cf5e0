"""Corpora of acted categories that are read by their folders and stems: TESS, SAVEE, ESD, EmoGator."""

import shutil
from pathlib import Path

import pytest

from model_export import corpora
from model_export.corpora import emogator, esd, savee, tess
from model_export.emotions import MEANS, affect_of
from model_export.errors import CorpusError
from tests.model_export.conftest import speak


def spoken(root: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        speak(root / name, seed=number)
    return root


def test_tess_is_read_by_its_stems_however_it_was_unpacked(tmp_path: Path) -> None:
    root = spoken(
        tmp_path / "tess",
        "OAF_angry/OAF_back_angry.wav",
        "OAF_neutral/OA_bite_neutral.wav",
        "YAF_pleasant_surprised/YAF_dog_ps.wav",
        "OAF_Fear/OAF_dog_fear.wav",
        "OAF_Fear/notes.wav",
    )
    shutil.copytree(root, root / "TESS Toronto emotional speech set data")
    angry, neutral, afraid, surprised = sorted(corpora.prepare("tess", root), key=lambda row: row.path.name[:5])[:4]
    rows = {row.emotion: row for row in (angry, neutral, afraid, surprised)}
    assert len(corpora.prepare("tess", root)) == 4
    assert rows["neutral"].speaker == rows["anger"].speaker == "tess-OAF"
    assert (rows["surprise"].speaker, rows["surprise"].transcript) == ("tess-YAF", "Say the word dog.")
    assert rows["fear"].affect == affect_of("fear")
    assert {row.gender for row in rows.values()} == {"female"}


@pytest.mark.parametrize("names", [("AudioData/DC/a01.wav", "AudioData/KL/su15.wav"), ("DC_a01.wav", "KL_su15.wav")])
def test_savee_is_read_from_folders_or_flat(names: tuple[str, str], tmp_path: Path) -> None:
    root = spoken(tmp_path, *names, "AudioData/XX/a01.wav", "DC_x01.wav", "a01.wav")
    angry, surprised = corpora.prepare("savee", root)
    assert (angry.speaker, angry.emotion, angry.gender) == ("savee-DC", "anger", "male")
    assert (surprised.speaker, surprised.emotion) == ("savee-KL", "surprise")


def test_savee_refuses_two_recordings_of_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"DC_a01\.wav"):
        corpora.prepare("savee", spoken(tmp_path, "DC/a01.wav", "ALL/DC_a01.wav"))


@pytest.mark.parametrize("part", ["", "train/"])
def test_esd_is_read_by_its_folders_with_the_sentences_beside_them(part: str, tmp_path: Path) -> None:
    root = spoken(tmp_path, f"0011/Angry/{part}0011_000351.wav", f"0001/Surprise/{part}0001_001401.wav")
    (root / "0011" / "0011.txt").write_text("0011_000351\tThe nine the eggs, I keep.\tAngry\n\n", encoding="utf-8")
    surprised, angry = corpora.prepare("esd", root)
    assert (angry.speaker, angry.gender, angry.emotion) == ("esd-0011", "male", "anger")
    assert angry.transcript == "The nine the eggs, I keep."
    assert (surprised.gender, surprised.emotion, surprised.transcript) == ("female", "surprise", "")
    # Its parts share their speakers, so they are no split.
    assert {angry.split, surprised.split} == {""}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_esd_sentences_come_in_several_encodings(encoding: str, tmp_path: Path) -> None:
    root = spoken(tmp_path, "0002/Neutral/0002_000001.wav")
    (root / "0002" / "0002.txt").write_text("0002_000001\t打远一看，它们的确很是美丽。\t中立\n", encoding=encoding)
    assert corpora.prepare("esd", root)[0].transcript == "打远一看，它们的确很是美丽。"


def test_esd_refuses_a_clip_in_no_folder_of_an_emotion(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"0011_000351\.wav: lies in no folder of an emotion"):
        corpora.prepare("esd", spoken(tmp_path, "0011/Cross/0011_000351.wav"))


def test_emogator_has_a_speaker_a_contributor_and_an_emotion_a_number(tmp_path: Path) -> None:
    names = [f"data/mp3/000007-{n:02d}-1.mp3" for n in (1, 23, 30)]
    rows = corpora.prepare("emogator", spoken(tmp_path, *names, "data/mp3/000007-31-1.mp3", "data/mp3/7-01-1.mp3"))
    assert [row.emotion for row in rows] == ["adoration", "love", "triumph"]
    assert {row.speaker for row in rows} == {"emogator-000007"}
    assert len(emogator.EMOTIONS) == len(set(emogator.EMOTIONS)) == 30


@pytest.mark.parametrize("adapter", [emogator, esd, savee, tess])
def test_every_category_has_its_affect(adapter: object) -> None:
    emotions = getattr(adapter, "EMOTIONS", ())
    names = set(emotions.values() if isinstance(emotions, dict) else emotions)
    assert names
    assert names <= set(MEANS)
