"""What every request passes before its route sees it.

`GuardedRoute` is the class of all routes. What nobody could work on has been refused before (`service.refusing`). In
this order:

1. A body of another content type than the route reads is refused, and one that is compressed as a whole (415).
2. A query parameter that the route does not know is refused (422): a typing error must not be ignored.
3. The body is counted while it streams in and refused as soon as it is too large (413), whether its length was
   declared or it comes in chunks; one that only trickles in is ended (408). JSON may hold MAX_JSON_BYTES; a form what
   the settings allow.
4. JSON is read strictly (`service.strictjson`); a form into temporary files that have no name and vanish
   with the request. A form field that the route does not know is refused (422).
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable
from difflib import get_close_matches
from typing import Any, Final

from fastapi import Request, Response, params
from fastapi.routing import APIRoute
from pydantic import JsonValue
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.types import Message

from service import strictjson
from service.engine import Engine
from service.errors import (
    BodyMalformed,
    BodyTooSlow,
    MediaTypeUnsupported,
    RequestInvalid,
    StorageFull,
    UploadTooLarge,
)
from service.inference import callers
from service.observing import requestlog

MAX_JSON_BYTES: Final = 1024 * 1024
# Seconds that a body may take, and bytes of it that are worth another second: a slow line is served, a caller who only
# holds a connection open is not.
PATIENCE: Final = 30.0
SLOWEST: Final = 8 * 1024
# Of one form field that is no file.
MAX_FIELD_BYTES: Final = 64 * 1024
# The form parser's own limit on parts; `max_files`, which is never above it, is checked with a clear message.
MAX_PARTS: Final = 1000

JSON: Final = "application/json"
FORM: Final = "multipart/form-data"


class GuardedRoute(APIRoute):
    """A route whose requests are checked as the module's docstring says."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap FastAPI's handler."""
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            media_type = self.reads
            if media_type is not None:
                _expect(request, media_type)
            _refuse_unknown("query", request.query_params, [p.alias for p in self.dependant.query_params])
            if media_type is None:
                with callers.known(request.receive):
                    return await handle(request)
            if media_type == JSON:
                strict = _StrictRequest(request, MAX_JSON_BYTES)
                await _read_json(strict)
                requestlog.note_json(await strict.json())
                with callers.known(strict.receive):
                    return await handle(strict)
            engine: Engine = request.app.state.engine
            strict = _StrictRequest(request, engine.settings.max_upload_bytes)
            form = await _read_form(strict)
            try:
                requestlog.note_form(form)
                fields = self.dependant.body_params
                _refuse_unknown("form field", form, [p.alias for p in fields])
                _expect_files(form, [p.alias for p in fields if isinstance(p.field_info, params.File)])
                with callers.known(strict.receive):
                    return await handle(strict)
            finally:
                await form.close()

        return guarded

    @property
    def reads(self) -> str | None:
        """The media type of the body that the route reads; None for none."""
        if self.body_field is None:
            return None
        return FORM if isinstance(self.body_field.field_info, params.Form) else JSON


class _StrictRequest(Request):
    """A request whose body ends in `UploadTooLarge` over `limit` bytes, and whose JSON is read strictly.

    Body, JSON and form are kept once read, so FastAPI finds what was read here.
    """

    def __init__(self, request: Request, limit: int) -> None:
        self._strict_json: JsonValue = None
        self._strict_json_read = False
        too_large = UploadTooLarge(
            f"the body is larger than {limit / 1024 / 1024:g} MiB, the most that is taken here "
            "(GET /v1/info lists the limits)."
        )
        declared = request.headers.get("content-length", "")
        received = 0
        whole = False
        began = time.monotonic()

        async def receive() -> Message:
            nonlocal received, whole
            if declared.isascii() and declared.isdigit() and int(declared) > limit:
                raise too_large
            if whole:  # what comes now is that the caller hung up, at any time
                return await request.receive()
            patience = began + PATIENCE + received / SLOWEST - time.monotonic()
            try:
                async with asyncio.timeout(patience):  # what is there already is taken even when it is late
                    message = await request.receive()
            except TimeoutError:
                raise BodyTooSlow(
                    f"after {time.monotonic() - began:.0f} s, {received} bytes of the body had come. A body may take "
                    f"{PATIENCE:g} s, and a second more for every {SLOWEST // 1024} KiB."
                ) from None
            whole = not message.get("more_body", False)
            received += len(message.get("body", b""))
            if received > limit:
                raise too_large
            return message

        super().__init__(request.scope, receive)

    async def json(self) -> JsonValue:
        """Read the body as JSON; raises ValueError."""
        if not self._strict_json_read:
            self._strict_json = strictjson.parse(await self.body())
            self._strict_json_read = True
        return self._strict_json


async def _read_json(request: _StrictRequest) -> None:
    try:
        await request.json()
    except ValueError as error:
        raise BodyMalformed(f"the body is not JSON that can be read: {error}") from error


async def _read_form(request: _StrictRequest) -> FormData:
    try:
        return await request.form(max_files=MAX_PARTS, max_fields=MAX_PARTS, max_part_size=MAX_FIELD_BYTES)
    except HTTPException as error:
        raise BodyMalformed(f"the multipart form cannot be read: {error.detail}") from error
    except OSError as error:
        raise StorageFull(f"the upload could not be written to the temporary folder: {error.strerror}") from error


def _expect(request: Request, media_type: str) -> None:
    if coding := request.headers.get("content-encoding", "").strip().lower().removeprefix("identity"):
        raise MediaTypeUnsupported(
            f"the body has the content encoding {coding[:64]!r}; it is taken as it is only. Send it without the header "
            "Content-Encoding, uncompressed (audio that is compressed by itself, such as MP3 or FLAC, is taken)."
        )
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given == media_type or (media_type == JSON and given.endswith("+json")):
        return
    raise MediaTypeUnsupported(
        f"this route reads {media_type}, the body is {given or 'of no declared type'}. "
        + (
            "Send the audio as a form: curl -F 'file=@voice.wav' ..."
            if media_type == FORM
            else "Send the header Content-Type: application/json."
        )
    )


def _expect_files(form: FormData, names: Iterable[str]) -> None:
    for name in names:
        if any(isinstance(value, str) for value in form.getlist(name)):
            raise RequestInvalid(
                f"form field {name!r}",
                "a file belongs here, and it came as text without a file name. With curl, write an @ before the path: "
                f"-F '{name}=@voice.wav'.",
            )


def _refuse_unknown(what: str, given: Iterable[str], known: list[str]) -> None:
    for name in given:
        if name not in known:
            raise RequestInvalid(f"{what} {name[:64]!r}", unknown(name, known))


def unknown(name: str, known: Iterable[str]) -> str:
    """Say that a name is not known, which ones are, and which one was probably meant."""
    names = list(known)
    near = get_close_matches(name, names, n=1)
    meant = f" Did you mean {near[0]!r}?" if near else ""
    return f"not known here.{meant} Known: {', '.join(names) or 'none'}."
