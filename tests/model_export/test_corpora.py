"""Official layouts to one manifest: what holds for every adapter."""

from pathlib import Path

import pytest

from model_export import corpora
from model_export.emotions import MEANS, affect_of, named
from model_export.errors import CorpusError


@pytest.mark.parametrize("name", sorted(corpora.ADAPTERS))
def test_a_folder_of_another_layout_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=str(tmp_path)):
        corpora.prepare(name, tmp_path)


def test_unknown_corpora_and_missing_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="ravdess"):
        corpora.prepare("nonsense", tmp_path)
    with pytest.raises(CorpusError, match="no such folder"):
        corpora.prepare("ravdess", tmp_path / "absent")


def test_a_stronger_performance_lies_farther_from_neutral() -> None:
    for emotion in set(MEANS) - {"neutral"}:
        weak, strong = (affect_of(emotion, i).to_unit() for i in ("normal", "strong"))
        assert all(abs(b) >= abs(a) for a, b in zip(weak, strong, strict=True))


def test_every_synonym_means_a_known_category() -> None:
    assert {named(label) for label in ("Angry", " happy ", "SAD", "fearful", "neutral")} <= set(MEANS)
    assert named("Smug") == "smug"


@pytest.mark.corpus
@pytest.mark.parametrize(
    ("name", "clips", "speakers"),
    [("ravdess", 1439, 24), ("nemo", 4481, 9), ("emodb", 535, 10), ("emogator", 9000, 300)],
)
def test_the_real_corpora_are_read_whole(name: str, clips: int, speakers: int, real_corpora: Path) -> None:
    rows = corpora.prepare(name, real_corpora / name)
    assert (len(rows), len({row.speaker for row in rows})) == (clips, speakers)
