"""MSP-IMPROV in miniature: the evaluation's lines, and activation that runs from active to calm."""

import math
from pathlib import Path

import pytest

from encoders.affect import Affect
from model_export import corpora
from model_export.errors import CorpusError
from model_export.manifest import Row
from tests.model_export.conftest import speak

EVALUATION = """UTD-IMPROV-S01A-F01-P-FM01.avi; A; A:1.500000; V:2.000000; D:4.000000 ; N:3.800000;
one_id; Angry; Frustrated,Disgusted; A:1.000000; V:1.000000; D:4.000000; N:4.000000;
two_id; Angry; ; A:2.000000; V:3.000000; D:4.000000; N:3.000000;
two_id; Angry; ; A:2.000000; V:3.000000; D:4.000000; N:3.000000;

UTD-IMPROV-S02N-M03-S-FM02.avi; N; A:4.000000; V:3.000000; D:NaN ; N:4.000000;
one_id; Neutral; ; A:4.000000; V:3.000000; D:NaN; N:4.000000;

UTD-IMPROV-S20H-F06-T-MF11.avi; X; A:5.000000; V:5.000000; D:1.000000 ; N:4.000000;
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three clips of three sessions."""
    (tmp_path / "Evalution.txt").write_text(EVALUATION, encoding="utf-8")
    for number, (session, stem) in enumerate([(1, "S01A-F01-P-FM01"), (3, "S02N-M03-S-FM02"), (6, "S20H-F06-T-MF11")]):
        sentence, _, kind, _ = stem.split("-")
        speak(tmp_path / f"session{session}" / sentence / kind / f"MSP-IMPROV-{stem}.wav", seed=number)
    return tmp_path


def read(root: Path) -> list[Row]:
    """The clips in the evaluation's order."""
    return corpora.prepare("msp-improv", root)


def test_activation_is_turned_round_and_valence_is_not(root: Path) -> None:
    angry, neutral, happy = read(root)
    assert angry.affect == Affect(2.5, 6.25)
    assert neutral.affect == Affect(4.0, 2.5)
    assert happy.affect == Affect(7.0, 1.0)
    assert (angry.dominance, happy.dominance) == (5.5, 1.0)
    assert math.isnan(neutral.dominance)


def test_emotions_are_what_the_listeners_heard(root: Path) -> None:
    assert [(row.emotion, row.speaker, row.gender) for row in read(root)] == [
        ("anger", "msp-improv-F01", "female"),
        ("neutral", "msp-improv-M03", "male"),
        ("", "msp-improv-F06", "female"),
    ]


def test_each_listener_counts_once(root: Path) -> None:
    angry, neutral, happy = read(root)
    assert [row.ratings for row in (angry, neutral, happy)] == [2, 1, 0]
    assert [angry.valence_sd, angry.arousal_sd] == pytest.approx([2**0.5 * 1.5, 0.5**0.5 * 1.5])


def test_the_right_spelling_of_the_table_is_read_too(root: Path) -> None:
    before = read(root)
    (root / "Evalution.txt").rename(root / "Evaluation.txt")
    assert read(root) == before


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("avi; A;", "avi; Q;", "line 1: emotion 'Q'"),
        ("V:2.000000; D:4.000000 ;", "V:7.000000; D:4.000000 ;", "line 1: valence 10 is outside"),
        ("S02N-M03-S-FM02.avi", "S02N-M04-S-FM02.avi", "MSP-IMPROV-S02N-M04-S-FM02"),
    ],
)
def test_a_bad_line_is_named(root: Path, old: str, new: str, message: str) -> None:
    (root / "Evalution.txt").write_text(EVALUATION.replace(old, new), encoding="utf-8")
    with pytest.raises(CorpusError, match=message):
        read(root)


def test_a_copy_whose_activation_runs_the_other_way_is_refused(tmp_path: Path) -> None:
    lines = []
    for number in range(1, 21):
        for emotion, activation in (("A", 4.5), ("N", 2.0)):
            stem = f"S{number:02d}{emotion}-F01-P-FM01"
            lines.append(f"UTD-IMPROV-{stem}.avi; {emotion}; A:{activation}; V:3.0; D:3.0 ; N:3.0;\n")
            audio = tmp_path / "session1" / f"MSP-IMPROV-{stem}.wav"
            audio.parent.mkdir(exist_ok=True)
            audio.touch()
    (tmp_path / "Evalution.txt").write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(CorpusError, match="angry clips would come out calmer"):
        read(tmp_path)
    (tmp_path / "Evalution.txt").write_text("\n".join(lines).replace("A:4.5", "A:1.5"), encoding="utf-8")
    assert len(read(tmp_path)) == 40
