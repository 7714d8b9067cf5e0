"""The middleware that records every request in `service.observing.metrics`.

It sits inside the outermost layers, so what they add (problems made of plain errors, headers) is recorded as the
application answered it. A plain ASGI middleware: it neither buffers bodies nor starts tasks.
"""

import re
import time
from typing import Final

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service import problems
from service.engine import Engine
from service.observing import timing
from service.observing.metrics import Metrics
from service.observing.requestlog import HUNG_UP

# The routes that a request did not get to, and methods that HTTP does not have: one label for all of them.
NONE: Final = "none"

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
_TYPE: Final = re.compile(rb'"type":"' + problems.TYPE_PREFIX.encode() + rb'([a-z-]+)"')


class Observe:
    """The middleware; the module's docstring says what it does."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        engine: Engine = scope["app"].state.engine
        began = time.perf_counter()
        answer = _Answer(engine.metrics, send)
        engine.metrics.running.inc()
        try:
            await self._app(scope, receive, answer.send)
        except ClientDisconnect:
            engine.metrics.rejected("hung-up")
            raise
        except Exception:
            answer.fail()
            raise
        finally:
            engine.metrics.running.dec()
            engine.metrics.request(
                scope["method"] if scope["method"] in _METHODS else NONE,
                getattr(scope.get("route"), "path", NONE),
                answer.status,
                time.perf_counter() - began,
                timing.of(scope) or {},
            )


class _Answer:
    """One answer on its way out: its status, and what kind of problem it is."""

    def __init__(self, metrics: Metrics, send: Send) -> None:
        self.status = HUNG_UP  # until there is an answer
        self._metrics = metrics
        self._send = send
        self._problem = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self._problem = (
                self.status >= 400 and Headers(raw=message["headers"]).get("content-type") == problems.MEDIA_TYPE
            )
        elif self._problem:
            self._problem = False
            found = _TYPE.search(message.get("body", b""))
            if found is not None:
                self._metrics.problem(found[1].decode(), self.status)
        await self._send(message)

    def fail(self) -> None:
        """Note that nobody expected what happened."""
        if self.status == HUNG_UP:
            self.status = 500
            self._metrics.problem("internal-error", self.status)
