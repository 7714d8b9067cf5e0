"""Who may use the service, and how much: keys, scopes, limits, and the pages of others.

What holds follows from the settings alone:

- **Keys** (`keys`, `keys_file`): where there is one, every route that is not open (`service.access.needs`) needs one,
  as `Authorization: Bearer KEY`, on any address.
- **No keys**: fine on a loopback address; on any other the service does not start, unless `open_access` says that it is
  meant. Without keys the pages of other sites are kept out (`service.access.origins`).
- **Limits** (`rate_limit`, `concurrency_limit`): each caller by itself, that is each key's name, or each address of
  callers without one. A request that is refused for its key is counted as well.

`Access` is a plain ASGI middleware: it decides before anything of the body is read.
"""

import ipaddress
import socket
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from service import problems
from service.access.keys import SCOPES, Keyring, keyring
from service.access.limits import Limits, Rate, read_rate
from service.access.needs import Rules
from service.access.origins import Origins
from service.errors import AccessRefused, KeyInsufficient, KeyMissing, KeyUnknown, SettingsInvalid
from service.observing import requestlog
from service.settings import Settings

_REALM: Final = 'Bearer realm="emotionrank"'


@dataclass(frozen=True, slots=True)
class Guard:
    """What the settings say of access, ready to be asked."""

    keyring: Keyring | None  # None: no keys are asked for
    limits: Limits
    origins: Origins


def guard(settings: Settings) -> Guard:
    """Read what the settings say of access.

    Raises `SettingsInvalid` for keys and limits that cannot be used, and for a service without keys that other
    machines, or all web pages, could use.
    """
    found = keyring(settings.keys, settings.keys_file)
    if found is None:
        _refuse_by_accident(settings)
    origins = Origins.of((settings.host, *settings.host_names), settings.cors_origins)
    return Guard(found, Limits(_rate(settings), settings.concurrency_limit), origins)


class Access:
    """The middleware; the module's docstring says what it does."""

    def __init__(self, app: ASGIApp, guard: Guard, rules: Rules) -> None:
        self._app = app
        self._rules = rules
        self._keyring, self._limits, self._origins = guard.keyring, guard.limits, guard.origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it."""
        path = _path(scope) if scope["type"] == "http" else None
        if path is None or path in self._rules.open_paths:
            await self._app(scope, receive, send)
            return
        with ExitStack() as held:
            try:
                self._admit(scope, path, held)
            except AccessRefused as error:
                found = problems.from_error(error, instance=scope["path"])
                await problems.respond(found, error.headers)(scope, receive, send)
                return
            await self._app(scope, receive, send)

    def _admit(self, scope: Scope, path: str, held: ExitStack) -> None:
        """Raise `AccessRefused`, or count the request for as long as `held` is open."""
        method, headers = scope["method"], Headers(scope=scope)
        if self._keyring is None:
            self._origins.check(method, headers)
            held.enter_context(self._limits.place(_address(scope)))
            return
        sent = _sent_key(headers)
        key = None if sent is None else self._keyring.find(sent)
        if key is not None:
            requestlog.note_key(key.name)
        held.enter_context(self._limits.place(f"key {key.name}" if key else _address(scope)))
        needed = self._rules.needed(method, path)
        if sent is None:
            raise KeyMissing(
                "this route needs an API key. Send it as a header: Authorization: Bearer KEY.",
                {"WWW-Authenticate": _REALM},
            )
        if key is None:
            raise KeyUnknown(
                "the key in the Authorization header is none of this service. It may have been taken back; ask whoever "
                "runs the service for another.",
                {"WWW-Authenticate": f'{_REALM}, error="invalid_token"'},
            )
        if not needed & key.scopes:
            wanted = [scope for scope in SCOPES if scope in needed]
            raise KeyInsufficient(
                f"the key {key.name!r} may {' and '.join(sorted(key.scopes))}; this route needs {' or '.join(wanted)}.",
                {"WWW-Authenticate": f'{_REALM}, error="insufficient_scope", scope="{" ".join(wanted)}"'},
            )


def _refuse_by_accident(settings: Settings) -> None:
    """Raise `SettingsInvalid` where a service without keys would be open to others, and nobody said so."""
    if "*" in settings.cors_origins:
        raise SettingsInvalid(
            "EMOTIONRANK_CORS (--cors) = *: without keys any web page could read, add and delete. Name the origins, or "
            "give the service keys."
        )
    if settings.open_access or _is_loopback(settings.host):
        return
    raise SettingsInvalid(
        f"to listen on {settings.host} lets other machines in, and the service has no keys. Make one with `emotionrank "
        "keys new NAME` and give its line with EMOTIONRANK_KEYS (or a file of such lines with --keys-file); or listen "
        "on 127.0.0.1; or say that everybody who reaches it may read, add and delete: EMOTIONRANK_OPEN_ACCESS=true "
        "(--open-access)."
    )


def _rate(settings: Settings) -> Rate | None:
    if settings.rate_limit is None:
        return None
    try:
        return read_rate(settings.rate_limit)
    except SettingsInvalid as error:
        raise SettingsInvalid(
            f"EMOTIONRANK_RATE_LIMIT (--rate-limit) = {settings.rate_limit!r} cannot be used: {error}"
        ) from error


def _is_loopback(host: str) -> bool:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        return True  # nothing can listen there either, which is said when it is tried
    return all(ipaddress.ip_address(str(address[0]).partition("%")[0]).is_loopback for *_, address in found)


def _path(scope: Scope) -> str:
    """Return the path as the routes know it, without that under which the service is mounted."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def _sent_key(headers: Headers) -> str | None:
    scheme, _, text = headers.get("authorization", "").partition(" ")
    return text.strip() if scheme.lower() == "bearer" and text.strip() else None


def _address(scope: Scope) -> str:
    """Name a caller without a key: its address, of an IPv6 one the network of 64 bits, all of which it has."""
    client = scope.get("client")
    return "address unknown" if client is None else _named(client[0])


@lru_cache(maxsize=1024)
def _named(host: str) -> str:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return f"address {host}"
    if isinstance(address, ipaddress.IPv6Address):  # a socket for both kinds gives IPv4 ones as IPv6
        address = address.ipv4_mapped or address
    if address.version == 4:
        return f"address {address}"
    return f"address {ipaddress.ip_network((address, 64), strict=False)}"
