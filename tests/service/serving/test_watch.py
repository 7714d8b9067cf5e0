"""Readiness: what the service tries by itself, through the stages that requests use."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from index.local.library import LocalStore
from index.query import Vector
from index.records import Hit
from service.app import create_app
from service.engine import Engine
from service.serving import watch
from tests.service.conftest import OpenEngine, problem_of, running


@pytest.fixture
def held() -> Iterator[threading.Event]:
    """What hangs until the test ends, or sets it."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("EVERY", "EVERY_SOUND", "AGAIN"):
        monkeypatch.setattr(watch, name, 0.05)


def turned(client: httpx.Client, status: int) -> httpx.Response:
    """Ask until /readyz has this status."""
    until = time.monotonic() + 30
    while (answer := client.get("/readyz")).status_code != status:
        assert time.monotonic() < until, answer.text
        time.sleep(0.02)
    return answer


def test_a_service_that_answers_is_warm_and_has_searched(open_own: OpenEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    search, plane = LocalStore.search, watch._make

    def searched(store: LocalStore, vector: Vector, *, k: int) -> list[Hit]:
        done.append("search")
        return search(store, vector, k=k)

    def made(engine: Engine) -> None:
        done.append("warm-up")
        plane(engine)

    monkeypatch.setattr(LocalStore, "search", lambda store, vector, *, k, **_: searched(store, vector, k=k))
    monkeypatch.setattr(watch, "_make", made)
    engine = open_own()
    app = create_app(engine.settings, engine=engine, warm=lambda: done.append("warm"))
    with running(app) as client:
        assert done[:3] == ["warm-up", "search", "warm"]
        found = client.get("/readyz").json()
        assert found["status"] == "ready"
        assert found["milliseconds"] > 0
        assert found["seconds_ago"] < 60


def test_asking_whether_it_is_ready_does_no_work(open_own: OpenEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "EVERY", 3600.0)
    engine = open_own()
    with running(create_app(engine.settings, engine=engine)) as client:
        before = client.get("/readyz").json()
        engine.store.close()  # a search would fail now
        for _ in range(20):
            after = client.get("/readyz").json()
        assert after["milliseconds"] == before["milliseconds"]
        assert after["seconds_ago"] > before["seconds_ago"]


def test_each_search_of_the_watch_is_embedded_anew(open_own: OpenEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = open_own()
    embed, embedded = type(engine.encoder).embed_tokens, list[int]()

    def counted(encoder: object, prompts: list[object]) -> object:
        embedded.append(len(prompts))
        return embed(engine.encoder, prompts)  # type: ignore[arg-type]

    monkeypatch.setattr(type(engine.encoder), "embed_tokens", counted)
    with running(create_app(engine.settings, engine=engine)):
        until = time.monotonic() + 30
        while len(embedded) < 3:
            assert time.monotonic() < until
            time.sleep(0.02)


def test_a_service_whose_library_fails_is_alive_and_not_ready(open_own: OpenEngine, tmp_path: Path) -> None:
    engine = open_own()
    app = create_app(engine.settings, engine=engine)
    with running(app) as client:
        assert client.get("/readyz").status_code == 200
        engine.store.close()
        found = problem_of(turned(client, 503), 503, "not-ready")
        assert app.state.watch.hung() is None  # another process could do nothing for it
        assert str(tmp_path) not in found["detail"]
        assert "a search fails" in found["detail"]
        assert client.get("/healthz").json() == {"status": "ok"}


def test_an_encoder_that_fails_shows_and_so_does_its_recovery(
    open_own: OpenEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_own()
    with running(create_app(engine.settings, engine=engine)) as client:
        with monkeypatch.context() as patch:
            patch.setattr(watch, "encode_clip", lambda *_, **__: 1 / 0)
            assert "encoding a sound fails unexpectedly" in turned(client, 503).json()["detail"]
        turned(client, 200)


@pytest.mark.parametrize(("lane", "what"), [("quick", "a search"), ("audio", "encoding a sound")])
def test_a_lane_that_hangs_makes_the_service_not_ready(
    lane: str, what: str, open_own: OpenEngine, monkeypatch: pytest.MonkeyPatch, held: threading.Event
) -> None:
    for name in ("SLOWEST", "SLOWEST_SOUND"):
        monkeypatch.setattr(watch, name, 2.0)
    engine = open_own(threads=1)
    app = create_app(engine.settings, engine=engine)
    with running(app) as client:
        turned(client, 200)
        assert app.state.watch.hung() is None
        getattr(engine, lane)._pool.submit(held.wait, 60)
        found = problem_of(turned(client, 503), 503, "not-ready")
        assert found["detail"].startswith(f"{what} that began ")
        assert (app.state.watch.hung() or "").startswith(f"{what} that began ")
        assert client.get("/healthz").status_code == 200
        held.set()
        turned(client, 200)
        assert app.state.watch.hung() is None


def test_recordings_that_never_end_make_the_service_not_ready(
    open_own: OpenEngine, monkeypatch: pytest.MonkeyPatch, held: threading.Event, speech: Callable[..., bytes]
) -> None:
    monkeypatch.setattr(watch, "SLOWEST_SOUND", 2.0)
    engine = open_own(threads=1, max_duration=1)
    with running(create_app(engine.settings, engine=engine)) as client:
        monkeypatch.setattr("service.routes.describe._describe", lambda *_: held.wait(60))
        answered = threading.Thread(target=client.post, args=("/v1/describe",), kwargs={"files": {"file": speech()}})
        answered.start()
        assert "threads for sound" in turned(client, 503).json()["detail"]
        held.set()
        answered.join(30)
        turned(client, 200)


def test_a_full_service_is_ready_as_long_as_its_work_goes_on(
    open_own: OpenEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "SLOWEST", 60.0)
    engine = open_own(threads=1, search_queue=0)
    with running(create_app(engine.settings, engine=engine)) as client:
        stop, refused = threading.Event(), list[int]()

        def ask() -> None:
            while not stop.is_set():
                refused.append(client.get("/v1/clips").status_code)

        askers = [threading.Thread(target=ask) for _ in range(4)]
        for asker in askers:
            asker.start()
        until = time.monotonic() + 30
        while 429 not in refused or refused.count(200) < 20:
            assert client.get("/readyz").status_code == 200
            assert time.monotonic() < until
        stop.set()
        for asker in askers:
            asker.join(30)


def test_what_the_service_asks_by_itself_is_no_batch(open_own: OpenEngine) -> None:
    engine = open_own()
    with running(create_app(engine.settings, engine=engine)) as client:
        searched(client)
        assert batches(client) == 0
        assert client.post("/v1/search", json={"query": "a prompt of a caller"}).status_code == 200
        assert batches(client) == 1


def searched(client: httpx.Client) -> None:
    """Wait until the service has searched by itself again."""
    until = time.monotonic() + 30
    ages = [client.get("/readyz").json()["seconds_ago"]]
    while ages[-1] >= ages[0]:
        assert time.monotonic() < until
        ages.append(client.get("/readyz").json()["seconds_ago"])


def batches(client: httpx.Client) -> float:
    (line,) = re.findall(r"^emotionrank_text_batch_size_count (\S+)$", client.get("/metrics").text, re.MULTILINE)
    return float(line)
