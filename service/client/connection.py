"""What both clients share: the address, the key, the limits on time, and how a call becomes a request."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeVar
from urllib.parse import SplitResult, urlsplit

import httpx

from service.client.calls import Call
from service.client.errors import ClientError
from service.client.sounds import opened

T = TypeVar("T")

# Shorter than a server's, so that a connection is not used at the moment in which the other side closes it.
_KEEP_SECONDS: Final = 2.0
_CONNECT_SECONDS: Final = 5.0
# A recording is answered when all of it has been heard: an hour takes minutes, and may wait behind others before.
_FOR_SOUNDS: Final = 10


def address_of(url: str) -> str:
    """Check a service's address, and return it without a last slash; raises `ClientError`."""
    try:
        parts = urlsplit(url)
        usable = _is_usable(parts)
    except ValueError:  # a port that is none, half an IPv6 address
        usable = False
    if not usable:
        raise ClientError(f"{url!r} is no address of a service. One looks like http://127.0.0.1:8000")
    if "@" in parts.netloc:  # it would stand in messages, and take the place of the key
        raise ClientError(
            "the address holds a user's name. Give it by a client of httpx's own: http=httpx.Client(auth=...)"
        )
    return url.rstrip("/")


def _is_usable(parts: SplitResult) -> bool:
    rest = parts.query or parts.fragment or any(letter.isspace() for letter in parts.netloc)
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0 and not rest


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


def for_sounds(timeout: float | None) -> httpx.Timeout:
    """Return the limits on time of calls that send recordings, where others have `timeout` seconds."""
    return httpx.Timeout(timeout, connect=_CONNECT_SECONDS, read=None if timeout is None else _FOR_SOUNDS * timeout)


@contextmanager
def request_of(
    call: Call[T], headers: Mapping[str, str], sounds_timeout: httpx.Timeout | None
) -> Iterator[Mapping[str, Any]]:
    """Open the files of a call, and give the request for httpx; it may be sent several times. Raises as `opened`.

    `sounds_timeout` holds for a call with files, where it is given; else httpx's client says how long to wait.
    """
    field, sounds = call.files or ("", ())
    with opened(field, sounds) as files:
        yield {
            "params": call.params,
            "headers": {**headers, **call.headers},
            "json": call.json,
            "data": call.form,
            "files": files or None,
            "timeout": sounds_timeout if files and sounds_timeout else httpx.USE_CLIENT_DEFAULT,
        }
