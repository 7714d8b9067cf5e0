"""`emotionrank corpus`: from folders and tables to manifests, and what is wrong with them."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from encoders.errors import OutputError
from model_export import manifest
from model_export.commands.corpus import corpus
from model_export.errors import CorpusError
from tests.model_export.conftest import speak


def run(*arguments: object) -> Result:
    return CliRunner().invoke(corpus, [str(argument) for argument in arguments])


def failed(*arguments: object) -> BaseException:
    result = run(*arguments)
    assert result.exception is not None
    return result.exception


def test_a_corpus_is_prepared_checked_and_drawn(nemo: Path, tmp_path: Path) -> None:
    output, plot = tmp_path / "nemo.parquet", tmp_path / "plane.svg"
    assert "3 clips of 2 speakers" in run("prepare", "nemo", nemo, "--output", output).output
    result = run("check", output, "--plot", plot, "--threads", 1)
    assert result.exit_code == 0
    assert "nothing is wrong" in result.output
    assert "surprise 1" in result.output
    assert plot.read_text(encoding="utf-8").count("<path") > 3


def test_check_lists_what_is_wrong_and_exits_with_1(nemo: Path, tmp_path: Path) -> None:
    output = tmp_path / "nemo.csv"
    run("prepare", "nemo", nemo, "--output", output)
    first = manifest.read(output)[0].path
    first.unlink()
    result = run("check", output)
    assert result.exit_code == 1
    assert "missing: 1" in result.output
    assert str(first) in result.output
    report = json.loads(run("check", output, "--json").stdout)
    assert (report["ok"], [problem["kind"] for problem in report["problems"]]) == (False, ["missing"])

    kept = tmp_path / "kept.csv"
    result = run("check", output, "--keep", kept)
    assert result.exit_code == 0
    assert "kept.csv: 2 of 3 clips" in result.output
    assert [row.path for row in manifest.read(kept)] == [row.path for row in manifest.read(output)[1:]]


def test_a_table_is_read_by_a_map_of_its_columns(tmp_path: Path) -> None:
    speak(tmp_path / "wav" / "a.wav", seed=1)
    table = tmp_path / "labels.csv"
    table.write_text("Clip;Val;Aro\na;5;100\n", encoding="utf-8")
    output = tmp_path / "m.csv"
    maps = ["--column", "path=Clip", "--column", "valence=Val", "--column", "arousal=Aro", "--constant", "corpus=mine"]
    scales = ["--scale", 1, 5, "--axis-scale", "arousal=0:100"]
    result = run("table", table, "--output", output, *maps, *scales, "--audio", tmp_path / "wav", "--delimiter", ";")
    assert "1 clips of 0 speakers, 1 of unknown speakers" in result.output
    (row,) = manifest.read(output)
    assert (row.corpus, row.speaker, row.affect) == ("mine", "mine-unknown", (7.0, 7.0))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--column", "valence"], "'valence' is no NAME=VALUE"),
        (["--column", "path=a", "--column", "path=b"], "path is given twice"),
        (["--axis-scale", "arousal=5"], "'5' is no scale"),
        (["--axis-scale", "arousal=0:inf"], "'0:inf' is no scale"),
    ],
)
def test_a_map_that_cannot_be_read_is_named(arguments: list[str], message: str, tmp_path: Path) -> None:
    error = failed("table", tmp_path / "t.csv", "--output", tmp_path / "m.csv", *arguments)
    assert isinstance(error, CorpusError)
    assert message in str(error)


def test_no_file_of_a_corpus_is_overwritten(emodb: Path, tmp_path: Path) -> None:
    before = (emodb / "manifest.csv").read_bytes()
    assert isinstance(failed("prepare", "emodb", emodb, "--output", emodb / "manifest.csv"), OutputError)
    assert (emodb / "manifest.csv").read_bytes() == before
    clip = next((emodb / "wav").iterdir())
    assert isinstance(failed("prepare", "emodb", emodb, "--output", clip), OutputError)
    # A table that could itself be taken for a manifest is kept too.
    table = emodb / "wav" / "labels.csv"
    table.write_text("path,corpus,speaker,emotion,valence,arousal\n03a01Fa,c,s,anger,2,6\n", encoding="utf-8")
    assert isinstance(failed("table", table, "--output", table), OutputError)


def test_a_picture_of_no_known_format_is_refused_before_anything_is_decoded(nemo: Path, tmp_path: Path) -> None:
    output = tmp_path / "nemo.csv"
    run("prepare", "nemo", nemo, "--output", output)
    error = failed("check", output, "--plot", tmp_path / "plane.wav")
    assert isinstance(error, OutputError)
    assert "no picture is drawn as '.wav'" in str(error)
