"""The command line of the library, as a user runs it."""

import json
import re
import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import emotionrank
from encoders.affect import Affect
from encoders.encoder import Encoder
from encoders.windows import FORMER, SEGMENTATION
from index import build
from index.commands import shared
from index.encode import encode_clip
from index.local.library import LocalStore
from index.prompts import PromptBank
from index.query import AffectPart, AudioPart, ClipPart, Part, Query, Shift, TextPart, search
from index.records import Clip, NewClip
from index.region import Region
from tests import sounds
from tests.index import making

NAMES = ["calm.wav", "loud.wav", "high.wav"]


@dataclass
class Ran:
    """What a command did."""

    code: int
    output: str
    errors: str

    @property
    def json(self) -> Any:
        """What it printed, decoded."""
        return json.loads(self.output)


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run the command line's root, with its own handling of errors."""
    monkeypatch.delenv("EMOTIONRANK_LIBRARY", raising=False)

    def ran(*arguments: object) -> Ran:
        capfd.readouterr()
        monkeypatch.setattr("sys.argv", ["emotionrank", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            emotionrank.main()
        captured = capfd.readouterr()
        code = exit_.value.code
        return Ran(code if isinstance(code, int) else 0, captured.out, captured.err)

    return ran


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound")
    for number, name in enumerate(NAMES):
        (folder / name).write_bytes(sounds.media(sounds.voice(1.0, pitch=100 + 60 * number, seed=number)))
    (folder / "clips.csv").write_text("path,speaker\n" + "".join(f"{name},0{n}\n" for n, name in enumerate(NAMES)))
    return folder


@pytest.fixture(scope="module")
def library(sound: Path, encoder: Encoder) -> Path:
    path = sound / "library"
    with LocalStore.create(path, encoder.bundle) as store:
        for number, name in enumerate(NAMES):
            segments = list(encoder.segments(sound / name))
            new = making.clip(number, {"speaker": f"0{number}"}, duration=1.0)
            store.add(NewClip(new.sha256, name, str(sound / name), 1.0, new.metadata), segments)
    return path


def test_build_says_what_it_did(run: Any, sound: Path, tmp_path: Path) -> None:
    library = tmp_path / "library"
    first = run("index", "build", sound / "clips.csv", "--library", library)
    assert (first.code, first.errors) == (0, "")
    assert first.output.startswith("3 added, 0 updated, 0 there already, 0 failed, in ")
    second = run("index", "build", sound, "-l", library, "--json")
    assert (second.code, second.errors) == (0, "")
    assert {**second.json, "seconds": 0} == {
        "added": 0, "updated": 0, "skipped": 3, "replaced": 0, "failed": [], "seconds": 0, "interrupted": False,
    }  # fmt: skip


def test_a_failed_recording_is_named_on_stderr_with_exit_code_1(run: Any, sound: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.wav"
    empty.touch()
    ran = run("index", "build", sound / NAMES[0], empty, tmp_path / "gone.wav", "-l", tmp_path / "library", "--json")
    assert ran.code == 1
    assert ran.json["added"] == 1
    assert {Path(item["name"]).name for item in ran.json["failed"]} == {"empty.wav", "gone.wav"}
    assert sorted(line[:8] for line in ran.errors.splitlines()) == ["failed: ", "failed: "]
    assert "empty.wav" in ran.errors
    assert "gone.wav" in ran.errors


def test_a_build_whose_library_is_deleted_meanwhile_says_so_and_makes_nothing(
    run: Any, sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = tmp_path / "library"
    assert run("index", "build", sound / NAMES[0], "-l", library).code == 0

    def encode(*given: Any, **named: Any) -> Any:
        shutil.rmtree(library, ignore_errors=True)
        return encode_clip(*given, **named)

    monkeypatch.setattr(build, "encode_clip", encode)
    ran = run("index", "build", sound, "-l", library)
    assert ran.code == 2
    assert re.search(r"^error: .*library\.db was deleted while it was in use: .*Put it back", ran.errors, re.MULTILINE)
    assert "Traceback" not in ran.errors
    assert not library.exists()


def test_search_prints_a_table_or_json(run: Any, library: Path) -> None:
    ran = run("search", "an angry voice", "--library", library, "-k", 2)
    assert (ran.code, ran.errors) == (0, "")
    assert sum(name in ran.output for name in NAMES) == 2
    ran = run("search", "an angry voice", "--library", library, "--offset", 1, "--json")
    assert ran.json["offset"] == 1
    assert [hit["rank"] for hit in ran.json["hits"]] == [2, 3]
    (hit, *_) = ran.json["hits"]
    assert set(hit) == {"rank", "score", "clip", "start", "end", "affect"}
    assert hit["clip"]["name"] in NAMES
    assert set(hit["affect"]) == {"valence", "arousal"}


def scores(ran: Ran) -> list[tuple[str, float]]:
    assert (ran.code, ran.errors) == (0, "")
    return [(hit["clip"]["name"], round(hit["score"], 4)) for hit in ran.json["hits"]]


def clips_of(library: Path, encoder: Encoder) -> list[Clip]:
    with LocalStore.open(library, encoder.bundle, read_only=True) as store:
        return store.clips()


def found(library: Path, encoder: Encoder, bank: PromptBank, asked: Query) -> list[tuple[str, float]]:
    with LocalStore.open(library, encoder.bundle, read_only=True) as store:
        return [(hit.clip.name, round(hit.score, 4)) for hit in search(store, encoder, asked, bank)]


def test_every_part_of_a_query_has_a_flag(
    run: Any, sound: Path, library: Path, encoder: Encoder, bank: PromptBank
) -> None:
    clip, file = making.clip(1).id, sound / NAMES[2]
    flags = ["--like", f"0.7*{clip}", "--like", str(file), "--affect", "0.5*6, 2.5", "--with", "2*a warm voice"]
    flags += ["--without", "shouting", "--without", "0.5*a bored voice", "--with", "-0.2*loud"]
    expected: list[Part] = [
        TextPart("calm"),
        TextPart("a warm voice", 2.0),
        TextPart("loud", -0.2),
        TextPart("shouting", -0.5),
        TextPart("a bored voice", -0.25),
        ClipPart(clip, 0.7),
        AudioPart(file),
        AffectPart(Affect(6, 2.5), 0.5),
    ]
    ran = run("search", "calm", *flags, "-l", library, "--json")
    assert scores(ran) == found(library, encoder, bank, Query(expected))


def test_a_shift_and_distinct_have_flags(run: Any, library: Path, encoder: Encoder, bank: PromptBank) -> None:
    clip = making.clip(0).id
    flags = ["--like", clip, "--shift", "arousal=-1.5", "--shift", "valence=+1", "--distinct"]
    asked = Query([ClipPart(clip)], shift=Shift(valence=1, arousal=-1.5), distinct=True)
    assert scores(run("search", *flags, "-l", library, "--json")) == found(library, encoder, bank, asked)


def test_a_region_has_a_flag(run: Any, library: Path, encoder: Encoder, bank: PromptBank) -> None:
    middle = sorted(clip.affect.arousal for clip in clips_of(library, encoder))[1]
    flags = ["--region", f"arousal={middle - 0.01}..7", "--region", "valence=1 .. 7", "--segments"]
    asked = Query([TextPart("calm")], region=Region((1, 7), (middle - 0.01, 7)), group_by_clip=False)
    expected = found(library, encoder, bank, asked)
    assert scores(run("search", "calm", *flags, "-l", library, "--json")) == expected
    assert 0 < len(expected) < len(found(library, encoder, bank, Query([TextPart("calm")], group_by_clip=False)))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "what to search for? Say a PROMPT"),
        (["calm", "--region", "arousal=5"], "--region 'arousal=5' cannot be read: say once from where to where"),
        (["calm", "--region", "arousal=low..7"], "--region 'arousal=low..7' cannot be read"),
        (["calm", "--region", "arousal=1..2", "--region", "arousal=3..4"], "--region 'arousal=3..4' cannot be read"),
        (["calm", "--region", "arousal=7..5"], "the region's arousal begins at 7 and ends before that, at 5"),
        (["calm", "--region", "arousal=0..5"], "the region's arousal is from 0.0 to 5.0; the plane runs from 1 to 7"),
        (["--like", "nothing"], "--like 'nothing' cannot be read: it is neither a file nor the id of a clip"),
        (["--like", "0" * 16], "no clip '0000000000000000' in this library"),
        (["--affect", "5"], "--affect '5' cannot be read: say valence and arousal"),
        (["--affect", "5;2"], "--affect '5;2' cannot be read"),
        (["--affect", "high,low"], "--affect 'high,low' cannot be read"),
        (["--affect", "5,8"], "arousal is 8.0; the plane runs from 1 to 7"),
        (["calm", "--shift", "arousal"], "--shift 'arousal' cannot be read: say by how many points"),
        (["calm", "--shift", "dominance=1"], "--shift 'dominance=1' cannot be read: say once how far"),
        (["calm", "--shift", "arousal=1", "--shift", "arousal=2"], "--shift 'arousal=2' cannot be read"),
        (["calm", "--shift", "arousal=70"], "the shift of arousal is 70.0; it must be a number of points from -6 to 6"),
        (["0*calm", "--affect", "5,2"], "part 1 of the query has the weight 0.0"),
    ],
)
def test_a_query_that_cannot_be_read_is_wrong_use(run: Any, library: Path, flags: list[str], message: str) -> None:
    ran = run("search", *flags, "-l", library)
    assert (ran.code, ran.output) == (2, "")
    assert message in ran.errors


def test_facets_are_a_table_or_json(run: Any, library: Path) -> None:
    ran = run("index", "facets", "-l", library)
    assert (ran.code, ran.errors) == (0, "")
    assert "speaker" in ran.output
    assert "1 to 2" in ran.output  # seconds
    kept = run(
        "index", "facets", "-l", library, "--field", "speaker", "--filter", '{"speaker": {"gte": "01"}}', "--json"
    )
    assert kept.json["total"] == 2
    (speaker,) = kept.json["facets"]
    assert speaker["values"] == [{"value": "01", "clips": 1}, {"value": "02", "clips": 1}]
    few = run("index", "facets", "-l", library, "--field", "speaker", "--field", "nobody", "--limit", 1)
    assert "(2 more)" in few.output
    assert "(none)" in few.output
    assert '"00"' not in few.output
    assert run("index", "facets", "-l", library, "--field", "name").code == 2


def test_a_mistyped_field_is_pointed_out(run: Any, library: Path) -> None:
    hint = "no clip has the field 'speeker'. Did you mean 'speaker'?"
    mistyped = ["-l", library, "--filter", '{"speeker": "01"}']
    ran = run("search", "a calm voice", *mistyped)
    assert (ran.code, ran.output, ran.errors) == (0, "", f"no hits\nhint: {hint}\n")
    ran = run("search", "a calm voice", *mistyped, "--json")
    assert (ran.code, ran.errors, ran.json["hits"], ran.json["hints"]) == (0, "", [], [hint])
    assert f"hint: {hint}" in run("index", "facets", *mistyped).errors


def test_search_takes_a_filter(run: Any, library: Path) -> None:
    ran = run("search", "a calm voice", "-l", library, "--filter", '{"speaker": {"in": ["01", "02"]}}', "--json")
    assert {hit["clip"]["metadata"]["speaker"] for hit in ran.json["hits"]} == {"01", "02"}
    ran = run("search", "a calm voice", "-l", library, "--filter", '{"speaker": "99"}')
    assert (ran.code, ran.output, ran.errors) == (0, "", "no hits\n")
    ran = run("search", "a calm voice", "-l", library, "--filter", "speaker=01")
    assert (ran.code, ran.output) == (2, "")
    assert ran.errors.startswith("error: the filter is no JSON")


def test_info_and_verify(run: Any, library: Path, encoder: Encoder) -> None:
    ran = run("index", "info", "-l", library, "--json")
    assert (ran.json["clips"], ran.json["bundle"]["fingerprint"]) == (3, encoder.bundle.fingerprint)
    assert sum(ran.json["valence"]) == sum(ran.json["arousal"]) == 3
    ran = run("index", "info", "-l", library)
    assert encoder.bundle.info.name in ran.output
    ran = run("index", "verify", "-l", library)
    assert (ran.code, ran.output[:8]) == (0, "no drift")
    assert run("index", "verify", "-l", library, "--json").json == {"ok": True, "drift": []}


def test_a_library_is_compacted_rebuilt_and_backed_up(
    run: Any, library: Path, encoder: Encoder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    copy = tmp_path / "copy"
    ran = run("index", "backup", copy, "-l", library)
    assert (ran.code, ran.errors) == (0, "")
    assert ran.output.startswith(f"{copy}: ")
    ran = run("index", "compact", "-l", copy, "--json")
    assert (ran.code, ran.errors) == (0, "")
    assert (ran.json["clips"], ran.json["changes"], ran.json["kind"], ran.json["recall"]) == (3, 3, "exact", 1.0)
    ran = run("index", "rebuild", "-l", copy, "--recall", 0.9, "--memory", 0.5)
    assert (ran.code, ran.errors) == (0, "")
    assert "3 clips, 0 changes folded in" in ran.output
    assert "recall@10 1.000" in ran.output
    info = run("index", "info", "-l", copy, "--json").json["index"]
    assert (info["kind"], info["changes"], info["tail"], info["problem"]) == ("exact", 0, 0, None)
    assert info["memory"]["mapped"] == ran_segments(run, copy) * 2 * encoder.bundle.info.embedding_dim
    assert "since then 0 changes" in run("index", "info", "-l", copy).output
    assert run("index", "verify", "--audio", "-l", copy, "--json").json["ok"]
    ran = run("index", "backup", copy, "-l", library, "--json")
    assert ran.code == 2
    assert "is there already" in ran.errors
    (copy / "snapshots" / "current.json").write_text("{")
    ran = run("search", "a calm voice", "-l", copy, "--json")
    assert (ran.code, len(ran.json["hits"])) == (0, 3)
    assert "does not name a snapshot" in caplog.text
    assert "not used: " in run("index", "info", "-l", copy).output
    assert run("index", "verify", "-l", copy).code == 1


def ran_segments(run: Any, library: Path) -> int:
    return int(run("index", "info", "-l", library, "--json").json["segments"])


def test_a_build_compacts_once_that_pays(
    run: Any, sound: Path, library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("index.local.compaction.WORTHWHILE", 2)
    monkeypatch.setattr("index.commands.compacting._LONG", 0)
    ran = run("index", "build", sound / "clips.csv", "-l", tmp_path / "library")
    assert ran.code == 0
    assert ran.errors.startswith("exact: about 1 s to make; searching takes ")
    assert "compacted " in ran.errors
    assert run("index", "info", "-l", tmp_path / "library", "--json").json["index"]["changes"] == 0
    assert run("index", "build", sound / "clips.csv", "-l", tmp_path / "library").errors == ""


def test_verify_ends_with_1_on_drift_but_only_names_missing_sound(run: Any, tmp_path: Path) -> None:
    with LocalStore.create(tmp_path, making.bundle()) as store:
        store.add(making.clip(1), making.segments(making.unit(np.random.default_rng(0), 2)))
    ran = run("index", "verify", "-l", tmp_path)
    assert ran.code == 0
    assert ran.output.startswith("audio: clip ")
    with sqlite3.connect(tmp_path / "library.db") as connection:
        connection.execute("DELETE FROM segments WHERE id = 1")
    connection.close()
    ran = run("index", "verify", "-l", tmp_path, "--json")
    assert ran.code == 1
    assert ran.json["ok"] is False
    assert {item["kind"] for item in ran.json["drift"]} == {"audio", "catalog"}


def test_describe_prints_words_or_json(run: Any, sound: Path) -> None:
    ran = run("describe", sound / NAMES[0], sound / NAMES[1], "-c", "a calm voice")
    assert (ran.code, ran.errors) == (0, "")
    assert len(re.findall(r"^(?:Sounds|May sound|Hard to tell) .*\.$", ran.output, re.MULTILINE)) == 2
    assert "a calm voice" in ran.output
    ran = run("describe", sound / NAMES[0], sound / "gone.wav", "--json")
    assert ran.code == 1
    assert "gone.wav" in ran.errors
    (found,) = ran.json["descriptions"]
    assert found["file"].endswith(NAMES[0])
    assert set(found) == {
        "file", "duration", "affect", "affect_interval", "summary", "confidence", "doubts", "voiced", "terms",
        "terms_calibrated_on", "prompts", "candidates", "timeline", "changes",
    }  # fmt: skip


def test_a_name_that_is_not_unicode_spoils_no_output(run: Any, tmp_path: Path) -> None:
    odd = tmp_path / "\udcff.wav"
    odd.write_bytes(sounds.media(sounds.voice(0.5)))
    ran = run("index", "build", odd, "-l", tmp_path / "library", "--json")
    assert ran.code == 1
    assert ran.json["failed"][0]["name"].endswith("\udcff.wav")
    ran = run("describe", odd)
    assert ran.code == 0
    assert "?.wav" in ran.output


def test_wrong_use_ends_with_2_and_a_library_that_cannot_be_used_too(
    run: Any, sound: Path, tmp_path: Path, library: Path
) -> None:
    ran = run("search", "a calm voice", "-l", tmp_path)
    assert ran.code == 2
    assert "is a folder, but no library" in ran.errors
    with LocalStore.create(tmp_path / "other", making.bundle("other")):
        pass
    ran = run("index", "build", sound, "-l", tmp_path / "other")
    assert ran.code == 2
    assert "was made with the bundle other 1" in ran.errors
    assert run("search", "x", "-l", library, "-k", 0).code == 2
    assert run("index", "build", "-l", library).code == 2
    ran = run("search", "  ", "-l", library)
    assert ran.code == 2
    assert "prompt is empty" in ran.errors


def test_the_library_may_be_named_in_the_environment(run: Any, library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOTIONRANK_LIBRARY", str(library))
    assert run("index", "info", "--json").json["clips"] == 3


@pytest.mark.parametrize(
    "words",
    [
        ["index"],
        ["index", "build"],
        ["search"],
        ["describe"],
        ["index", "verify"],
        ["index", "compact"],
        ["index", "backup"],
    ],
)
def test_every_command_has_help(words: list[str]) -> None:
    result = CliRunner().invoke(emotionrank.app, [*words, "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.output


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.2, "about 1 s"), (42, "about 42 s"), (600, "about 10 min"), (9000, "about 2.5 h")]
)
def test_times_that_are_estimated_are_said_roughly(seconds: float, said: str) -> None:
    assert shared.in_time(seconds) == said


def test_info_names_how_the_segments_were_cut(run: Any, sound: Path, tmp_path: Path) -> None:
    library = tmp_path / "library"
    run("index", "build", sound / NAMES[0], "-l", library)
    assert run("index", "info", "-l", library, "--json").json["segmentation"] == [SEGMENTATION]
    with sqlite3.connect(library / "library.db") as connection:
        connection.execute("UPDATE library SET value = ? WHERE key = 'segmentation'", (f"{FORMER} {SEGMENTATION}",))
    connection.close()
    output = " ".join(run("index", "info", "-l", library).output.split())
    assert f"{FORMER}, {SEGMENTATION} (now {SEGMENTATION}; only a library that is built anew" in output
