"""Every error that the service answers: RFC 9457 `application/problem+json`, one shape, stable types.

    {"type": "urn:emotionrank:problem:clip-not-found", "title": "No such clip", "status": 404,
     "detail": "...what happened and what to do...", "instance": "/v1/clips/0123456789abcdef"}

`type` is the name to program against; `detail` is for people and may change. A request that does not fit its
schema carries `errors` as well, one entry a fault. KINDS is the whole list: the code of every
`EmotionRankError` that a request can meet, and those of plain HTTP. An error whose code is not in the table is a
fault of ours and is answered as `internal-error`, without its text.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, NamedTuple, cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from encoders.errors import EmotionRankError, InputError
from service.errors import Overloaded, RequestInvalid, ServiceError
from service.observing import requestid

log = logging.getLogger("emotionrank.service")

MEDIA_TYPE: Final = "application/problem+json"
TYPE_PREFIX: Final = "urn:emotionrank:problem:"
# Answers that say when to come back: in a second, unless whoever refused knows better.
_COME_BACK: Final = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


class Kind(NamedTuple):
    """A kind of problem: its HTTP status and its title."""

    status: int
    title: str


KINDS: Final[Mapping[str, Kind]] = {
    # the request
    "body-malformed": Kind(400, "The body is not well-formed"),
    "bad-request": Kind(400, "The request cannot be understood"),
    "key-missing": Kind(401, "A key is needed"),
    "key-unknown": Kind(401, "The key is not known"),
    "key-insufficient": Kind(403, "The key may not do this"),
    "host-refused": Kind(403, "The service has another name"),
    "origin-refused": Kind(403, "The web page may not do this"),
    "rate-limited": Kind(429, "Too many requests in a time"),
    "concurrency-limited": Kind(429, "Too many requests at once"),
    "route-not-found": Kind(404, "No such route"),
    "method-not-allowed": Kind(405, "The route has no such method"),
    "body-too-slow": Kind(408, "The body came too slowly"),
    "media-type-unsupported": Kind(415, "The body has the wrong content type"),
    "range-not-satisfiable": Kind(416, "The range lies outside the file"),
    "request-invalid": Kind(422, "The request does not fit its schema"),
    "filter-invalid": Kind(422, "The filter cannot be used"),
    "query-invalid": Kind(422, "The query cannot be used"),
    "prompt-invalid": Kind(422, "A prompt cannot be used"),
    "embedding-invalid": Kind(422, "An embedding cannot be used"),
    # clips
    "clip-not-found": Kind(404, "No such clip"),
    "clip-conflict": Kind(409, "Another clip has this id"),
    "audio-missing": Kind(404, "The clip's audio is no longer there"),
    # uploads
    "upload-too-large": Kind(413, "The body is too large"),
    "too-many-files": Kind(422, "Too many files in one request"),
    "metadata-invalid": Kind(422, "The metadata cannot be used"),
    "audio-empty": Kind(422, "The file is empty"),
    "audio-unreadable": Kind(422, "The file is no audio that can be read"),
    "audio-no-track": Kind(422, "The file has no sound track"),
    "audio-truncated": Kind(422, "The file is cut off"),
    "audio-too-short": Kind(422, "The sound is too short"),
    "audio-too-long": Kind(422, "The sound is too long"),
    "audio-too-costly": Kind(422, "The file costs too much to decode"),
    "audio-silent": Kind(422, "The sound is silent"),
    "audio-invalid": Kind(422, "The sound holds values that are not numbers"),
    # the service
    "overloaded": Kind(429, "Too much is waiting already"),
    "not-ready": Kind(503, "The service is not ready"),
    "library-busy": Kind(503, "The library is busy"),
    "library-away": Kind(503, "The library cannot be reached"),
    "library-read-only": Kind(503, "The library cannot be written to"),
    "library-full": Kind(507, "The library's disk is full"),
    "uploads-unavailable": Kind(501, "This service takes no uploads"),
    "storage-full": Kind(507, "The upload could not be stored"),
    "internal-error": Kind(500, "Something went wrong here"),
}

# What plain HTTP errors, raised by the framework, are called here.
_BY_STATUS: Final[Mapping[int, str]] = {
    404: "route-not-found",
    405: "method-not-allowed",
    413: "upload-too-large",
    415: "media-type-unsupported",
    416: "range-not-satisfiable",
    429: "overloaded",
    503: "not-ready",
}


class Fault(BaseModel):
    """One thing that does not fit the schema."""

    place: str = Field(description="Where it is: the part of the request, then a JSON pointer or a name.")
    detail: str = Field(description="What is wrong there.")
    rule: str = Field(description="The stable name of the rule that it breaks.")


class Problem(BaseModel):
    """An error, as RFC 9457 has it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": f"{TYPE_PREFIX}request-invalid",
                    "title": KINDS["request-invalid"].title,
                    "status": 422,
                    "detail": "body /k: Input should be less than or equal to 1000",
                    "instance": "/v1/search",
                    "errors": [
                        {
                            "place": "body /k",
                            "detail": "Input should be less than or equal to 1000",
                            "rule": "less_than_equal",
                        }
                    ],
                }
            ]
        }
    )

    type: str = Field(
        description="Stable name of the kind of problem.",
        json_schema_extra={"enum": [TYPE_PREFIX + code for code in KINDS]},
    )
    title: str = Field(description="The kind of problem in words; the same for every problem of a type.")
    status: int = Field(ge=400, le=599, description="The HTTP status.")
    detail: str = Field(description="What happened, and what to do about it.")
    instance: str | None = Field(None, description="The path of the request.")
    errors: list[Fault] | None = Field(None, description="For request-invalid: every fault that was found.")
    request_id: str | None = Field(None, description="The request's id: also its X-Request-Id, and in the log.")


