"""What runs here, whether it works, and the pages for people."""

import asyncio
import time
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, HTMLResponse

from encoders.audio import MIN_DURATION
from encoders.encoder import MAX_PROMPT_CHARS
from encoders.errors import EmotionRankError
from index import query
from index.records import Counts, IndexInfo
from service import problems, reference
from service.engine import Engine
from service.errors import NotReady, Overloaded
from service.intake import MAX_JSON_BYTES, GuardedRoute
from service.needs import OPEN, READ, needs
from service.queries import MAX_K, MAX_PARTS
from service.routes.context import FOR_LIBRARY, TheEngine
from service.schemas import (
    MAX_PROMPTS,
    BundleOut,
    HealthResponse,
    IndexOut,
    InfoResponse,
    LibraryOut,
    LimitsOut,
    ReadyResponse,
)

routes = APIRouter(tags=["system"], route_class=GuardedRoute)

WEB: Final = Path(__file__).parent.parent / "web"
_READY_WITHIN: Final = 10.0  # seconds


@routes.get(
    "/v1/info",
    operation_id="info",
    summary="What runs here",
    openapi_extra=needs(READ),
    response_description="The bundle, the library and the limits.",
    responses=problems.documented("request-invalid", *FOR_LIBRARY),
)
async def info(request: Request, engine: TheEngine) -> InfoResponse:
    """Return the version, the bundle with the licence of its weights, the library, its index, and every limit."""

    def look() -> tuple[Counts, IndexInfo]:
        return engine.store.count(), engine.store.index()

    counts, index = await engine.quick.run(look)
    bundle = engine.encoder.bundle
    settings = engine.settings
    return InfoResponse(
        name="EmotionRank",
        version=request.app.version,
        bundle=BundleOut(
            name=bundle.info.name,
            version=bundle.info.version,
            licence=bundle.info.licence,
            fingerprint=bundle.fingerprint,
            embedding_dim=bundle.info.embedding_dim,
            sample_rate=bundle.info.sample_rate,
            win_dur=bundle.info.win_dur,
            hop_dur=bundle.info.hop_dur,
            affect_scale=bundle.info.affect_scale,
            prompts=len(bundle.prompts),
        ),
        library=LibraryOut(
            clips=counts.clips,
            segments=counts.segments,
            seconds=round(counts.seconds, 3),
            hours=round(counts.seconds / 3600, 2),
        ),
        index=IndexOut.of(index),
        limits=LimitsOut(
            max_upload_bytes=settings.max_upload_bytes,
            max_json_bytes=MAX_JSON_BYTES,
            max_files=settings.max_files,
            min_duration=MIN_DURATION,
            max_duration=settings.max_duration,
            max_prompt_chars=MAX_PROMPT_CHARS,
            max_prompts=MAX_PROMPTS,
            max_parts=MAX_PARTS,
            max_k=MAX_K,
        ),
    )


@routes.get(
    "/healthz",
    operation_id="healthz",
    summary="Whether the process runs",
    openapi_extra=needs(OPEN),
    response_description="It does.",
    responses=problems.documented("request-invalid"),
)
async def healthz() -> HealthResponse:
    """Answer at once, whatever the service is busy with; waits for no thread and no lock."""
    return HealthResponse()


@routes.get(
    "/readyz",
    operation_id="readyz",
    summary="Whether it can search",
    openapi_extra=needs(OPEN),
    response_description="It can.",
    responses=problems.documented("request-invalid", "not-ready", *FOR_LIBRARY),
)
async def readyz(engine: TheEngine) -> ReadyResponse:
    """Embed a prompt and search the library, really; 503 with the reason when that fails or takes too long."""
    began = time.perf_counter()
    try:
        clips = await asyncio.wait_for(engine.quick.run(_try, engine), _READY_WITHIN)
    except TimeoutError:
        raise NotReady(f"a search did not end within {_READY_WITHIN:g} s.") from None
    except Overloaded:
        raise
    except EmotionRankError as error:
        problems.log.warning("not ready: %s", error)
        raise NotReady(f"a search fails ({error.code}). The service's log says more.") from error
    except Exception as error:
        problems.log.exception("not ready: a search fails")
        raise NotReady("a search fails unexpectedly. The service's log says more.") from error
    return ReadyResponse(milliseconds=round(1000 * (time.perf_counter() - began), 3), clips=clips)


def _try(engine: Engine) -> int:
    engine.bank.embeddings()  # made at the first use: so that no caller waits for it
    query.search(engine.store, engine.encoder, query.Query(parts=[query.TextPart("a calm, warm voice")], k=1))
    return engine.store.count().clips


@routes.get("/", include_in_schema=False, openapi_extra=needs(OPEN))
async def home() -> FileResponse:
    """Return the page that says what this is."""
    return FileResponse(WEB / "index.html")


@routes.get("/style.css", include_in_schema=False, openapi_extra=needs(OPEN))
async def style() -> FileResponse:
    """Return the pages' style sheet."""
    return FileResponse(WEB / "style.css")


@routes.get("/docs", include_in_schema=False, openapi_extra=needs(OPEN))
async def docs(request: Request) -> HTMLResponse:
    """Return the reference, drawn from the OpenAPI document; it loads nothing from elsewhere."""
    return HTMLResponse(reference.page(request.app.openapi()))
