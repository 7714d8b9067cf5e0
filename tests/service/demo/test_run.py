"""`emotionrank demo`: from nothing, or from a folder of recordings, to a served library."""

import io
import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from rich.console import Console

from encoders import bundle as bundles
from encoders.encoder import Encoder
from index.build import build
from index.errors import LibraryInvalid, LibraryMismatch, LibraryNotFound
from index.open import open_store
from service.demo import run as demo
from service.demo import samples
from service.demo.run import DemoError, Prepared
from service.demo.speech import VOICES
from service.serving.listening import AddressUnusable, claim
from service.settings import Settings
from tests import sounds


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the settings of whoever runs the tests out of them."""
    for name in ("LIBRARY", "DATA", "HOST", "PORT"):
        monkeypatch.delenv(f"EMOTIONRANK_{name}", raising=False)


@pytest.fixture
def talk() -> Console:
    """Collect what the demo says while it works."""
    return Console(record=True, width=200, file=io.StringIO())


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hold three recordings, and one file that is none."""
    folder = tmp_path_factory.mktemp("recordings")
    for seed, container in enumerate(("wav", "flac", "ogg")):
        sound = sounds.media(sounds.voice(1.5, pitch=110 + 40 * seed, seed=seed), container)
        (folder / f"take {seed}.{container}").write_bytes(sound)
    (folder / "notes.wav").write_text("call her back")
    return folder