def problem(code: str, detail: str, *, instance: str | None = None, errors: Sequence[Fault] | None = None) -> Problem:
    """Make the problem of that code (a key of KINDS)."""
    kind = KINDS[code]
    return Problem(
        type=TYPE_PREFIX + code,
        title=kind.title,
        status=kind.status,
        detail=detail,
        instance=instance,
        errors=list(errors) if errors is not None else None,
        request_id=None,
    )


def from_error(error: EmotionRankError, *, instance: str | None = None) -> Problem:
    """Turn an error into its problem; one that no request should meet becomes `internal-error`, and is logged."""
    if error.code not in KINDS:
        log.error("an error that is not the caller's: %s: %s", error.code, error, exc_info=error)
        return internal(instance=instance)
    errors = None
    if isinstance(error, RequestInvalid):
        errors = [Fault(place=error.where, detail=error.reason, rule=error.code)]
    detail = str(error)
    if not isinstance(error, InputError | ServiceError):  # may name paths of this machine
        log.warning("%s: %s", error.code, error)
        detail = f"{KINDS[error.code].title}. The service's log says more."
    return problem(error.code, detail, instance=instance, errors=errors)


def internal(*, instance: str | None = None) -> Problem:
    """Make the problem of an unexpected error: nothing of its text leaves the service."""
    return problem("internal-error", "The service met an unexpected error. Its log says more.", instance=instance)


def from_status(status: int, detail: str, *, instance: str | None = None) -> Problem:
    """Turn a plain HTTP error into a problem."""
    if status >= 500 and status not in _BY_STATUS:
        return internal(instance=instance)
    found = problem(_BY_STATUS.get(status, "bad-request"), detail, instance=instance)
    return found.model_copy(update={"status": status})


def respond(
    found: Problem, headers: Mapping[str, str] | None = None, extra: Mapping[str, Any] | None = None
) -> JSONResponse:
    """Answer with a problem, and the request's id; `extra` are extension members beside the standard ones."""
    sent = dict(headers or {})
    content = found.model_dump(mode="json", exclude_none=True)
    if request_id := requestid.current():
        content["request_id"] = sent[requestid.HEADER] = request_id
    if found.status in _COME_BACK:
        sent.setdefault("Retry-After", "1")
    content.update(extra or {})
    return JSONResponse(content, status_code=found.status, headers=sent, media_type=MEDIA_TYPE)


