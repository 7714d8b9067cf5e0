"""The FastAPI application."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version
from typing import Any, Final

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.openapi.utils import get_openapi

from service import problems
from service.access import guard as access
from service.access import needs
from service.access.needs import Rules
from service.edge import Edge
from service.engine import Engine, open_engine
from service.observing import requestid, requestlog, tracing
from service.observing.middleware import Observe
from service.observing.requestlog import RequestLog
from service.refusing import Refuse
from service.routes import clips, describe, embed, facets, metrics, page, plane, search, system, waveform
from service.serving.watch import watched
from service.settings import Settings

_DESCRIPTION: Final = """
Search and describe speech by how it feels.

Affect is a point of the valence-arousal plane: each axis runs from 1 to 7, 4 is neutral, valence 7 is the most
positive and arousal 7 the most activated. Scores are cosines. The model was trained on acted speech: its
answers rank voices, they do not diagnose people.

Every error is `application/problem+json` (RFC 9457) with a stable `type`.
"""
_TAGS: Final = [
    {"name": "search", "description": "From words, clips, vectors or a recording to clips."},
    {"name": "describe", "description": "From a recording to words."},
    {"name": "clips", "description": "The library."},
    {"name": "facets", "description": "The library, counted by field."},
    {"name": "map", "description": "The library, in the plane."},
    {"name": "embed", "description": "Vectors, for use elsewhere."},
    {"name": "system", "description": "What runs here."},
]
_CORS: Final[Mapping[str, Any]] = {
    "allow_methods": ["GET", "POST", "DELETE"],
    "allow_headers": ["Authorization", "Range", requestid.HEADER],
    "expose_headers": ["Content-Range", "Retry-After", "Server-Timing", "WWW-Authenticate", requestid.HEADER],
}


def create_app(settings: Settings, *, engine: Engine | None = None, warm: Callable[[], None] = lambda: None) -> FastAPI:
    """Make the application.

    With an open `engine` (whose caller closes it) it serves that; without, its lifespan opens one from the
    settings and closes it, and raises what `open_engine` raises. `warm` is called before the first request is taken,
    once everything has been loaded and used. Raises `SettingsInvalid` for keys and limits that
    cannot be used, and where a service without keys would be open to others (`service.access.guard`).
    """
    guard = access.guard(settings)
    traced = tracing.provider() if settings.tracing else None
    resources = [
        search.routes,
        describe.routes,
        clips.routes,
        waveform.routes,
        facets.routes,
        plane.routes,
        embed.routes,
        system.routes,
        metrics.routes,
        page.routes,
    ]

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.enter_context(requestlog.written(settings.access_log))
            if traced is not None:
                stack.callback(traced.shutdown)
            opened = engine or stack.enter_context(open_engine(settings))
            app.state.engine = opened
            app.state.watch = watch = await stack.enter_async_context(watched(opened))
            opened.readings.watch(watch.wrong)
            await stack.enter_async_context(opened.readings.published())
            warm()
            yield

    app = _Application(
        guarded=guard,
        title="EmotionRank",
        version=version("emotionrank"),
        description=_DESCRIPTION,
        openapi_tags=_TAGS,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    problems.install(app)
    # The last one added is the outermost.
    app.add_middleware(Refuse, routers=resources)
    app.add_middleware(access.Access, guard=guard, rules=Rules.of(resources, [app.openapi_url or ""]))
    if settings.cors_origins:
        app.add_middleware(CORSMiddleware, allow_origins=settings.cors_origins, **_CORS)
    app.add_middleware(Observe)
    app.add_middleware(RequestLog, lines=settings.access_log, content=settings.log_content)
    app.add_middleware(Edge)
    if traced is not None:
        tracing.install(app, traced)
    for resource in resources:
        app.include_router(resource)
    return app


class _Application(FastAPI):
    """FastAPI with a document that tells the truth of errors (all are problems), of what is refused, of access."""

    def __init__(self, *, guarded: access.Guard, **settings: Any) -> None:
        super().__init__(**settings)
        self._guarded = guarded

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            document = get_openapi(
                title=self.title,
                version=self.version,
                description=self.description,
                tags=self.openapi_tags,
                routes=self.routes,
            )
            schemas = document["components"]["schemas"]
            for name, schema in problems.schemas().items():
                schemas.setdefault(name, schema)
            _tell_of_forms_and_parameters(document)
            needs.describe(document, keys=self._guarded.keyring is not None, limited=self._guarded.limits.any)
            self.openapi_schema = document
        return self.openapi_schema


def _tell_of_forms_and_parameters(document: dict[str, Any]) -> None:
    """Say what the framework does not: forms take no other fields, and neither they nor parameters can hold null."""
    for name, schema in document["components"]["schemas"].items():
        if name.startswith("Body_"):
            schema["additionalProperties"] = False
            for field in schema["properties"].values():
                _drop_null(field)
    for operations in document["paths"].values():
        for operation in operations.values():
            for parameter in operation.get("parameters", ()):
                _drop_null(parameter["schema"])


def _drop_null(schema: dict[str, Any]) -> None:
    options = [option for option in schema.get("anyOf", ()) if option != {"type": "null"}]
    if len(options) == 1:
        del schema["anyOf"]
        schema.update(options[0])
