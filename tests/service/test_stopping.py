"""How the service ends: what runs may finish, for so long; a second Ctrl-C does not wait."""

import asyncio
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import httpx
import pytest

from service.inference import lanes as inference
from service.inference.lanes import Lane
from tests.service.conftest import problem_of

# An application served as the real one is, one of whose requests takes as long as it is told to.
PROGRAM = """
import asyncio, sys, threading, time
from fastapi import FastAPI
from service.serving import listening
from service.edge import Edge

app = FastAPI()
app.add_middleware(Edge)

@app.get("/readyz")
def readyz() -> str:
    return "ready"

@app.get("/wait")
async def wait(seconds: float) -> str:
    print("begun", flush=True)
    await asyncio.sleep(seconds)
    return "done"

def ready(url):
    print(url, flush=True)

if "hang" in sys.argv:
    threading.Thread(target=time.sleep, args=(600,)).start()
    listening._END_WITHIN = 0.5
bound = listening.claim("127.0.0.1", 0)
try:
    listening.serve(app, bound, ready=ready, stop_within=int(sys.argv[1]))
except KeyboardInterrupt:
    listening.end_soon()
    print("stopped", flush=True)
"""


@contextmanager
def served(*arguments: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    with subprocess.Popen([sys.executable, "-c", PROGRAM, *arguments], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        try:
            yield child, child.stdout.readline().strip()
        finally:
            child.kill()


def asked(child: "subprocess.Popen[str]", url: str, seconds: float) -> tuple[threading.Thread, list[httpx.Response]]:
    """Ask for something that takes so long, and wait until it has begun."""
    answers: list[httpx.Response] = []

    def ask() -> None:
        with suppress(httpx.TransportError):
            answers.append(httpx.get(f"{url}/wait", params={"seconds": seconds}, timeout=60))

    thread = threading.Thread(target=ask)
    thread.start()
    assert child.stdout is not None
    assert child.stdout.readline() == "begun\n"
    return thread, answers


def await_refusal(url: str) -> None:
    """Wait until the service has heard the signal, and takes nothing new."""
    with suppress(httpx.TransportError):
        while True:
            httpx.get(f"{url}/readyz")


def test_what_runs_is_finished_and_nothing_new_is_taken() -> None:
    with served("60") as (child, url):
        thread, answers = asked(child, url, 3)
        child.send_signal(signal.SIGTERM)
        await_refusal(url)
        thread.join(30)
        assert [answer.json() for answer in answers] == ["done"]
        assert child.wait(20) == 0
        assert child.stdout is not None
        assert child.stdout.read() == "stopped\n"


def test_what_does_not_finish_in_time_is_told_so() -> None:
    with served("1") as (child, url):
        thread, answers = asked(child, url, 600)
        child.send_signal(signal.SIGINT)
        thread.join(30)
        found = problem_of(answers[0], 503, "not-ready")
        assert "being stopped" in found["detail"]
        assert "Retry-After" in answers[0].headers
        assert child.wait(20) == 0


def test_a_second_ctrl_c_does_not_wait() -> None:
    with served("600") as (child, url):
        thread, answers = asked(child, url, 600)
        child.send_signal(signal.SIGINT)
        await_refusal(url)
        child.send_signal(signal.SIGINT)
        assert child.wait(20) == 130
        thread.join(20)
        assert answers == []


def test_a_thread_that_hangs_does_not_keep_the_process() -> None:
    with served("1", "hang") as (child, _):
        child.send_signal(signal.SIGTERM)
        assert child.wait(30) == 0
        assert child.stdout is not None
        assert child.stdout.read() == "stopped\n"


def test_a_lane_that_hangs_can_be_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inference, "CLOSE_WITHIN", 0.2)
    lane, held, done = Lane("test", 1, 10, 1), threading.Event(), list[str]()

    async def use() -> None:
        running = asyncio.create_task(lane.run(held.wait, 60))
        waiting = asyncio.create_task(lane.run(done.append, "waited"))
        while lane.held == 0:
            await asyncio.sleep(0.01)
        lane.close()
        held.set()
        assert await running
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(use())
    assert done == []


def test_what_runs_in_a_lane_is_finished_when_it_closes() -> None:
    lane, begun, done = Lane("test", 1, 0, 1), threading.Event(), list[str]()

    def work() -> None:
        begun.set()
        threading.Event().wait(0.3)
        done.append("done")

    async def use() -> None:
        running = asyncio.create_task(lane.run(work))
        await asyncio.to_thread(begun.wait, 20)
        lane.close()
        assert done == ["done"]
        await running

    asyncio.run(use())
