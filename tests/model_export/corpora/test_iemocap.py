"""IEMOCAP in miniature: turns of a dialogue, listeners' lines, words."""

import math
from pathlib import Path

import pytest

from encoders.affect import Affect
from model_export import corpora
from model_export.errors import CorpusError
from model_export.manifest import Row
from tests.model_export.conftest import speak

EVALUATION = """% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]

[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5000, 2.5000, 2.5000]
C-E2:\tNeutral;\t()
C-F1:\tNeutral;\t(curious)
A-E3:\tval 3; act 2; dom  2;\t()
A-E4:\tval 2; act 3; dom  3;\t(mildly aggravated but staying polite, attitude)
A-F1:\tval 5; act 5; dom  5;\t()

[10.0100 - 11.3925]\tSes01F_impro01_M001\tang\t[1.0000, 5.0000, 0.5000]
C-E2:\tAnger;\t()
A-E3:\tval 1; act 5; dom  ;\t()

[14.8872 - 18.0175]\tSes01F_impro01_F002\txxx\t[5.0000, 1.0000, 3.0000]
"""
TRANSCRIPT = """Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.
Ses01F_impro01_MXX0 [008.3000-008.9000]: Yeah.
Ses01F_impro01_M001 [010.0100-011.3925]: Did you get the mail?
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The first session with one dialogue of three turns."""
    session = tmp_path / "Session1"
    for folder in ("EmoEvaluation", "transcriptions"):
        (session / "dialog" / folder).mkdir(parents=True)
    (session / "dialog" / "EmoEvaluation" / "Ses01F_impro01.txt").write_text(EVALUATION, encoding="utf-8")
    (session / "dialog" / "EmoEvaluation" / "._Ses01F_impro01.txt").write_bytes(b"\x00\x05\x16\x07")
    (session / "dialog" / "transcriptions" / "Ses01F_impro01.txt").write_text(TRANSCRIPT, encoding="utf-8")
    for number, turn in enumerate(("F000", "M001", "F002")):
        speak(session / "sentences" / "wav" / "Ses01F_impro01" / f"Ses01F_impro01_{turn}.wav", seed=number)
    return tmp_path


def read(root: Path) -> list[Row]:
    """The three turns, in their order."""
    return corpora.prepare("iemocap", root)


def evaluation(root: Path) -> Path:
    """Where the dialogue's evaluation lies."""
    return root / "Session1" / "dialog" / "EmoEvaluation" / "Ses01F_impro01.txt"


def test_turns_are_rated_on_one_to_five_and_come_out_on_one_to_seven(root: Path) -> None:
    neutral, angry, unsure = read(root)
    assert (neutral.affect, neutral.dominance) == (Affect(3.25, 3.25), 3.25)
    assert angry.affect == Affect(1.0, 7.0)
    assert unsure.affect == Affect(7.0, 1.0)
    assert [row.emotion for row in (neutral, angry, unsure)] == ["neutral", "anger", ""]


def test_listeners_give_count_and_spread_and_the_actors_own_opinion_does_not(root: Path) -> None:
    neutral, angry, unsure = read(root)
    assert [row.ratings for row in (neutral, angry, unsure)] == [2, 1, 0]
    assert neutral.valence_sd == pytest.approx(0.5**0.5 * 1.5)
    assert math.isnan(angry.valence_sd)


def test_a_dominance_that_nobody_gave_is_not_known(root: Path) -> None:
    assert math.isnan(read(root)[1].dominance)


def test_the_speaker_is_who_speaks_the_turn(root: Path) -> None:
    neutral, angry, _ = read(root)
    assert [(row.speaker, row.gender, row.transcript) for row in (neutral, angry)] == [
        ("iemocap-01F", "female", "Excuse me."),
        ("iemocap-01M", "male", "Did you get the mail?"),
    ]


def test_a_rating_mistyped_off_the_scale_is_left_out(root: Path) -> None:
    evaluation(root).write_text(EVALUATION.replace("val 2; act 3", "val 22; act 3"), encoding="utf-8")
    neutral = read(root)[0]
    assert (neutral.valence, neutral.ratings) == (4.0, 1)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\tneu\t", "\tjoy\t", "line 3: emotion 'joy'"),
        ("\tneu\t[2.5000, 2.5000, 2.5000]", "\tneu", "line 3: cannot be read"),
        ("[5.0000, 1.0000, 3.0000]", "[9.0000, 1.0000, 3.0000]", "Ses01F_impro01_F002 has val 9"),
    ],
)
def test_a_bad_turn_is_named(root: Path, old: str, new: str, message: str) -> None:
    evaluation(root).write_text(EVALUATION.replace(old, new), encoding="utf-8")
    with pytest.raises(CorpusError, match=message):
        read(root)


def test_turns_without_audio_are_named(root: Path) -> None:
    next(root.rglob("*_M001.wav")).unlink()
    with pytest.raises(CorpusError, match="Ses01F_impro01_M001"):
        read(root)


def test_a_session_without_evaluations_is_refused(root: Path) -> None:
    (root / "Session2").mkdir()
    with pytest.raises(CorpusError, match="Session2"):
        read(root)
