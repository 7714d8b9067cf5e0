"""The manifest: what is written comes back, and what is wrong with one is named by its line."""

import csv
import math
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoders.errors import OutputError
from model_export import manifest
from model_export.errors import CorpusError, MissingExtraError
from model_export.manifest import Row

PLAIN = Row(Path("/clips/a.wav"), "mine", "mine-1", "anger", 2.0, 6.0)
FULL = Row(
    Path("/clips/b.wav"),
    "mine",
    "mine-2",
    "joy, or so",
    1.25,
    6.5,
    dominance=3.0,
    gender="female",
    split="test2",
    intensity="strong",
    ratings=7,
    valence_sd=0.5,
    arousal_sd=1.5,
    transcript='He said "no".',
    caption="very glad | over the moon",
    complete=False,
)
TEXT = st.text(st.characters(exclude_categories=["C", "Z"]), max_size=12)
PLACE = st.one_of(st.just(math.nan), st.integers(10_000, 70_000).map(lambda n: n / 10_000))


def text_of(*lines: str, header: str = "path,corpus,speaker,emotion,valence,arousal") -> str:
    return "\n".join([header, *lines]) + "\n"


def refused(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CorpusError) as caught:
        manifest.read(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_manifest_comes_back_as_it_was_written(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / "deep" / f"manifest.{suffix}"
    manifest.write([PLAIN, FULL], path)
    plain, full = manifest.read(path)
    assert full == FULL
    assert (plain.path, plain.affect, plain.labelled) == (PLAIN.path, PLAIN.affect, True)
    assert all(math.isnan(value) for value in (plain.dominance, plain.valence_sd, plain.arousal_sd))
    assert (plain.gender, plain.split, plain.caption, plain.ratings, plain.complete) == ("", "", "", 0, True)


@given(
    rows=st.lists(
        st.builds(
            Row,
            path=st.just(Path("/x/y.wav")),
            corpus=TEXT.filter(bool),
            speaker=TEXT.filter(bool),
            emotion=TEXT,
            valence=PLACE,
            arousal=PLACE,
            gender=st.sampled_from(manifest.GENDERS),
            ratings=st.integers(0, 99),
            transcript=TEXT,
            complete=st.booleans(),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_every_row_survives_both_formats(rows: list[Row], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("m")
    for name in ("a.csv", "a.parquet"):
        manifest.write(rows, folder / name)
        # repr, because nan is not equal to itself
        assert repr(manifest.read(folder / name)) == repr(rows)


def test_paths_are_relative_to_the_manifest(tmp_path: Path) -> None:
    manifest.write([replace(PLAIN, path=tmp_path / "wav" / "a.wav")], tmp_path / "lists" / "m.csv")
    with (tmp_path / "lists" / "m.csv").open(newline="") as file:
        assert next(csv.DictReader(file))["path"] == "../wav/a.wav"


def test_a_manifest_written_by_hand_needs_six_columns_only(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text(text_of("a.wav,mine,mine-1,anger,2,6", "b.wav,mine,mine-1,,,", ""), encoding="utf-8-sig")
    first, second = manifest.read(path)
    assert (first.path, first.affect) == (tmp_path / "a.wav", PLAIN.affect)
    assert not second.labelled


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a.wav,c,s,anger,sad,6", "line 2: valence must be a number, not 'sad'"),
        ("a.wav,c,s,anger,2,7.5", "line 2: arousal 7.5 is outside the scale 1..7"),
        ("a.wav,c,s,anger,inf,6", "line 2: valence must be a number"),
        (",c,s,anger,2,6", "line 2: the path is empty"),
        ("a.wav,,s,anger,2,6", "line 2: the corpus is empty"),
        ("a.wav,c,,anger,2,6", "line 2: the speaker is empty; write <corpus>-unknown"),
        ("a.wav,c,s,anger,2", "line 2 has 5 cells, the header 6"),
        ("a.wav,c,s,anger,2,6,7", "line 2 has 7 cells, the header 6"),
        ('a.wav,c,s,"anger,2,6', "cannot be read as a table"),
    ],
)
def test_a_bad_line_is_named_with_what_is_wrong(line: str, message: str, tmp_path: Path) -> None:
    assert message in refused(tmp_path / "m.csv", text_of(line))


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("dominance", "0.5"),
        ("valence_sd", "-1"),
        ("ratings", "2.5"),
        ("ratings", "-2"),
        ("gender", "F"),
        ("split", "eval"),
        ("complete", "perhaps"),
    ],
)
def test_optional_columns_are_held_to_their_values_too(column: str, value: str, tmp_path: Path) -> None:
    header = f"path,corpus,speaker,emotion,valence,arousal,{column}"
    message = refused(tmp_path / "m.csv", text_of(f"a.wav,c,s,anger,2,6,{value}", header=header))
    assert f"line 2: {column}" in message


def test_several_bad_lines_are_named_together_and_many_are_counted(tmp_path: Path) -> None:
    bad = [f"{n}.wav,c,s,anger,{n},6" for n in range(8, 38)]
    message = refused(tmp_path / "m.csv", text_of("a.wav,c,s,anger,2,6", *bad))
    assert "30 problems" in message
    assert "line 3: valence 8 " in message
    assert "line 22: " in message
    assert "and 10 more" in message


def test_a_manifest_without_a_column_or_without_rows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    assert "columns missing: arousal, emotion, speaker, valence" in refused(path, "path,corpus\na.wav,x\n")
    assert "more than one column is called 'path'" in refused(path, "path,path\na,b\n")
    assert "holds no clips" in refused(path, text_of())
    assert "columns missing" in refused(path, "")
    with pytest.raises(CorpusError, match="absent"):
        manifest.read(tmp_path / "absent.csv")


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    for name, content in (("m.csv", b"\xff\xfe\x00path"), ("m.parquet", b"no parquet")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(CorpusError, match=name):
            manifest.read(tmp_path / name)


def test_a_file_that_is_no_manifest_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "manifest.csv"
    path.write_text("file,complete\n03a01Fa.wav,1\n", encoding="utf-8")
    with pytest.raises(OutputError, match=r"manifest\.csv is no manifest"):
        manifest.write([PLAIN], path)
    assert path.read_text(encoding="utf-8").startswith("file,complete")
    for rows in ([PLAIN], [FULL]):
        manifest.write(rows, tmp_path / "again.csv")
    assert manifest.read(tmp_path / "again.csv") == [FULL]


def test_parquet_without_its_library_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest.write([PLAIN], tmp_path / "m.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"emotionrank\[parquet\]"):
        manifest.read(tmp_path / "m.parquet")
    with pytest.raises(MissingExtraError, match=r"emotionrank\[parquet\]"):
        manifest.write([PLAIN], tmp_path / "n.parquet")


def test_unknown_speakers_and_parts_are_told_apart() -> None:
    assert PLAIN.known_speaker
    assert not replace(PLAIN, speaker="mine-unknown").known_speaker
    roles = [replace(PLAIN, split=split).role for split in ("", "train", "development", "validation", "test", "test3")]
    assert roles == ["train", "train", "validation", "validation", "test", "test"]
