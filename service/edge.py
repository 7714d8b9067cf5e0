"""The outermost layer: what holds for every response, whoever made it.

- An exception that nobody expected becomes a 500 problem; its text goes to the log only.
- A request that the end of the service cuts off is answered 503.
- An error that is not a problem yet (the framework answers some in plain text, a bad `Range` for one) becomes one.
- Security headers: no content sniffing, no framing, no referrer, nothing loaded from elsewhere, nor by pages elsewhere.
- HEAD is answered wherever GET is.
- `Server-Timing` says how long the stages of the request took until its answer began (`service.observing.timing`).

A plain ASGI middleware: it neither buffers bodies nor starts tasks.
"""

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service import problems
from service.observing import requestid, timing

SECURITY_HEADERS: Final[Mapping[str, str]] = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self' data:; frame-ancestors 'none'; "
    "base-uri 'none'; form-action 'none'",
}
_SECURITY: Final = [(name.lower().encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]


class Edge:
    """The middleware; the module's docstring says what it does."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with timing.begun(scope) as spent:
            await self._answer(scope, receive, _Response(scope, receive, send, spent))

    async def _answer(self, scope: Scope, receive: Receive, response: "_Response") -> None:
        if scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}
        try:
            await self._app(scope, receive, response.send)
        except ClientDisconnect:
            pass  # nobody is left to answer
        except asyncio.CancelledError:
            # Only the end of the service cancels a request, and only one that has used up the time to finish in.
            if not response.started:
                found = problems.problem("not-ready", _STOPPED, instance=scope["path"])
                await response.replace(found, {"Retry-After": "1"})
        except Exception:
            problems.log.exception(
                "unexpected error at %s %s (request %s)", response.method, scope["path"], requestid.current()
            )
            if response.started:
                raise  # half an answer is out: all that is left is to break the connection
            await response.replace(problems.internal(instance=scope["path"]), {})


class _Response:
    """One response on its way out."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, spent: timing.Timing) -> None:
        self.method: str = scope["method"]
        self.started = False
        self._scope = scope
        self._receive = receive
        self._send = send
        self._spent = spent
        self._replaced = False

    async def send(self, message: Message) -> None:
        if self._replaced:
            return
        if message["type"] == "http.response.start":
            status, raw = message["status"], message["headers"]
            headers = Headers(raw=raw)
            if status >= 400 and not headers.get("content-type", "").startswith(problems.MEDIA_TYPE):
                self._replaced = True
                kept = {name: value for name, value in headers.items() if name.startswith(_KEPT)}
                found = problems.from_status(
                    status, _REASONS.get(status, HTTPStatus(status).phrase), instance=self._scope["path"]
                )
                await self.replace(found, kept)
                return
            there = {name for name, _ in raw}
            ours = [*_SECURITY, (b"server-timing", self._spent.header().encode())]
            message = {**message, "headers": [*raw, *(header for header in ours if header[0] not in there)]}
            self.started = True
        elif self.method == "HEAD":
            if message.get("more_body"):
                return
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        await self._send(message)

    async def replace(self, found: problems.Problem, headers: Mapping[str, str]) -> None:
        """Answer with a problem instead."""
        self.started = True
        own = {**SECURITY_HEADERS, "Server-Timing": self._spent.header()}
        response = problems.respond(found, {**own, **headers})
        await response(self._scope, self._receive, self._send)


# Headers of a replaced answer that still hold for the problem.
_KEPT: Final = ("allow", "content-range", "access-control-", "vary")
_STOPPED: Final = (
    "The service is being stopped, and the request did not end in time; what it writes may have been written or not. "
    "Try again."
)
_REASONS: Final[Mapping[int, str]] = {
    400: "A header of the request cannot be understood; a Range is written bytes=FIRST-LAST.",
    416: "The range begins after the end of the file; Content-Range says how long the file is.",
}
