"""Lanes: seats are given back when their work has ended, and nothing is done for callers that hung up."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, closing, contextmanager
from dataclasses import replace

import httpx
import pytest

from encoders.encoder import Encoder
from service import adding
from service.app import create_app
from service.engine import Engine
from service.errors import Overloaded
from service.inference import lanes
from service.inference.lanes import Lane
from service.inference.texts import Texts
from service.uploads import Upload
from tests.service.conftest import OpenEngine, running
from tests.service.inference.test_texts import Watched

Speech = Callable[..., bytes]


@pytest.fixture
def lane() -> Iterator[Lane]:
    made = Lane("test", threads=1, queue=1, retry_after=7)
    yield made
    made.close()


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that has to come."""
    limit = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.005)


@contextmanager
def busy(lane: Lane) -> Iterator[None]:
    """Hold all threads of a lane."""
    release = threading.Event()
    held = [lane._pool.submit(release.wait, 20) for _ in range(lane.threads)]
    until(lambda: all(one.running() for one in held))
    try:
        yield
    finally:
        release.set()


def post(client: httpx.Client, path: str, request: httpx.Request) -> socket.socket:
    """Send a whole request through a socket of our own, and leave the answer unread."""
    address = client.base_url
    opened = socket.create_connection((address.host, address.port or 80), timeout=20)
    body = request.read()
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {request.headers['content-type']}\r\n"
    opened.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    return opened


def test_a_lane_is_full_when_all_its_seats_are_taken(lane: Lane) -> None:
    async def use() -> None:
        async with lane.seat(), lane.seat():
            assert lane.taken == 2
            with pytest.raises(Overloaded) as refused:
                await lane.run(lambda: None)
            assert refused.value.retry_after == 7
        assert await lane.run(lambda: "free again") == "free again"

    asyncio.run(use())


@pytest.mark.parametrize(("bursts", "longest", "let_in"), [(True, 3600.0, 5), (True, 0.0, 3), (False, 0.0, 5)])
def test_a_long_queue_is_for_bursts(bursts: bool, longest: float, let_in: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "BURST", longest)
    lane = Lane("test", threads=1, queue=4, retry_after=7, bursts=bursts)

    async def use() -> None:
        for _ in range(2):  # once nobody waits any more, all begins anew
            async with AsyncExitStack() as held:
                for _ in range(let_in):
                    await held.enter_async_context(lane.seat())
                    await asyncio.sleep(0.01)
                with pytest.raises(Overloaded):
                    lane.refuse_if_full()
                with pytest.raises(Overloaded):
                    await held.enter_async_context(lane.seat())
            assert lane.taken == 0

    asyncio.run(use())
    lane.close()


def test_a_request_that_was_given_up_keeps_its_seat_until_its_work_has_ended(lane: Lane) -> None:
    release = threading.Event()

    async def use() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(lane.run(release.wait, 20), 0.05)
        assert lane.taken == 1
        release.set()
        while lane.taken:
            await asyncio.sleep(0.005)

    asyncio.run(use())


def test_work_that_waits_is_dropped_with_the_request_that_was_given_up(lane: Lane) -> None:
    done: list[str] = []

    async def use() -> None:
        with busy(lane), pytest.raises(TimeoutError):
            await asyncio.wait_for(lane.run(done.append, "work"), 0.05)
        assert lane.taken == 0
        await lane.run(done.append, "later")

    asyncio.run(use())
    assert done == ["later"]


def test_an_upload_whose_caller_hangs_up_while_it_waits_is_never_looked_at(
    open_own: OpenEngine, speech: Speech, monkeypatch: pytest.MonkeyPatch
) -> None:
    added: list[str] = []
    add = adding.add

    def counted(upload: Upload, *rest: object, **named: object) -> adding.Added:
        added.append(upload.name)
        return add(upload, *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(adding, "add", counted)
    engine = open_own(threads=1)
    with running(create_app(engine.settings, engine=engine)) as client:

        def form(*names: str) -> httpx.Request:
            files = [("files", (name, speech(seed))) for seed, name in enumerate(names)]
            return client.build_request("POST", "/v1/clips", files=files)

        with busy(engine.audio):
            first, gone, last = (post(client, "/v1/clips", form(name)) for name in ("first", "gone", "last"))
            until(lambda: engine.audio.taken == 3)
            gone.close()
            until(lambda: engine.audio.taken == 2)
            assert added == []
        with closing(first), closing(last):
            for left in (first, last):
                assert left.recv(100).startswith(b"HTTP/1.1 20")
        assert sorted(added) == ["first", "last"]


def test_what_is_left_of_a_request_is_dropped_when_its_caller_hangs_up(
    open_own: OpenEngine, speech: Speech, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file in work is finished: it is in the library, whole."""
    begun, release = threading.Semaphore(0), threading.Event()
    add = adding.add

    def slow(upload: Upload, *rest: object, **named: object) -> adding.Added:
        begun.release()
        assert release.wait(20)
        return add(upload, *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(adding, "add", slow)
    engine = open_own(threads=1)
    with running(create_app(engine.settings, engine=engine)) as client:
        files = [("files", (f"{seed}.wav", speech(seed))) for seed in range(3)]
        caller = post(client, "/v1/clips", client.build_request("POST", "/v1/clips", files=files))
        assert begun.acquire(timeout=20)
        caller.close()
        client.get("/healthz")  # by then the server has seen it
        release.set()
        until(lambda: engine.audio.taken == 0)
        assert [clip["name"] for clip in client.get("/v1/clips").json()["clips"]] == ["0.wav"]


def test_a_prompt_whose_caller_hangs_up_while_it_waits_is_not_encoded(engine: Engine, encoder: Encoder) -> None:
    watched = Watched(encoder)
    own = replace(engine, texts=Texts(watched, 10, engine.metrics))

    def ask(client: httpx.Client, prompt: str) -> socket.socket:
        return post(client, "/v1/search", client.build_request("POST", "/v1/search", json={"query": prompt}))

    with closing(own.texts), running(create_app(own.settings, engine=own)) as client:
        assert watched.arrived.acquire(timeout=20)  # the service's own search, when it started
        watched.gate.clear()
        first = ask(client, "the first")
        assert watched.arrived.acquire(timeout=20)
        gone, last = ask(client, "gone"), ask(client, "last")
        until(lambda: own.texts.waiting == 2)
        gone.close()
        until(lambda: own.quick.taken == 2)
        watched.gate.set()
        with closing(first), closing(last):
            for left in (first, last):
                assert left.recv(100).startswith(b"HTTP/1.1 200")
    assert watched.batches == [1, 1, 1]


def test_a_full_quick_lane_refuses_before_the_body_is_read(open_own: OpenEngine) -> None:
    engine = open_own(threads=1, search_queue=0)
    with running(create_app(engine.settings, engine=engine)) as client, busy(engine.quick):
        waiting = post(client, "/v1/search", client.build_request("POST", "/v1/search", json={"query": "calm"}))
        with closing(waiting):
            until(lambda: engine.quick.taken == 1)
            refused = client.post("/v1/search", content=b"no JSON", headers={"Content-Type": "application/json"})
    assert refused.status_code == 429
    assert json.loads(refused.content)["type"].endswith(":overloaded")
    assert int(refused.headers["retry-after"]) > 0
