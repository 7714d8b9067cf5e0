"""A real service over a real library: the bundle's encoders, voices that the tests make, uvicorn on loopback."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from encoders.encoder import Encoder
from index.build import build
from service.app import create_app
from service.engine import Engine, open_engine
from service.inference.decoding import Decoders
from service.serving import listening, protocol, watch
from service.settings import Settings
from tests.sounds import media, voice

# (pitch, seconds, container) of the clips of the library that is only read.
VOICES = [
    (90.0, 1.0, "wav"),
    (120.0, 1.5, "flac"),
    (150.0, 2.0, "mp3"),
    (180.0, 1.2, "ogg"),
    (210.0, 1.0, "m4a"),
    (240.0, 9.0, "wav"),
]


class OpenEngine(Protocol):
    """Open an engine over a library of the test's own; settings as keyword arguments."""

    def __call__(self, **settings: Any) -> Engine:
        """Open one."""


@contextmanager
def running(app: FastAPI) -> Iterator[httpx.Client]:
    """Serve an application from a thread, over real HTTP, and give a client of it."""
    with listening.claim("127.0.0.1", 0) as bound:
        server = uvicorn.Server(
            uvicorn.Config(app, http=protocol.Protocol, log_config=None, timeout_graceful_shutdown=5)
        )
        thread = threading.Thread(target=server.run, args=([bound],), daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.005)
        with httpx.Client(base_url=listening.url(bound), timeout=30) as client:
            yield client
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive(), "the server did not stop"


@pytest.fixture(scope="session", autouse=True)
def _watched_once() -> Iterator[None]:
    """Have services do their own searching and encoding once, at their start: tests count what is done."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watch, "EVERY", 3600.0)
        patch.setattr(watch, "EVERY_SOUND", 3600.0)
        yield


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of recordings: the user's own files, outside any library, with a manifest."""
    folder = tmp_path_factory.mktemp("recordings")
    lines = ["path,speaker,take"]
    for number, (pitch, seconds, container) in enumerate(VOICES):
        name = f"voice{number}.{container}"
        sound = voice(seconds, pitch=pitch, seed=number)
        (folder / name).write_bytes(media(sound, container=container))
        lines.append(f"{name},{number % 2:02d},{number}")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="session")
def decoders() -> Iterator[Decoders]:
    """The processes that decode for all tests."""
    with closing(Decoders(2)) as started:
        yield started


@pytest.fixture(scope="session")
def engine(
    encoder: Encoder, decoders: Decoders, recordings: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    """An engine whose library holds the recordings; tests only read it."""
    settings = Settings(library=tmp_path_factory.mktemp("service") / "library", threads=2)
    with open_engine(settings, encoder=encoder, decoders=decoders) as opened:
        report = build(opened.store, encoder, [recordings / "manifest.csv"], threads=1)
        assert (report.added, report.failed) == (len(VOICES), ())
        yield opened


@pytest.fixture(scope="session")
def client(engine: Engine) -> Iterator[httpx.Client]:
    """A client of a service over the library that is only read."""
    with running(create_app(engine.settings, engine=engine)) as opened:
        yield opened


@pytest.fixture
def open_own(encoder: Encoder, decoders: Decoders, engine: Engine, tmp_path: Path) -> Iterator[OpenEngine]:
    """Open engines over an empty library of the test's own."""
    with ExitStack() as stack:

        def opener(**settings: Any) -> Engine:
            chosen = Settings(**{"library": tmp_path / "library", "threads": 2, **settings})
            opened = stack.enter_context(open_engine(chosen, encoder=encoder, decoders=decoders))
            return replace(opened, bank=engine.bank)  # embedded once for all tests

        yield opener


@pytest.fixture
def serve_own(open_own: OpenEngine) -> Iterator[Callable[..., httpx.Client]]:
    """Serve an empty library of the test's own; settings as keyword arguments."""
    with ExitStack() as stack:

        def opener(**settings: Any) -> httpx.Client:
            engine = open_own(**settings)
            return stack.enter_context(running(create_app(engine.settings, engine=engine)))

        yield opener


@pytest.fixture
def own(serve_own: Callable[..., httpx.Client]) -> httpx.Client:
    """A client of a service over an empty library of the test's own."""
    return serve_own()


@pytest.fixture(scope="session")
def speech() -> Callable[..., bytes]:
    """Make the bytes of a recording; the same arguments give the same bytes."""

    def made(seed: int = 0, seconds: float = 1.0, container: str = "wav", pitch: float = 140.0) -> bytes:
        return media(voice(seconds, pitch=pitch, seed=seed), container=container)

    return made


def problem_of(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Check that a response is the problem of that code, in full, and return it."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["x-content-type-options"] == "nosniff"
    found: dict[str, Any] = response.json()
    assert found["type"] == f"urn:emotionrank:problem:{code}"
    assert found["status"] == status
    assert found["title"]
    assert found["detail"]
    assert found["instance"] == response.request.url.path
    return found
