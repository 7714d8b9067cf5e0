"""The command line over libraries in Milvus."""

from pathlib import Path
from typing import Any

import pytest

from index.open import open_store
from tests.index.test_commands import library, run, sound

__all__ = ["library", "run", "sound"]  # fixtures


def test_every_command_takes_a_library_in_milvus(run: Any, sound: Path, milvus: str, tmp_path: Path) -> None:
    address = f"{milvus}commands"
    for shard, count in (("1/2", None), ("2/2", None), ("1/1", 0)):
        ran = run("index", "build", sound / "clips.csv", "--library", address, "--shard", shard, "--json")
        assert ran.code == 0, ran.errors
        assert count is None or ran.json["added"] == count
    shown = run("index", "info", "-l", address, "--json").json
    assert (shown["kind"], shown["clips"], shown["library"], shown["bytes"]) == ("milvus", 3, address, None)
    assert "not known" in run("index", "info", "-l", address).output
    found = run("search", "a calm voice", "-l", address, "--filter", '{"speaker": "01"}', "--json").json
    assert [hit["clip"]["metadata"] for hit in found["hits"]] == [{"speaker": "01"}]
    for command in ("verify", "compact", "rebuild"):
        ran = run("index", command, "-l", address)
        assert ran.code == 0, ran.errors
    ran = run("index", "backup", tmp_path / "backup", "-l", address)
    assert (ran.code, "index copy" in ran.errors) == (2, True)


def test_a_library_is_copied_there_and_back(run: Any, library: Path, milvus: str, tmp_path: Path) -> None:
    address = f"{milvus}copied"
    there = run("index", "copy", library, address, "--json")
    assert there.code == 0, there.errors
    assert (there.json["added"], there.json["failed"]) == (3, [])
    back = run("index", "copy", address, tmp_path / "back")
    assert back.code == 0, back.errors
    assert back.output.startswith("3 clips added, 0 updated, 0 were there already, 0 failed")
    with open_store(library, bundle=None) as one, open_store(tmp_path / "back", bundle=None) as other:
        assert [clip.id for clip in one.clips()] == [clip.id for clip in other.clips()]
    again = run("index", "copy", library, library)
    assert (again.code, "the same library" in again.errors) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["index", "info", "-l", "milvus://127.0.0.1:1/x"], "cannot be reached"),
        (["index", "info", "-l", "milvus://me:geheim@host/x"], "EMOTIONRANK_MILVUS_TOKEN"),
        (["index", "build", "x", "-l", "library", "--shard", "5/4"], "must be i/n"),
    ],
)
def test_wrong_use_is_named_without_a_traceback(run: Any, arguments: list[str], message: str) -> None:
    ran = run(*arguments)
    assert ran.code == 2
    assert message in ran.errors
    assert "Traceback" not in ran.errors
    assert "geheim" not in ran.errors
