"""The whole way, as users go it: the program in a process of its own, with keys, and the Python client."""

import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from service.access.keys import new_key
from service.client import Client, ProblemError, Retries
from tests.service.test_serve import served

Speech = Callable[..., bytes]


def test_a_team_shares_a_library(speech: Speech, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer, writers = new_key("writer", ["read", "write"])
    reader, readers = new_key("reader", ["read"])
    monkeypatch.setenv("EMOTIONRANK_KEYS", f"{writers.line()} {readers.line()}")
    folder = tmp_path / "recordings"
    folder.mkdir()
    for number, container in enumerate(("wav", "flac", "mp3", "ogg", "m4a", "webm")):
        (folder / f"{number}.{container}").write_bytes(speech(seed=number, container=container))
    (folder / "notes.txt").write_text("no recording")
    with served("--library", str(tmp_path / "library")) as (_, address):
        with Client(address, key=writer) as client:
            client.wait_until_ready()
            results = list(client.add_all(sorted(folder.iterdir()), {"team": "red"}))
            assert [result.status for result in results] == ["added"] * 6 + ["failed"]
        with Client(address, key=reader) as client:
            best = client.search("a calm voice", k=1, filter={"team": "red"}).hits[0].clip
            assert client.save_audio(best.id, tmp_path / best.name) == (folder / best.name).stat().st_size
            assert client.similar(best.id).hits[0].clip.id != best.id
            assert client.describe(tmp_path / best.name).affect == best.affect
            with pytest.raises(ProblemError) as refused:
                client.delete(best.id)
            assert (refused.value.status, refused.value.code) == (403, "key-insufficient")
            assert refused.value.request_id
        for key in (None, "er_nonsense"):
            with Client(address, key=key) as client, pytest.raises(ProblemError) as refused:
                client.search("calm")
            assert refused.value.status == 401
            assert key is None or key not in str(refused.value)


def test_a_restart_is_no_more_than_a_pause(speech: Speech, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = ("--library", str(tmp_path / "library"), "--port", str(port))
    stop = threading.Event()
    answers: list[int] = []

    def ask() -> None:
        with Client(f"http://127.0.0.1:{port}", retries=Retries(most=200, first=0.05, longest=0.5)) as client:
            while not stop.is_set():
                answers.append(len(client.search("calm").hits))

    with served(*command) as (child, address), Client(address) as client:
        client.wait_until_ready()
        client.add(speech())
        asking = threading.Thread(target=ask)
        asking.start()
        wait_for(lambda: len(answers) >= 3, asking)
        child.send_signal(signal.SIGKILL)
        child.wait()
    before = len(answers)
    with served(*command):
        wait_for(lambda: len(answers) >= before + 3, asking)
        stop.set()
        asking.join(30)
    assert set(answers) == {1}


def wait_for(met: Callable[[], bool], asking: threading.Thread) -> None:
    until = time.monotonic() + 60
    while not met():
        assert asking.is_alive(), "a search failed"
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.slow
def test_an_upload_is_streamed_and_not_held(tmp_path: Path) -> None:
    large = tmp_path / "large.wav"
    with large.open("wb") as file:
        file.truncate(200 * 2**20)
    command = ("--library", str(tmp_path / "library"), "--max-upload-mb", "300")
    with served(*command) as (child, address), Client(address) as client:
        client.wait_until_ready()
        held = [psutil.Process(), psutil.Process(child.pid)]
        before = [process.memory_info().rss for process in held]
        with pytest.raises(ProblemError) as refused:
            client.describe(large)
        assert refused.value.code == "audio-unreadable"
        after = [process.memory_info().rss for process in held]
    assert all(now - then < 100 * 2**20 for then, now in zip(before, after, strict=True))
