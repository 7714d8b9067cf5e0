"""Serve an application over a port that was claimed beforehand, and say so only once it really answers."""

import http.client
import signal
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Final

from encoders.errors import EmotionRankError

if TYPE_CHECKING:
    from fastapi import FastAPI

# Long enough for a bundle and a large library to load on a slow disk.
_READY_TIMEOUT: Final = 600.0  # seconds
_PAUSE: Final = 0.1  # seconds between two attempts


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
    log_level: str = "warning",
) -> None:
    """Serve until SIGINT or SIGTERM, then close the socket; `ready` gets the URL once /readyz answered 200.

    Raises AddressUnusable when another program began to listen on the claimed port, and KeyboardInterrupt
    after either signal, so that the caller can close what it opened. To be called from the main thread.
    """
    import uvicorn

    stopped = threading.Event()
    address = url(bound)

    def announce() -> None:
        if _answers(bound, stopped):
            ready(address)

    with bound:
        try:
            bound.listen(2048)
        except OSError as error:
            host, port = bound.getsockname()[:2]
            raise AddressUnusable(_why(host, port, error)) from error
        server = uvicorn.Server(uvicorn.Config(app, log_level=log_level))
        # uvicorn raises the signal again when it has finished; SIGTERM's default would end the process then.
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
        watcher = threading.Thread(target=announce, name="ready", daemon=True)
        watcher.start()
        try:
            server.run(sockets=[bound])
        finally:
            stopped.set()
            watcher.join()
            signal.signal(signal.SIGTERM, before)


def _answers(bound: socket.socket, stopped: threading.Event) -> bool:
    host, port = bound.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    for _ in range(round(_READY_TIMEOUT / _PAUSE)):
        connection = http.client.HTTPConnection(host, port, timeout=_READY_TIMEOUT)
        try:
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return True
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