@pytest.fixture(scope="module")
def small_plan() -> Iterator[int]:
    """Shrink the grid of the sample clips to one column; how many clips that leaves."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(samples, "VALENCES", (4.0,))
        yield len(samples.plan())


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory, encoder: Encoder, small_plan: int) -> Prepared:
    """Prepare the demo over the few sample clips, once."""
    settings = Settings(data=tmp_path_factory.mktemp("data"))
    return demo.prepare(settings, None, encoder, Console(file=io.StringIO()))


@dataclass
class Running:
    """A demo in a process of its own: what it printed before it was waited for, and its URL."""

    process: "subprocess.Popen[str]"
    url: str
    text: str


# The command line, with one column of the grid of sample clips instead of five.
PROGRAM = "from service.demo import samples; samples.VALENCES = (4.0,); import emotionrank; emotionrank.main()"


def command(*options: str | Path) -> list[str]:
    return [sys.executable, "-c", PROGRAM, "demo", "--port", "0", *map(str, options)]


@contextmanager
def running(*options: str | Path) -> Iterator[Running]:
    """Start a demo and wait for its last line; stop it with Ctrl-C's signal."""
    with subprocess.Popen(command(*options), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines: list[str] = []
        try:
            for line in process.stdout:
                lines.append(line)
                if line.startswith("Ctrl-C"):
                    break
            text = "".join(lines)
            found = re.search(r"http://127\.0\.0\.1:\d+", text)
            assert found, f"it ended with code {process.wait()}: {text}"
            yield Running(process, found[0], text)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(20)


def test_the_spoken_clips_become_a_library(spoken: Prepared, encoder: Encoder, small_plan: int) -> None:
    assert spoken.clips == small_plan == 40
    assert spoken.synthetic
    with open_store(spoken.library, bundle=encoder.bundle) as store:
        clips = store.clips()
    assert {clip.metadata["voice"] for clip in clips} == {voice.name for voice in VOICES}
    assert {clip.metadata["target_arousal"] for clip in clips} == set(samples.AROUSALS)
    assert all(Path(clip.path).is_absolute() and Path(clip.path).is_file() for clip in clips)


def test_a_second_run_makes_nothing_again(spoken: Prepared, encoder: Encoder, talk: Console) -> None:
    data = Path(spoken.library).parent
    before = {path: path.stat().st_mtime_ns for path in data.rglob("*.wav")}
    again = demo.prepare(Settings(data=data), None, encoder, talk)
    assert (again.library, again.clips, again.clip.id) == (spoken.library, spoken.clips, spoken.clip.id)
    assert {path: path.stat().st_mtime_ns for path in data.rglob("*.wav")} == before


def test_own_recordings_are_served_and_the_printed_requests_work(recordings: Path, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("the requests are curl's")
    with running("--source", recordings, "--library", tmp_path / "library") as served:
        assert httpx.get(f"{served.url}/readyz").status_code == 200
        assert "Serving 3 clips at " in served.text
        assert demo.OWN_NOTICE in served.text
        requests = [line.strip() for line in served.text.splitlines() if line.startswith("  curl ")]
        search, describe, similar = (
            json.loads(subprocess.run(shlex.split(line), capture_output=True, check=True, timeout=30).stdout)
            for line in requests
        )
        assert len(search["hits"]) == 3
        assert 1 <= describe["affect"]["valence"] <= 7
        assert len(similar["hits"]) == 2
    assert served.process.returncode == 0


def test_a_second_run_over_own_recordings_adds_only_what_is_new(
    recordings: Path, tmp_path: Path, talk: Console, encoder: Encoder
) -> None:
    folder = tmp_path / "recordings"
    shutil.copytree(recordings, folder)
    settings = Settings(library=tmp_path / "library")
    assert demo.prepare(settings, folder, encoder, talk).clips == 3
    assert "notes.wav" in talk.export_text()
    (folder / "new.wav").write_bytes(sounds.media(sounds.voice(1, seed=9)))
    assert demo.prepare(settings, folder, encoder, talk).clips == 4


def test_it_says_that_the_voices_are_synthetic_and_the_model_acted(
    spoken: Prepared, capsys: pytest.CaptureFixture[str]
) -> None:
    demo._announce("http://x", prepared=spoken, answer=Console(soft_wrap=True), keys=False)
    said = capsys.readouterr().out
    assert "Serving 40 clips at http://x" in said
    assert "voices are synthetic" in said
    assert "trained on acted human speech" in said
    assert said.count("\n  curl ") == 3
    assert "Authorization" not in said


def test_where_keys_are_asked_for_the_requests_to_try_have_a_place_for_one(
    spoken: Prepared, capsys: pytest.CaptureFixture[str]
) -> None:
    demo._announce("http://x", prepared=spoken, answer=Console(soft_wrap=True), keys=True)
    said = capsys.readouterr().out
    assert said.count("\n  curl -s -H 'Authorization: Bearer YOUR-KEY' ") == said.count("\n  curl ") == 3


def test_a_taken_port_is_said_before_any_work(tmp_path: Path) -> None:
    with claim("127.0.0.1", 0) as bound:
        bound.listen()
        settings = Settings(data=tmp_path / "data", port=bound.getsockname()[1])
        with pytest.raises(AddressUnusable, match="EMOTIONRANK_PORT="):
            demo.run(settings)
    assert not (tmp_path / "data").exists()


def test_a_source_needs_a_library(recordings: Path, tmp_path: Path, talk: Console, encoder: Encoder) -> None:
    with pytest.raises(DemoError, match="--library DIR"):
        demo.prepare(Settings(data=tmp_path), recordings, encoder, talk)


def test_a_source_that_is_not_there_makes_no_library(tmp_path: Path, talk: Console, encoder: Encoder) -> None:
    with pytest.raises(DemoError, match="nowhere is not there"):
        demo.prepare(Settings(library=tmp_path / "library"), tmp_path / "nowhere", encoder, talk)
    assert not (tmp_path / "library").exists()


def test_a_source_without_a_recording_is_nothing_to_serve(tmp_path: Path, talk: Console, encoder: Encoder) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DemoError, match="nothing to serve"):
        demo.prepare(Settings(library=tmp_path / "library"), tmp_path / "empty", encoder, talk)


def test_spoken_clips_are_not_mixed_into_a_library_of_own_recordings(
    recordings: Path, tmp_path: Path, talk: Console, encoder: Encoder
) -> None:
    settings = Settings(library=tmp_path / "library", data=tmp_path / "data")
    demo.prepare(settings, recordings, encoder, talk)
    with pytest.raises(DemoError, match="3 clips of yours"):
        demo.prepare(settings, None, encoder, talk)
    with open_store(tmp_path / "library", bundle=encoder.bundle) as store:
        assert store.count().clips == 3
    assert not (tmp_path / "data").exists()


def test_a_clip_of_ones_own_does_not_lock_the_demo_out_of_its_library(
    spoken: Prepared, recordings: Path, tmp_path: Path, talk: Console, encoder: Encoder
) -> None:
    shutil.copytree(Path(spoken.library).parent, tmp_path / "data")
    with open_store(tmp_path / "data" / "library", bundle=encoder.bundle) as store:
        build(store, encoder, [recordings], threads=1)
    prepared = demo.prepare(Settings(data=tmp_path / "data"), None, encoder, talk)
    assert prepared.clips == spoken.clips + 3


def test_a_demo_library_of_another_bundle_says_what_to_delete(
    spoken: Prepared, tmp_path: Path, talk: Console, encoder: Encoder
) -> None:
    other = tmp_path / "bundle"
    shutil.copytree(encoder.bundle.path, other)
    info = json.loads((other / bundles.INFO).read_text())
    (other / bundles.INFO).write_text(json.dumps(info | {"version": "another"}))
    settings = Settings(data=Path(spoken.library).parent)
    with pytest.raises(LibraryMismatch, match=re.escape(f"delete {spoken.library}")):
        demo.prepare(settings, None, Encoder.load(other, threads=1), talk)


def test_data_that_cannot_be_written_is_one_clear_error(tmp_path: Path, talk: Console, encoder: Encoder) -> None:
    (tmp_path / "clips").write_text("a file where the folder should be")
    with pytest.raises(DemoError, match="EMOTIONRANK_DATA"):
        demo.prepare(Settings(data=tmp_path), None, encoder, talk)


def test_ctrl_c_while_it_speaks_ends_quietly_and_the_next_run_goes_on(tmp_path: Path) -> None:
    options = ("--data", tmp_path)
    with subprocess.Popen(command(*options), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while len(list((tmp_path / "clips").glob("*.wav"))) < 5:
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        said, told = process.communicate(timeout=20)
    assert process.returncode == demo.STOPPED
    assert said == ""
    assert "goes on from here" in told
    assert "Traceback" not in told
    made = len(list((tmp_path / "clips").glob("*.wav")))
    assert 5 <= made < 40
    assert not list((tmp_path / "clips").glob(".*"))


def test_ctrl_c_while_it_indexes_keeps_what_is_added(spoken: Prepared, tmp_path: Path, encoder: Encoder) -> None:
    library = tmp_path / "library"
    shutil.copytree(Path(spoken.library).parent / "clips", tmp_path / "clips")
    with subprocess.Popen(
        command("--data", tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        while count(library, encoder) < 3:
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        said, told = process.communicate(timeout=20)
    assert (process.returncode, said) == (demo.STOPPED, "")
    assert "Traceback" not in told
    with open_store(library, bundle=encoder.bundle) as store:
        assert 3 <= store.count().clips < spoken.clips
        assert store.verify() == []


def count(library: Path, encoder: Encoder) -> int:
    try:
        with open_store(library, bundle=encoder.bundle, read_only=True) as store:
            return store.count().clips
    except (LibraryNotFound, LibraryInvalid):  # not made yet, or in the making
        return 0
