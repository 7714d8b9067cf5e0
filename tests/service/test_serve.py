"""`emotionrank serve`, the real program in a process of its own."""

import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from typer.main import get_command

from encoders.encoder import Encoder
from encoders.errors import EmotionRankError, InputError
from index.open import open_store
from service import commands
from tests.service.conftest import problem_of
from tests.sounds import media, voice

SERVE = [sys.executable, "-m", "emotionrank", "serve"]


@contextmanager
def served(*arguments: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """Start the program on a free port; give the process and its URL."""
    child = subprocess.Popen(
        [*SERVE, "--port", "0", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with child:
        try:
            assert child.stdout is not None
            line = child.stdout.readline()
            found = re.search(r"http://\S+", line)
            if found is None:
                child.kill()
                pytest.fail(f"no URL in {line!r}; stderr: {child.stderr.read() if child.stderr else ''}")
            yield child, found[0]
        finally:
            child.kill()


def test_it_serves_says_where_and_ends_cleanly(tmp_path: Path) -> None:
    library = tmp_path / "library"
    with served("--library", str(library)) as (child, url):
        assert child.stdout is not None
        assert f"{url}/docs" in child.stdout.readline()
        with httpx.Client(base_url=url, timeout=30) as client:
            assert client.post("/v1/clips", files={"files": ("voice.wav", media(voice(1)))}).status_code == 201
            assert client.post("/v1/search", json={"query": "calm"}).json()["hits"]
        child.send_signal(signal.SIGTERM)
        assert child.wait(20) == 0
        assert child.stderr is not None
        assert child.stderr.read() == ""
    with open_store(library, bundle=None) as store:
        assert store.count().clips == 1
        assert store.verify() == []


def test_a_taken_port_is_one_clear_line_and_makes_nothing(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        done = subprocess.run(
            [*SERVE, "--library", str(tmp_path / "library"), "--port", port], capture_output=True, text=True
        )
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: Port {port}")
    assert done.stdout == ""
    assert not (tmp_path / "library").exists()


def test_a_library_that_is_deleted_under_it_is_said_and_not_made_anew(tmp_path: Path) -> None:
    library = tmp_path / "library"
    with served("--library", str(library)) as (child, url), httpx.Client(base_url=url, timeout=60) as client:
        file = {"files": ("voice.wav", media(voice(1)))}
        assert client.post("/v1/clips", files=file).status_code == 201
        shutil.rmtree(library)
        problem_of(client.post("/v1/search", json={"query": "calm"}), 503, "library-away")
        problem_of(client.post("/v1/clips", files=file), 503, "library-away")
        while client.get("/readyz").status_code == 200:  # it looks every two seconds
            time.sleep(0.1)
        assert "library-away" in problem_of(client.get("/readyz"), 503, "not-ready")["detail"]
        assert client.get("/healthz").status_code == 200
        child.send_signal(signal.SIGTERM)
        assert child.wait(60) == 0
        assert child.stderr is not None
        assert "Traceback" not in child.stderr.read()
    assert not library.exists()


def refused(*arguments: str) -> EmotionRankError:
    """Run the command in this process and return the error that the command line's root would print."""
    with pytest.raises(EmotionRankError) as caught:
        get_command(commands.serve)(["--port", "0", *arguments], standalone_mode=False)
    assert not isinstance(caught.value, InputError)
    return caught.value


def test_a_library_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EMOTIONRANK_LIBRARY", raising=False)
    assert "--library" in str(refused())


def test_a_setting_that_is_out_of_range_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "--max-files" in str(refused("--library", str(tmp_path), "--max-files", "0"))
    monkeypatch.setenv("EMOTIONRANK_MAX_DURATION", "nan")
    assert "max-duration" in str(refused("--library", str(tmp_path)))


def test_a_library_of_another_bundle_is_refused(tmp_path: Path, encoder: Encoder) -> None:
    library, other = tmp_path / "library", tmp_path / "bundle"
    open_store(library, bundle=encoder.bundle, create=True).close()
    shutil.copytree(encoder.bundle.path, other)
    info = other / "bundle.json"
    info.write_text(info.read_text().replace('"version"', ' "version"', 1))
    error = refused("--library", str(library), "--bundle", str(other))
    assert error.code == "library-mismatch"
    assert str(library) in str(error)


def test_a_bundle_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert refused("--library", str(tmp_path / "l"), "--bundle", str(tmp_path)).code == "bundle-not-found"


def test_a_file_where_the_library_should_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert refused("--library", str(tmp_path / "file")).code == "library-invalid"
