"""CREMA-D in miniature: what the crowd heard in the voice alone counts, the acted emotion only without votes."""

import math
from pathlib import Path

import pytest

from model_export import corpora
from model_export.emotions import affect_of
from model_export.errors import CorpusError
from model_export.manifest import Row
from tests.model_export.conftest import speak

CLIPS = ("1001_IEO_ANG_HI", "1001_DFA_HAP_XX", "1002_TIE_SAD_LO", "1076_MTI_SAD_XX", "1040_ITH_SAD_X")
RESPONSES = """"","localid","queryType","questNum","clipName","sessionNums","respEmo","respLevel"
"1","a",1,1,"1001_IEO_ANG_HI",11,"A",80
"2","b",1,2,"1001_IEO_ANG_HI",12,"A",70
"3","c",1,3,"1001_IEO_ANG_HI",13,"D",50
"4","c",1,3,"1001_IEO_ANG_HI",13,"D",50
"5","d",2,4,"1001_IEO_ANG_HI",14,"H",99
"6","e",3,5,"1001_DFA_HAP_XX",15,"H",99
"7","f",1,6,"1002_TIE_SAD_LO",16,"N",NA
"8","g",1,7,"1002_TIE_SAD_LO",17,"F",20
"""
TABULATED = (
    '"","A","D","F","H","N","S","fileName","meanAngerResp","meanDisgustResp","meanFearResp","meanHappyResp",'
    '"meanNeutralResp","meanSadResp"\n'
    '"100004",2,1,0,0,0,0,"1001_IEO_ANG_HI",75,50,-1,-1,-1,-1\n'
    '"200004",0,0,0,9,0,0,"1001_IEO_ANG_HI",-1,-1,-1,99,-1,-1\n'
)
SUMMARY = (
    '"","FileName","VoiceVote","VoiceLevel","FaceVote","FaceLevel"\n'
    '"1","1001_IEO_ANG_HI","A","75","H","99"\n'
    '"2","1002_TIE_SAD_LO","F:N","20:50.0","N","51"\n'
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The recordings and the actors, without votes."""
    for number, stem in enumerate(CLIPS):
        speak(tmp_path / "AudioWAV" / f"{stem}.wav", seed=number)
    (tmp_path / "VideoDemographics.csv").write_text(
        '"ActorID","Age","Sex","Race","Ethnicity"\n'
        '1001,51,"Male","Caucasian","Not Hispanic"\n'
        '1002,21,"Female","Caucasian","Not Hispanic"\n'
    )
    return tmp_path


def read(root: Path) -> dict[str, Row]:
    """The rows by stem."""
    return {row.path.stem: row for row in corpora.prepare("crema-d", root)}


def votes(root: Path, name: str, text: str) -> Path:
    """Lay a table of votes where the release has it."""
    path = root / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return root


def test_without_votes_the_acted_emotion_counts(root: Path) -> None:
    rows = read(root)
    angry = rows["1001_IEO_ANG_HI"]
    assert (angry.emotion, angry.intensity, angry.ratings) == ("anger", "strong", 0)
    assert angry.affect == affect_of("anger", "strong")
    assert (angry.speaker, angry.gender, angry.transcript) == ("crema-d-1001", "male", "It's eleven o'clock.")
    assert rows["1040_ITH_SAD_X"].emotion == "sadness"
    assert "1076_MTI_SAD_XX" not in rows


def test_the_voice_votes_decide_each_by_its_level(root: Path) -> None:
    rows = read(votes(root, "finishedResponses.csv", RESPONSES))
    angry = rows["1001_IEO_ANG_HI"]
    assert (angry.emotion, angry.intensity, angry.ratings) == ("anger", "strong", 3)
    # Levels 80, 70 and 50 lie at 1.24, 1.16 and 1.0 of the published places of anger, anger and disgust.
    expected = [4 + 3 * value for value in (1.24 * -0.51, 1.16 * -0.51, -0.60)]
    assert angry.valence == pytest.approx(sum(expected) / 3)
    mean = sum(expected) / 3
    assert angry.valence_sd == pytest.approx(math.sqrt(sum((value - mean) ** 2 for value in expected) / 2))
    assert rows["1001_DFA_HAP_XX"].ratings == 0
    assert rows["1001_DFA_HAP_XX"].emotion == "happiness"


def test_a_tie_without_the_acted_emotion_names_none_and_keeps_the_mean(root: Path) -> None:
    row = read(votes(root, "finishedResponses.csv", RESPONSES))["1002_TIE_SAD_LO"]
    assert (row.emotion, row.intensity, row.ratings) == ("", "", 2)
    assert row.valence == pytest.approx(4 + 3 * (0.0 + 0.76 * -0.64) / 2)


def test_a_louder_vote_lies_farther_out(root: Path) -> None:
    levels = []
    for level in (0, 30, 60, 100):
        table = RESPONSES.splitlines()[0] + f'\n"1","a",1,1,"1001_IEO_ANG_HI",11,"A",{level}\n'
        levels.append(read(votes(root, "finishedResponses.csv", table))["1001_IEO_ANG_HI"].arousal)
    assert levels == sorted(levels)
    assert len(set(levels)) == 4


def test_tabulated_votes_give_nearly_the_same(root: Path) -> None:
    tabulated = read(votes(root, "processedResults/tabulatedVotes.csv", TABULATED))["1001_IEO_ANG_HI"]
    single = read(votes(root, "finishedResponses.csv", RESPONSES))["1001_IEO_ANG_HI"]
    assert (tabulated.ratings, tabulated.emotion, tabulated.intensity) == (3, "anger", "strong")
    assert tabulated.affect == pytest.approx(single.affect)


def test_the_summary_is_the_last_resort(root: Path) -> None:
    rows = read(votes(root, "processedResults/summaryTable.csv", SUMMARY))
    angry = rows["1001_IEO_ANG_HI"]
    assert (angry.emotion, angry.ratings) == ("anger", 1)
    assert math.isnan(angry.valence_sd)
    assert angry.affect == affect_of("anger", "strong")
    assert rows["1002_TIE_SAD_LO"].emotion == ""


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "finishedResponses.csv",
            RESPONSES.replace('"D",50', '"Q",50', 1),
            "finishedResponses.csv, line 4: emotion 'Q'",
        ),
        ("finishedResponses.csv", RESPONSES.replace('"A",80', '"A",180'), "line 2: level 180 is outside"),
        ("finishedResponses.csv", "clipName\nx\n", "columns missing"),
        ("processedResults/tabulatedVotes.csv", TABULATED.replace(",2,1,", ",two,1,"), "tabulatedVotes.csv, line 2"),
        ("processedResults/summaryTable.csv", SUMMARY.replace('"20:50.0"', '"20"'), "summaryTable.csv, line 3"),
        ("VideoDemographics.csv", "ActorID,Sex\n1001,Robot\n", "line 2: Sex 'Robot'"),
    ],
)
def test_a_bad_table_is_named_with_its_line(root: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        read(votes(root, name, text))


def test_a_file_of_another_name_is_refused(root: Path) -> None:
    speak(root / "AudioWAV" / "1001_IEO_JOY_XX.wav", seed=9)
    with pytest.raises(CorpusError, match="1001_IEO_JOY_XX"):
        read(root)