def overloaded(error: Overloaded, *, instance: str) -> JSONResponse:
    """Answer that too much is waiting already, and when to come back."""
    return respond(from_error(error, instance=instance), {"Retry-After": str(error.retry_after)})


def faults_of(error: RequestValidationError) -> list[Fault]:
    """List what does not fit, without the values that came in (they may be large, private or not JSON)."""
    return [
        Fault(place=_place(fault["loc"]), detail=fault["msg"], rule=fault["type"])
        for fault in cast("Sequence[dict[str, Any]]", error.errors())
    ]


def _place(location: Iterable[int | str]) -> str:
    # Names of union members ("@text") tell of our schema, not of the caller's request.
    where, *path = [part for part in location if not str(part).startswith("@")]
    if where == "body":
        return "body " + "".join("/" + str(part) for part in path) if path else "body"
    return " ".join([str(where), *map(str, path)])


def install(app: FastAPI) -> None:
    """Make every exception of `app` a problem (what is no exception: see `service.edge`)."""

    async def on_known(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, EmotionRankError)
        if isinstance(error, Overloaded):
            return overloaded(error, instance=request.url.path)
        found = from_error(error, instance=request.url.path)
        return respond(found)

    async def on_invalid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        faults = faults_of(error)
        detail = "; ".join(f"{fault.place}: {fault.detail}" for fault in faults[:5])
        if len(faults) > 5:
            detail += f"; and {len(faults) - 5} more"
        return respond(problem("request-invalid", detail, instance=request.url.path, errors=faults))

    async def on_http(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        detail = str(error.detail)
        if error.status_code == HTTPStatus.NOT_FOUND:
            detail = f"There is nothing at {request.url.path}. The routes are listed at /docs."
        elif error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            detail = f"{request.url.path} does not take {request.method}."
        return respond(from_status(error.status_code, detail, instance=request.url.path), error.headers)

    app.add_exception_handler(EmotionRankError, on_known)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(HTTPException, on_http)


def documented(*codes: str) -> dict[int | str, dict[str, Any]]:
    """Describe for OpenAPI the problems that a route may answer, grouped by status, with an example each.

    Those that any route may meet (internal-error) need not be named.
    """
    by_status: dict[int, list[str]] = {}
    for code in (*codes, "internal-error"):
        by_status.setdefault(KINDS[code].status, []).append(code)
    return {
        status: {
            "description": "; ".join(KINDS[code].title for code in grouped),
            "content": {
                MEDIA_TYPE: {
                    "schema": {"$ref": "#/components/schemas/Problem"},
                    "examples": {
                        code: {
                            "summary": KINDS[code].title,
                            "value": {
                                "type": TYPE_PREFIX + code,
                                "title": KINDS[code].title,
                                "status": status,
                                "detail": "What happened here, and what to do about it.",
                            },
                        }
                        for code in grouped
                    },
                }
            },
        }
        for status, grouped in sorted(by_status.items())
    }


def add_documented(responses: dict[str, Any], *codes: str) -> None:
    """Describe further problems among the responses of an operation of an OpenAPI document."""
    for status, added in documented(*codes).items():
        there = responses.setdefault(str(status), added)
        examples = there["content"][MEDIA_TYPE]["examples"]
        examples.update(added["content"][MEDIA_TYPE]["examples"])
        there["description"] = "; ".join(KINDS[code].title for code in examples)


def schemas() -> dict[str, Any]:
    """Return the JSON schemas that `documented` refers to, by name."""
    schema = Problem.model_json_schema(mode="serialization", ref_template="#/components/schemas/{model}")
    return {"Fault": schema["$defs"]["Fault"], "Problem": {k: v for k, v in schema.items() if k != "$defs"}}
