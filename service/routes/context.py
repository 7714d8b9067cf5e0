"""What the routes share: how they reach the engine, and how a body and its options are read."""

from dataclasses import replace
from typing import Annotated, Final

from fastapi import APIRouter, Depends, File, Form, Query, Request, Response, UploadFile

from encoders.encoder import Vectors
from index import hints, query
from index.filters import Filter, loads
from service.engine import Engine
from service.inference.lanes import Lane
from service.intake import GuardedRoute
from service.observing import timing
from service.queries import MAX_K, MAX_OFFSET
from service.schemas import Found, SearchResponse

# The problems that a route may answer, for `problems.documented`.
FOR_JSON: Final = ("body-malformed", "body-too-slow", "media-type-unsupported", "upload-too-large", "request-invalid")
FOR_FORMS: Final = (*FOR_JSON, "storage-full")
FOR_AUDIO: Final = (
    "audio-empty",
    "audio-unreadable",
    "audio-no-track",
    "audio-truncated",
    "audio-too-short",
    "audio-too-long",
    "audio-too-costly",
    "audio-silent",
    "audio-invalid",
    "not-ready",
)
FOR_LIBRARY: Final = ("overloaded", "library-busy", "library-away")
FOR_WRITING: Final = (*FOR_LIBRARY, "library-read-only", "library-full", "storage-full")

Offset = Annotated[int, Query(ge=0, le=MAX_OFFSET, description="How many to skip.")]
FilterQuery = Annotated[
    str | None,
    Query(
        max_length=16_384,
        description="A filter as JSON text, as in POST /v1/search.",
        examples=['{"speaker": "03"}'],
    ),
]
K = Annotated[int, Query(ge=1, le=MAX_K, description="How many hits at most.")]
MinScoreQuery = Annotated[
    float | None, Query(ge=-1, le=1, allow_inf_nan=False, description="Only hits with at least this score.")
]
ShiftQuery = Annotated[
    str | None,
    Query(max_length=256, description="A shift as JSON text, as in POST /v1/search.", examples=['{"arousal": -1}']),
]
RegionQuery = Annotated[
    str | None,
    Query(
        max_length=256, description="A region as JSON text, as in POST /v1/search.", examples=['{"arousal": [5, 7]}']
    ),
]
DistinctQuery = Annotated[bool, Query(description="Leave out hits that are nearly the same sound as a better one.")]
OneFile = Annotated[UploadFile, File(description="One audio file, in any common container.")]
ManyFiles = Annotated[list[UploadFile], File(min_length=1, description="Audio files, in any common container.")]
FormK = Annotated[int, Form(ge=1, le=MAX_K, description="How many hits at most.")]


async def _engine(request: Request) -> Engine:
    engine: Engine = request.app.state.engine
    return engine


TheEngine = Annotated[Engine, Depends(_engine)]


def router(tag: str) -> APIRouter:
    """Make the router of one resource."""
    return APIRouter(prefix="/v1", tags=[tag], route_class=GuardedRoute)


def root_path(request: Request) -> str:
    """Return the path under which the service is mounted ("" for the root)."""
    return str(request.scope.get("root_path", "")).rstrip("/")


def filter_of(text: str | None) -> Filter | None:
    """Read a filter that came as text; raises `FilterError`."""
    return None if text is None else loads(text)


async def find(engine: Engine, asked: query.Query, lane: Lane, root: str) -> Response:
    """Search the library: prompts go through the text stage, all else through the lane, with one seat there.

    The answer is a `SearchResponse`, written out where the work is: what the event loop does for one request keeps all
    the others waiting.
    """

    def answer(prompts: Vectors | None) -> bytes:
        found = _find(engine, asked, prompts)
        return SearchResponse.of(found, asked.k, asked.offset, root).model_dump_json().encode()

    async with lane.seat() as work:
        texts = query.texts(asked.parts)
        prompts = (await engine.texts.embed(texts)).embedding if texts else None
        return Response(await work(answer, prompts), media_type="application/json")


def _find(engine: Engine, asked: query.Query, prompts: Vectors | None) -> Found:
    if any(isinstance(part, query.AudioPart) for part in asked.parts):
        with timing.stage("encode"):
            asked = replace(asked, parts=[_encoded(engine, part) for part in asked.parts])
    with timing.stage("search"):
        found = query.answer(engine.store, engine.encoder, asked, engine.bank, prompts=prompts)
        return Found(found.hits, found.affect, hints.of_filter(engine.store, asked.filter))


def _encoded(engine: Engine, part: query.Part) -> query.Part:
    if isinstance(part, query.AudioPart):
        return query.EmbeddingPart(query.heard(part, engine.encoder), part.weight)
    return part
