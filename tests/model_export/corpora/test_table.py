"""Any table of labelled clips becomes a manifest, or is refused with the lines that stand in the way."""

import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoders.affect import Affect
from model_export.corpora import table
from model_export.emotions import affect_of
from model_export.errors import CorpusError
from model_export.manifest import Row
from tests.model_export.conftest import speak

HEADER = "Clip,Who,Sex,EmoVal,EmoAct,EmoSd,Label,Part,Text"
COLUMNS = {
    "path": "Clip",
    "speaker": "Who",
    "gender": "Sex",
    "valence": "EmoVal",
    "arousal": "EmoAct",
    "valence_sd": "EmoSd",
    "emotion": "Label",
    "split": "Part",
    "transcript": "Text",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, name in enumerate(["a.wav", "b.wav", "sub/c.wav"]):
        speak(tmp_path / name, seed=number)
    return tmp_path


def write(folder: Path, *lines: str, header: str = HEADER, name: str = "Labels.csv") -> Path:
    path = folder / name
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def refused(path: Path, **settings: Any) -> str:
    with pytest.raises(CorpusError) as caught:
        table.rows(path, **settings)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_columns_constants_and_a_scale_make_rows(folder: Path) -> None:
    path = write(folder, 'a.wav,07,F,1,5,1,Angry,Dev,"Well, no."', "sub/c.mp3,,x,3,,,odd,train,")
    first, second = table.rows(path, COLUMNS, {"corpus": "mine", "ratings": "3"}, scales=(1.0, 5.0))
    assert first == Row(
        folder / "a.wav",
        "mine",
        "mine-07",
        "anger",
        1.0,
        7.0,
        gender="female",
        split="development",
        ratings=3,
        valence_sd=1.5,
        arousal_sd=first.arousal_sd,
        dominance=first.dominance,
        transcript="Well, no.",
    )
    assert (second.path, second.speaker, second.emotion) == (folder / "sub" / "c.wav", "mine-unknown", "odd")
    assert (second.valence, second.labelled, second.known_speaker) == (4.0, False, False)


def test_columns_of_a_manifests_own_names_need_no_map_and_the_corpus_is_the_table(folder: Path) -> None:
    (row,) = table.rows(write(folder, "a,2,6", header="path,valence,arousal"))
    assert (row.path, row.corpus, row.speaker, row.affect) == (
        folder / "a.wav",
        "labels",
        "labels-unknown",
        Affect(2, 6),
    )


def test_each_axis_may_have_its_own_scale_and_a_scale_may_run_the_other_way(folder: Path) -> None:
    path = write(folder, "a.wav,100,1,3", header="path,valence,arousal,dominance")
    (row,) = table.rows(path, scales={"valence": (0.0, 100.0), "arousal": (5.0, 1.0)})
    assert (row.valence, row.arousal, row.dominance) == (7.0, 7.0, 3.0)


@given(value=st.floats(-3, 11), low=st.just(-3.0), high=st.just(11.0))
def test_any_label_on_its_scale_lands_on_ours(value: float, low: float, high: float) -> None:
    place = table._label("valence", repr(value), (low, high))
    assert 1.0 <= place <= 7.0
    assert place == pytest.approx(1 + 6 * (value - low) / (high - low), abs=1e-9)


def test_parquet_and_tabs_are_tables_too(folder: Path) -> None:
    from_tabs = table.rows(write(folder, "a.wav\t2\t6", header="path\tvalence\tarousal", name="l.tsv"))
    from_semicolons = table.rows(write(folder, "a.wav;2;6", header="path;valence;arousal"), delimiter=";")
    pq.write_table(pa.table({"path": ["a.wav"], "valence": [2.0], "arousal": [6]}), folder / "l.parquet")
    from_parquet = table.rows(folder / "l.parquet")
    for (row,) in (from_tabs, from_semicolons, from_parquet):
        assert (row.path, row.affect) == (folder / "a.wav", Affect(2, 6))


def test_without_valence_and_arousal_a_known_emotion_gives_them(folder: Path) -> None:
    path = write(folder, "a.wav,happy", "b.wav,Fear", header="path,emotion")
    happy, afraid = table.rows(path)
    assert (happy.affect, afraid.affect) == (affect_of("happiness"), affect_of("fear"))
    path = write(folder, "a.wav,happy", "b.wav,meh", header="path,emotion")
    assert "line 3: no valence and arousal, and the emotion 'meh' has none" in refused(path)


def test_audio_may_lie_elsewhere(folder: Path, tmp_path: Path) -> None:
    path = write(folder, "c,2,6", header="path,valence,arousal")
    assert "line 2" in refused(path)
    assert table.rows(path, audio=folder / "sub")[0].path == folder / "sub" / "c.wav"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a.wav,1,m,0.5,3,,x,,", "valence 0.5 is outside the scale 1..5"),
        ("a.wav,1,m,5.01,3,,x,,", "valence 5.01 is outside the scale 1..5"),
        ("a.wav,1,m,good,3,,x,,", "valence must be a number, not 'good'"),
        ("a.wav,1,m,2,inf,,x,,", "arousal must be a number, not 'inf'"),
        ("a.wav,1,m,2,3,wide,x,,", "valence_sd must be a number, not 'wide'"),
        ("a.wav,1,m,2,3,-1,x,,", "valence_sd -1.5 is negative"),
        ("a.wav,1,m,2,3,,x,half,", "split 'half' is not train"),
        ("z.wav,1,m,2,3,,x,,", "z.wav is not there"),
        (",1,m,2,3,,x,,", "the path is empty"),
        ("b.wav,1,m,2,3,,x,,", "b.wav is listed above already"),
    ],
)
def test_a_bad_line_is_named_with_what_is_wrong(folder: Path, line: str, message: str) -> None:
    path = write(folder, "b.wav,1,m,2,3,,x,,", line)
    assert f"line 3: {message}" in refused(path, columns=COLUMNS, scales=(1.0, 5.0)).replace(f"{folder}/", "")


def test_several_bad_lines_are_named_together(folder: Path) -> None:
    path = write(folder, "a.wav,9,3", "b.wav,2,x", "sub/c.wav,2,3", header="path,valence,arousal")
    message = refused(path)
    assert "2 problems" in message
    assert "line 2: valence 9" in message
    assert "line 3: arousal" in message


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"columns": {"valance": "EmoVal"}}, "no field valance; there are path, corpus"),
        ({"columns": {"valence": "EmoValence"}}, "columns missing: EmoValence"),
        ({"columns": {"valence": "EmoVal"}, "constants": {"valence": "4"}}, "valence cannot come from a column and"),
        ({"scales": {"mood": (1.0, 5.0)}}, "only valence, arousal, dominance have a scale, not mood"),
        ({"scales": (3.0, 3.0)}, "needs two different ends"),
        ({"scales": (0.0, math.inf)}, "needs two different ends"),
    ],
)
def test_a_map_that_does_not_fit_is_refused(folder: Path, settings: dict[str, Any], message: str) -> None:
    path = write(folder, "a.wav,2", header="path,EmoVal")
    assert message in refused(path, **settings)


def test_a_table_without_paths_or_without_lines_is_refused(folder: Path) -> None:
    assert "columns missing: path" in refused(write(folder, "a.wav", header="file"))
    assert "holds no clips" in refused(write(folder, header="path,valence,arousal"))
