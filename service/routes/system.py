"""What runs here, whether it works, and the reference of the routes."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from encoders.audio import MIN_DURATION
from encoders.encoder import MAX_PROMPT_CHARS
from index.records import Counts, IndexInfo
from service import problems, reference
from service.access.needs import OPEN, READ, needs
from service.errors import NotReady
from service.intake import MAX_JSON_BYTES, GuardedRoute
from service.queries import MAX_K, MAX_PARTS
from service.routes.context import FOR_LIBRARY, TheEngine
from service.schemas import (
    MAX_PROMPTS,
    AffectOut,
    BundleOut,
    HealthResponse,
    IndexOut,
    InfoResponse,
    LibraryOut,
    LimitsOut,
    ReadyResponse,
    TermOut,
)
from service.serving.watch import Watch

routes = APIRouter(tags=["system"], route_class=GuardedRoute)


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
            terms=[TermOut(term=term, affect=AffectOut.of(place)) for term, place in engine.bank.landmarks()],
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
    responses=problems.documented("request-invalid", "not-ready"),
)
async def readyz(request: Request) -> ReadyResponse:
    """Say whether the last search and the last sound that the service tried by itself, seconds ago, went well.

    503 with the reason when they did not, or when one of them does not end. Asking costs nothing.
    """
    watch: Watch = request.app.state.watch
    if (reason := watch.wrong()) is not None:
        raise NotReady(reason)
    return ReadyResponse(milliseconds=round(1000 * watch.search.took, 3), seconds_ago=round(watch.search.age, 3))


@routes.get("/docs", include_in_schema=False, openapi_extra=needs(OPEN))
async def docs(request: Request) -> HTMLResponse:
    """Return the reference, drawn from the OpenAPI document; it loads nothing from elsewhere."""
    return HTMLResponse(reference.page(request.app.openapi()))
