"""Serve an application over a port that was claimed beforehand, and say so only once it really answers."""

import gc
import http.client
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, ClassVar, Final
from urllib.parse import urlsplit

import uvicorn

from encoders.errors import EmotionRankError
from service.serving.protocol import Protocol

if TYPE_CHECKING:
    from fastapi import FastAPI

log: Final = logging.getLogger("emotionrank.service")

# Long enough for a bundle and a large library to load on a slow disk.
_READY_TIMEOUT: Final = 600.0  # seconds
_PAUSE: Final = 0.1  # seconds between two attempts
STOP_WITHIN: Final = 30
# What is left to do once serving has ended takes a moment, unless something hangs.
_END_WITHIN: Final = 5.0  # seconds
# Seconds for which a thread that computes may keep Python's lock while the event loop waits for it (Python: .005): each
# of several such threads may be before it. It gains little (refusals' p99 57 and 79 ms with it, 66 and 88 without).
_LOCK_FOR: Final = 0.001
_INTERRUPTED: Final = 130  # the exit code of a program that Ctrl-C ended


class AddressUnusable(EmotionRankError):  # noqa: N818 - the tree's naming, see encoders.errors
    """The host and port cannot be listened on."""

    code: ClassVar[str] = "address-unusable"


def claim(host: str, port: int) -> socket.socket:
    """Bind a socket without listening yet: the port is taken, but clients are refused until it serves.

    Port 0 takes any free one. Raises AddressUnusable.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, OverflowError) as error:
        raise AddressUnusable(f"{host} is no address to listen on ({error}). Set EMOTIONRANK_HOST.") from error
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except (OSError, OverflowError) as error:
        bound.close()
        raise AddressUnusable(_why(host, port, error)) from error
    return bound


def url(bound: socket.socket) -> str:
    """Give the address for a browser on this machine."""
    host, port = bound.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(
    app: "FastAPI",
    bound: socket.socket,
    *,
    ready: Callable[[str], None] = lambda url: None,
    stop_within: int = STOP_WITHIN,
    log_level: str = "warning",
) -> None:
    """Serve until SIGINT or SIGTERM, then close the socket; `ready` gets the URL once /readyz answered 200.

    After the signal nothing new is taken, and what runs has `stop_within` seconds to finish in. A second SIGINT ends
    the whole process at once: nothing that was acknowledged needs another moment.

    Raises AddressUnusable when another program began to listen on the claimed port, and KeyboardInterrupt
    after either signal, so that the caller can close what it opened. To be called from the main thread.
    """
    with listened(bound), announced(bound, ready):
        config = uvicorn.Config(app, http=Protocol, log_level=log_level, timeout_graceful_shutdown=stop_within)
        server = _Server(config)
        # uvicorn raises the signal again when it has finished; SIGTERM's default would end the process then.
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            server.run(sockets=[bound])
        finally:
            signal.signal(signal.SIGTERM, before)


class _Server(uvicorn.Server):
    """A server for which the second Ctrl-C is the end, even where requests or threads hang."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.should_exit and sig == signal.SIGINT:
            _leave(_INTERRUPTED)
        super().handle_exit(sig, frame)


def answer_promptly() -> None:
    """Have nothing in this process, which serves and is warm, keep its event loop waiting for longer than it must.

    What has been loaded by now stays: Python need not look through it for garbage again and again, which stops all
    threads (60 to 120 ms, once in 1,500 searches). And threads that compute let the loop go on sooner.
    """
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(_LOCK_FOR)


def end_soon() -> None:
    """See to it that the process ends: at once at a further Ctrl-C, and by itself where something hangs in it.

    For programs that have nothing left to do but to end. A thread that hangs would keep the interpreter from ending;
    what is cut off was not acknowledged.
    """

    def leave() -> None:
        log.warning("something still runs %g s after the service was stopped; it is cut off", _END_WITHIN)
        _leave(0)

    signal.signal(signal.SIGINT, signal.SIG_DFL)
    timer = threading.Timer(_END_WITHIN, leave)
    timer.daemon = True
    timer.start()


def _leave(code: int) -> None:
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


@contextmanager
def listened(bound: socket.socket) -> Iterator[None]:
    """Listen on the socket for the block, and close it then. Raises AddressUnusable."""
    with bound:
        try:
            bound.listen(2048)
        except OSError as error:
            host, port = bound.getsockname()[:2]
            raise AddressUnusable(_why(host, port, error)) from error
        yield


@contextmanager
def announced(bound: socket.socket, ready: Callable[[str], None]) -> Iterator[None]:
    """Call `ready` with the URL, from another thread, once /readyz answered 200 while the block runs."""
    stopped = threading.Event()
    address = url(bound)

    def announce() -> None:
        if _answers(address, stopped):
            ready(address)

    watcher = threading.Thread(target=announce, name="ready", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        stopped.set()
        watcher.join(1)  # it may wait for an answer that nobody will give any more


def _answers(address: str, stopped: threading.Event) -> bool:
    where = urlsplit(address)
    for _ in range(round(_READY_TIMEOUT / _PAUSE)):
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=_READY_TIMEOUT)
        try:
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return not stopped.is_set()
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        if stopped.wait(_PAUSE):
            return False
    return False


def _why(host: str, port: int, error: BaseException) -> str:
    return (
        f"Port {port} on {host} cannot be listened on ({error}). Stop the program that has it, or choose "
        f"another one: EMOTIONRANK_PORT={port + 1 if port < 65535 else 8000}."
    )
