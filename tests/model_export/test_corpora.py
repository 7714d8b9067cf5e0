"""Official layouts to one manifest."""

from pathlib import Path

import pytest

from encoders.affect import Affect
from model_export import corpora, manifest
from model_export.emotions import MEANS, affect_of
from model_export.errors import CorpusError


def test_ravdess_is_read_by_its_stems_and_leaves_out_song_and_video(ravdess: Path) -> None:
    rows = corpora.prepare("ravdess", ravdess)
    assert len(rows) == 32
    assert {row.speaker for row in rows} == {f"ravdess-0{n}" for n in range(1, 5)}
    angry = next(row for row in rows if row.emotion == "anger" and row.speaker == "ravdess-02")
    assert (angry.gender, angry.intensity) == ("female", "strong")
    assert angry.affect == affect_of("anger", "strong")
    assert {row.emotion for row in rows} == set(MEANS) - {"boredom"}


def test_nemo_is_read_by_its_table(nemo: Path) -> None:
    rows = corpora.prepare("nemo", nemo)
    assert [(row.speaker, row.emotion, row.gender) for row in rows] == [
        ("nemo-WR0", "surprise", "male"),
        ("nemo-EB0", "neutral", "female"),
        ("nemo-EB0", "anger", "female"),
    ]
    assert rows[0].transcript == "Zdanie 0."


def test_nemo_names_audio_that_its_table_promises_and_does_not_have(nemo: Path) -> None:
    (nemo / "samples" / "EB0_anger_2.opus").unlink()
    with pytest.raises(CorpusError, match="EB0_anger_2"):
        corpora.prepare("nemo", nemo)


def test_emodb_takes_the_listeners_ratings_where_there_are_any(emodb: Path) -> None:
    happy, angry, bored = corpora.prepare("emodb", emodb)
    assert (happy.affect, happy.ratings) == (Affect(5.5, 4.0), 21)
    assert (angry.affect, angry.ratings) == (affect_of("anger"), 0)
    assert [row.complete for row in (happy, angry, bored)] == [True, True, False]


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


def test_a_manifest_comes_back_as_it_was_written(ravdess: Path, tmp_path: Path) -> None:
    rows = corpora.prepare("ravdess", ravdess)
    manifest.write(rows, tmp_path / "deep" / "manifest.csv")
    back = manifest.read(tmp_path / "deep" / "manifest.csv")
    assert [row.path for row in back] == [row.path.resolve() for row in rows]
    assert [(r.speaker, r.emotion, round(r.valence, 4)) for r in rows] == [
        (r.speaker, r.emotion, r.valence) for r in back
    ]


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [("valence", "sad", "line 2.*number"), ("arousal", "7.5", "line 2.*outside"), ("valence", "inf", "line 2.*number")],
)
def test_a_bad_value_is_named_with_its_line(
    ravdess: Path, tmp_path: Path, column: str, value: str, message: str
) -> None:
    path = tmp_path / "manifest.csv"
    manifest.write(corpora.prepare("ravdess", ravdess), path)
    lines = path.read_text(encoding="utf-8").splitlines()
    cells = lines[1].split(",")
    cells[lines[0].split(",").index(column)] = value
    path.write_text("\n".join([lines[0], ",".join(cells), *lines[2:]]), encoding="utf-8")
    with pytest.raises(CorpusError, match=message):
        manifest.read(path)


def test_a_manifest_without_a_column_or_without_rows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "manifest.csv"
    path.write_text("path,corpus\na.wav,x\n", encoding="utf-8")
    with pytest.raises(CorpusError, match="columns missing"):
        manifest.read(path)
    manifest.write([], path)
    with pytest.raises(CorpusError, match="no clips"):
        manifest.read(path)
    with pytest.raises(CorpusError, match="absent"):
        manifest.read(tmp_path / "absent.csv")


@pytest.mark.corpus
@pytest.mark.parametrize(("name", "clips", "speakers"), [("ravdess", 1439, 24), ("nemo", 4481, 9), ("emodb", 535, 10)])
def test_the_real_corpora_are_read_whole(name: str, clips: int, speakers: int, real_corpora: Path) -> None:
    rows = corpora.prepare(name, real_corpora / name)
    assert (len(rows), len({row.speaker for row in rows})) == (clips, speakers)
