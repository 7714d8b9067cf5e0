"""The request's id and the access log: one line of JSON for every request.

    {"time": "2026-03-01T09:30:00.125+00:00", "level": "INFO", "logger": "emotionrank.access", "message": "answered",
     "request_id": "6f1d...", "method": "POST", "path": "/v1/search", "status": 200, "milliseconds": 4.1,
     "stages": {"encode": 2.9, "search": 0.8}, "bytes_in": 31, "bytes_out": 2210, "client": "127.0.0.1", "key": "alice"}

`status` is 499 where the caller hung up before the answer. What was asked (the query string, prompts and other
fields, names of files) is `content`, and only there when the setting asks for it. While the log is on, warnings and
errors of the service and of uvicorn are lines of the same kind, with the id of the request that they are about.

`RequestLog` is a plain ASGI middleware; it gives every request its id (`service.observing.requestid`) whether the log
is on or not.
"""

import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final, TextIO

from pythonjsonlogger.json import JsonFormatter
from starlette.datastructures import FormData, Headers, MutableHeaders, UploadFile
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.observing import requestid, timing

log = logging.getLogger("emotionrank.access")

HUNG_UP: Final = 499  # as nginx has it; no status of HTTP says that nobody heard the answer
_LONGEST: Final = 1000  # characters of one logged text
_MOST: Final = 100  # logged names, prompts or fields of one request
_LOGGERS: Final = ("emotionrank", "uvicorn", "uvicorn.error")


@dataclass(slots=True)
class _Record:
    """What is known of a request besides what the middleware sees."""

    with_content: bool
    key: str | None = None
    content: dict[str, Any] = field(default_factory=dict)


_current: Final[ContextVar[_Record | None]] = ContextVar("request_record", default=None)


def note_key(name: str) -> None:
    """Note whose key the request came with."""
    record = _current.get()
    if record is not None:
        record.key = name


def note_json(body: object) -> None:
    """Note the body of the request, where what was asked is logged."""
    record = _current.get()
    if record is not None and record.with_content:
        record.content["body"] = _shortened(body)


def note_form(form: FormData) -> None:
    """Note the fields and the names of files of the request, where what was asked is logged."""
    record = _current.get()
    if record is None or not record.with_content:
        return
    for name, value in form.multi_items()[:_MOST]:
        text = {"file": (value.filename or "")[:_LONGEST]} if isinstance(value, UploadFile) else value[:_LONGEST]
        record.content.setdefault("form", []).append({name[:_LONGEST]: text})


class RequestLog:
    """The middleware; the module's docstring says what it does."""

    def __init__(self, app: ASGIApp, *, lines: bool = False, content: bool = False) -> None:
        self._app = app
        self._lines = lines
        self._content = content

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request and write its line."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = requestid.begin(Headers(scope=scope).get(requestid.HEADER))
        if not self._lines:
            await self._app(scope, receive, _with_id(send, request_id))
            return
        record = _Record(self._content)
        if self._content and scope["query_string"]:
            record.content["query"] = scope["query_string"].decode("latin-1")[:_LONGEST]
        _current.set(record)
        seen = _Seen(receive, _with_id(send, request_id))
        try:
            await self._app(scope, seen.receive, seen.send)
        except ClientDisconnect:
            seen.status = HUNG_UP
            raise
        except BaseException:
            seen.status = seen.status or 500
            raise
        finally:
            log.info("answered", extra=_line(scope, seen, record))


class _Seen:
    """What passes by: the status, and bytes in both directions."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self.status: int | None = None
        self.bytes_in = 0
        self.bytes_out = 0
        self._receive = receive
        self._send = send
        self._complete = False

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.disconnect" and not self._complete:
            self.status = self.status or HUNG_UP
        self.bytes_in += len(message.get("body", b""))
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = self.status or message["status"]
        else:
            self.bytes_out += len(message.get("body", b""))
            self._complete = not message.get("more_body", False)
        await self._send(message)


def _with_id(send: Send, request_id: str) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).setdefault(requestid.HEADER, request_id)
        await send(message)

    return sending


def _line(scope: Scope, seen: _Seen, record: _Record) -> dict[str, Any]:
    spent = timing.of(scope)
    client = scope.get("client")
    line = {
        "method": scope["method"],
        "path": scope["path"],
        "status": seen.status or HUNG_UP,
        "milliseconds": None if spent is None else round(1000 * spent.total, 2),
        "stages": {} if spent is None else {name: round(1000 * seconds, 2) for name, seconds in spent.items()},
        "bytes_in": seen.bytes_in,
        "bytes_out": seen.bytes_out,
        "client": None if client is None else client[0],
        "key": record.key,
    }
    return {**line, "content": record.content} if record.with_content else line


def _shortened(value: object) -> object:
    if isinstance(value, str):
        return value[:_LONGEST]
    if isinstance(value, Mapping):
        return {str(key)[:_LONGEST]: _shortened(item) for key, item in list(value.items())[:_MOST]}
    if isinstance(value, list):
        return [_shortened(item) for item in value[:_MOST]]
    return value


@contextmanager
def written(on: bool, stream: TextIO | None = None) -> Iterator[None]:
    """Write the log, as lines of JSON, to a stream (standard error) while the block runs, if it is to be written."""
    if not on:
        yield
        return
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        JsonFormatter(
            ["levelname", "name", "message"],
            rename_fields={"levelname": "level", "name": "logger", "exc_info": "exception"},
            timestamp="time",
        )
    )
    handler.addFilter(_add_id)
    before = []
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        before.append((logger, logger.handlers, logger.propagate))
        logger.handlers, logger.propagate = [handler], False
    level = log.level
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.setLevel(level)
        for logger, handlers, propagate in before:
            logger.handlers, logger.propagate = handlers, propagate


def _add_id(entry: logging.LogRecord) -> bool:
    if not hasattr(entry, "request_id"):
        entry.request_id = requestid.current()
    return True
