"""A manifest's own captions."""

from pathlib import Path

import pytest

from model_export import manifest
from model_export.captions import column
from model_export.emotions import dominance_of
from model_export.manifest import Row


def row(caption: str, valence: float = 5.5, dominance: float = float("nan"), emotion: str = "anger") -> Row:
    return Row(Path("a.wav"), "mine", "mine-1", emotion, valence, 3.0, dominance=dominance, caption=caption)


def test_a_cell_may_hold_several_wordings() -> None:
    first, second, third = column.own([row("calm and warm | in a soft voice|calm and warm"), row(""), row(" | ")])
    assert [caption.text for caption in first] == ["calm and warm", "in a soft voice"]
    assert all(caption.affect == (5.5, 3.0) and caption.term == "anger" for caption in first)
    assert second == third == []


@pytest.mark.parametrize(
    ("dominance", "emotion", "expected"),
    [(6.0, "fear", 6.0), (float("nan"), "fear", dominance_of("fear")), (float("nan"), "", 4.0)],
)
def test_dominance_is_that_of_the_clip_and_neutral_where_nothing_is_known(
    dominance: float, emotion: str, expected: float
) -> None:
    assert column.own([row("a voice", dominance=dominance, emotion=emotion)])[0][0].dominance == expected


def test_a_clip_without_labels_has_no_captions_with_a_place() -> None:
    assert column.own([row("a voice", valence=float("nan"))]) == [[]]


def test_captions_survive_the_manifest(tmp_path: Path) -> None:
    texts = ['a "quoted", odd one', "zweite, mit Umlaut: traurig über alles"]
    path = tmp_path / "manifest.csv"
    manifest.write([row(column.join(texts))], path)
    assert [caption.text for caption in column.own(manifest.read(path))[0]] == texts
