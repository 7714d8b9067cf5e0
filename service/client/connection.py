"""What both clients share: the address, the key, the limits on time, and how a call becomes a request."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import httpx

from service.client.calls import Call
from service.client.errors import ClientError
from service.client.sounds import opened

T = TypeVar("T")

# Shorter than a server's, so that a connection is not used at the moment in which the other side closes it.
_KEEP_SECONDS: Final = 2.0
_CONNECT_SECONDS: Final = 5.0


def address_of(url: str) -> str:
    """Check a service's address, and return it without a last slash; raises `ClientError`."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ClientError(f"{url!r} is no address of a service. One looks like http://127.0.0.1:8000")
    return url.rstrip("/")


def headers_of(key: str | None) -> dict[str, str]:
    """Return the headers that carry a key; raises `ClientError` for a key that no header can hold."""
    if key is None:
        return {}
    if not (key and key.isascii() and key.isprintable() and " " not in key):
        raise ClientError("the key cannot be one: a key is a word of printable ASCII characters. Was it copied whole?")
    return {"Authorization": f"Bearer {key}"}


def options(timeout: float | None) -> dict[str, Any]:
    """Return the options of httpx's clients; `timeout` in seconds."""
    return {
        "timeout": httpx.Timeout(timeout, connect=_CONNECT_SECONDS),
        "limits": httpx.Limits(keepalive_expiry=_KEEP_SECONDS),
    }


@contextmanager
def request_of(call: Call[T], headers: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
    """Open the files of a call, and give the request for httpx; it may be sent several times. Raises as `opened`."""
    field, sounds = call.files or ("", ())
    with opened(field, sounds) as files:
        yield {
            "params": call.params,
            "headers": {**headers, **call.headers},
            "json": call.json,
            "data": call.form,
            "files": files or None,
        }
