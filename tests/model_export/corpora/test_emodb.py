"""EmoDB by its stems, with the listeners' ratings where they lie beside it."""

from pathlib import Path

import pytest

from encoders.affect import Affect
from model_export import corpora
from model_export.emotions import affect_of
from model_export.errors import CorpusError
from tests.model_export.conftest import speak


def test_it_takes_the_listeners_ratings_where_there_are_any(emodb: Path) -> None:
    happy, angry, bored = corpora.prepare("emodb", emodb)
    assert (happy.affect, happy.ratings) == (Affect(5.5, 4.0), 21)
    assert [happy.valence_sd, happy.arousal_sd] == pytest.approx([13.28 * 0.06, 11.77 * 0.06])
    assert (angry.affect, angry.ratings) == (affect_of("anger"), 0)
    assert [row.complete for row in (happy, angry, bored)] == [True, True, False]
    assert [row.gender for row in (happy, angry, bored)] == ["male", "female", "male"]


def test_it_needs_neither_table(emodb: Path) -> None:
    (emodb / "emodb_va_mean.csv").unlink()
    (emodb / "manifest.csv").unlink()
    assert [row.ratings for row in corpora.prepare("emodb", emodb)] == [0, 0, 0]


def test_files_of_other_names_are_left_out(emodb: Path) -> None:
    for name in ("03a01Xa", "99a01Fa", "03a01Fab", "notes Fa"):
        speak(emodb / "wav" / f"{name}.wav", seed=4)
    assert len(corpora.prepare("emodb", emodb)) == 3


@pytest.mark.parametrize(
    ("table", "text", "message"),
    [
        ("emodb_va_mean.csv", "file,n\n03a01Fa.wav,3\n", "columns missing: arousal_mean, arousal_sd, valence_mean"),
        ("manifest.csv", "file,whole\n03a01Fa.wav,1\n", "columns missing: complete"),
        ("manifest.csv", "file,complete\n03a01Fa.wav,yes\n", "line 2: complete must be 0 or 1"),
        (
            "emodb_va_mean.csv",
            "file,n,valence_mean,valence_sd,arousal_mean,arousal_sd\n03a01Fa.wav,3,120,1,50,1\n",
            "line 2: valence 120 is outside the sliders' 0..100",
        ),
    ],
)
def test_a_table_that_is_not_what_it_should_be_is_refused(table: str, text: str, message: str, emodb: Path) -> None:
    (emodb / table).write_text(text, encoding="utf-8")
    with pytest.raises(CorpusError, match=table) as caught:
        corpora.prepare("emodb", emodb)
    assert message in str(caught.value)
