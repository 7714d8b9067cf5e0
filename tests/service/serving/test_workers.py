"""`serve --workers N`: real processes on one port and one library."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psutil
import pytest

from encoders.sessions import available_cpus
from index.open import open_store
from service.settings import Settings
from tests.service.test_serve import served
from tests.sounds import media, voice

WORKERS = 2

pytestmark = pytest.mark.timeout(400)  # programs take long to start on a busy machine

Service = tuple["subprocess.Popen[str]", str, Path]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service of two workers over a library of its own."""
    library = tmp_path_factory.mktemp("workers") / "library"
    with served("--library", str(library), "--workers", str(WORKERS), "--threads", "1") as (child, url):
        for worker in workers(child):
            each(url, [worker], lambda client: client.get("/readyz").status_code == 200)
        yield child, url, library


def workers(child: "subprocess.Popen[str]") -> list[int]:
    """Give the processes that listen, but for the parent."""
    until = time.monotonic() + 60
    while True:
        found = []
        for process in psutil.Process(child.pid).children():
            with suppress(psutil.Error):
                if "spawn_main" in " ".join(process.cmdline()) and process.net_connections("tcp"):
                    found.append(process.pid)
        if len(found) == WORKERS:
            return sorted(found)
        assert time.monotonic() < until, found
        time.sleep(0.1)


@contextmanager
def connected(url: str, worker: int) -> Iterator[httpx.Client]:
    """Give a client whose connection was accepted by that worker."""
    until = time.monotonic() + 60
    while True:
        with httpx.Client(base_url=url, timeout=60) as client:
            client.get("/healthz")
            if _accepted(client, worker):
                yield client
                return
        assert time.monotonic() < until, f"{worker} accepts nothing"


def _accepted(client: httpx.Client, worker: int) -> bool:
    (connection,) = client._transport._pool.connections  # type: ignore[attr-defined]
    own = connection._connection._network_stream.get_extra_info("client_addr")
    with suppress(psutil.Error):
        theirs = psutil.Process(worker).net_connections("tcp")
        return any(found.raddr and tuple(found.raddr[:2]) == tuple(own[:2]) for found in theirs)
    return False


def each(url: str, those: list[int], does: Callable[[httpx.Client], bool]) -> None:
    for worker in those:
        with connected(url, worker) as client:
            assert does(client), worker


def add(client: httpx.Client, sound: bytes) -> dict[str, str]:
    answer = client.post("/v1/clips", files={"files": ("voice.wav", sound)})
    assert answer.status_code in (200, 201), answer.text
    result = answer.json()["results"][0]
    return {"status": result["status"], "id": result["clip"]["id"]}


def test_what_one_worker_writes_the_others_see_at_once(service: Service) -> None:
    child, url, _ = service
    first, second = workers(child)
    with connected(url, first) as one, connected(url, second) as other:
        for writer, reader, seed in ((one, other, 1), (other, one, 2)):
            clip = add(writer, media(voice(1, seed=seed)))["id"]
            hits = reader.post("/v1/search", json={"query": "calm"}).json()["hits"]
            assert clip in [hit["clip"]["id"] for hit in hits]
            assert reader.get(f"/v1/clips/{clip}/audio").status_code == 200
            assert writer.delete(f"/v1/clips/{clip}").status_code == 204
            assert reader.get(f"/v1/clips/{clip}").status_code == 404
            assert reader.post("/v1/search", json={"query": "calm"}).json()["hits"] == []


def test_one_file_added_through_two_workers_at_once_is_one_clip(service: Service) -> None:
    child, url, library = service
    first, second = workers(child)
    with connected(url, first) as one, connected(url, second) as other, ThreadPoolExecutor(2) as pool:
        for seed in range(10, 14):
            sound = media(voice(0.5, seed=seed))
            found = [task.result() for task in [pool.submit(add, client, sound) for client in (one, other)]]
            assert sorted(result["status"] for result in found) == ["added", "exists"]
            assert found[0]["id"] == found[1]["id"]
    with open_store(library, bundle=None) as store:
        assert store.verify(audio=True) == []


def test_adding_and_deleting_one_clip_at_once_leaves_no_record_without_audio(service: Service) -> None:
    child, url, library = service
    first, second = workers(child)
    sound = media(voice(0.5, seed=20))
    with connected(url, first) as one, connected(url, second) as other, ThreadPoolExecutor(2) as pool:
        clip = add(one, sound)["id"]
        for _ in range(8):
            adding = pool.submit(add, one, sound)
            deleting = pool.submit(other.delete, f"/v1/clips/{clip}")
            assert adding.result()["id"] == clip
            assert deleting.result().status_code in (204, 404)
            known = one.get(f"/v1/clips/{clip}").status_code
            assert other.get(f"/v1/clips/{clip}/audio").status_code == known
    with open_store(library, bundle=None) as store:
        assert store.verify(audio=True) == []


def test_a_killed_worker_is_replaced_and_the_service_goes_on(service: Service) -> None:
    child, url, _ = service
    with connected(url, workers(child)[1]) as client:
        clip = add(client, media(voice(1, seed=30)))["id"]
    before = workers(child)
    os.kill(before[0], signal.SIGSTOP)
    time.sleep(1.5)  # it is asked for a sign of life twice a second; so it dies owing one
    os.kill(before[0], signal.SIGKILL)
    with httpx.Client(base_url=url, timeout=60) as client:
        assert client.get(f"/v1/clips/{clip}").status_code == 200  # by the one that is left
    until = time.monotonic() + 60
    while before[0] in (after := workers(child)):
        assert time.monotonic() < until
    assert before[1] in after
    each(url, after, lambda client: client.get(f"/v1/clips/{clip}").status_code == 200)
    each(url, after, lambda client: client.get("/readyz").status_code == 200)


def test_workers_end_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    arguments = ("--library", str(tmp_path / "library"), "--workers", str(WORKERS), "--threads", "1")
    with served(*arguments) as (child, _):
        family = psutil.Process(child.pid).children(recursive=True)
        assert len(family) > WORKERS  # their decoders, too
        child.kill()
        gone, alive = psutil.wait_procs(family, timeout=60)
        assert not alive, gone


def test_the_service_of_several_workers_ends_cleanly(service: Service) -> None:
    child, _, library = service
    family = psutil.Process(child.pid).children(recursive=True)
    child.send_signal(signal.SIGTERM)
    assert child.wait(60) == 0
    assert child.stderr is not None
    assert child.stderr.read() == ""
    _, alive = psutil.wait_procs(family, timeout=20)
    assert not alive
    with open_store(library, bundle=None) as store:
        assert store.verify(audio=True) == []


def test_the_cores_are_shared_out_to_the_workers() -> None:
    assert Settings(workers=1).threads == available_cpus()
    assert Settings(workers=max(2, available_cpus())).threads == 1
    assert Settings(workers=2, threads=3).threads == 3
