"""Clients of real services, and of a server that answers what a test says."""

import io
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from service.client import Client, Retries

# Tests do not wait.
AT_ONCE = Retries(first=0.001)


@pytest.fixture
def library(client: httpx.Client) -> Iterator[Client]:
    """A client of the service over the library that is only read."""
    with Client(str(client.base_url)) as opened:
        yield opened


@pytest.fixture
def connect(serve_own: Callable[..., httpx.Client]) -> Iterator[Callable[..., Client]]:
    """Serve an empty library of the test's own, settings as keyword arguments, and give a client of it."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(Client(str(serve_own(**settings).base_url)))


class Growing(io.BytesIO):
    """A recording that somebody still writes to: whenever it is read, it has become longer."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Read on."""
        here = self.tell()
        self.seek(0, io.SEEK_END)
        self.write(b"more")
        self.seek(here)
        return super().read(size)


class Shrinking(io.BytesIO):
    """A recording whose end is cut off as soon as it is read."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Read on."""
        self.truncate(self.tell() + 10 if self.tell() == 0 else None)
        return super().read(size)


@dataclass(frozen=True)
class Answer:
    """One answer of the scripted server; `breaks` closes the connection after the request was read instead."""

    status: int = 200
    body: bytes = b'{"status": "ok"}'
    headers: dict[str, str] = field(default_factory=dict)
    breaks: bool = False


@dataclass
class Scripted:
    """What the scripted server was asked: methods, paths, headers, bodies; and where it is."""

    address: str
    asked: list[tuple[str, str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)


@contextmanager
def scripted(*answers: Answer) -> Iterator[Scripted]:
    """Serve these answers one after the other, the last one again and again."""
    waiting = list(answers)
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            with lock:
                found.asked.append((self.command, self.path))
                found.headers.append({name.lower(): value for name, value in self.headers.items()})
                found.bodies.append(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
                answer = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            if answer.breaks:
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)

        do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - their names

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Scripted(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
