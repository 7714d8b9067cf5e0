"""What the service counts and measures: for Prometheus, and for people."""

import asyncio
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client.exposition import choose_encoder

from service import problems
from service.access.needs import METRICS, needs
from service.intake import GuardedRoute
from service.observing import summary
from service.routes.context import TheEngine

routes = APIRouter(prefix="/metrics", tags=["system"], route_class=GuardedRoute)

_TEXT: Final[dict[str, Any]] = {"schema": {"type": "string"}}


@routes.get(
    "",
    operation_id="metrics",
    summary="Metrics for Prometheus",
    openapi_extra=needs(METRICS),
    response_class=PlainTextResponse,
    response_description="In Prometheus' text format, or as OpenMetrics where the caller asks for it.",
    responses={200: {"content": {"application/openmetrics-text": _TEXT}}, **problems.documented("request-invalid")},
)
async def metrics(request: Request, engine: TheEngine) -> Response:
    """Return every metric; of all workers, where there are several. Waits for no lane and, at most, half a second."""
    await engine.readings.refresh()
    encode, media_type = choose_encoder(request.headers.get("accept", ""))
    # On a thread: some ten milliseconds that requests need not wait for.
    text = await asyncio.to_thread(lambda: encode(engine.metrics.collector()))
    return Response(text, media_type=media_type)


@routes.get(
    "/summary",
    operation_id="metrics_summary",
    summary="Metrics for people",
    openapi_extra=needs(METRICS),
    response_class=PlainTextResponse,
    response_description="Some tables.",
    responses=problems.documented("request-invalid"),
)
async def metrics_summary(request: Request, engine: TheEngine) -> PlainTextResponse:
    """Return what matters of the metrics, since the service began, as tables in plain text."""
    await engine.readings.refresh()
    version = request.app.version
    return PlainTextResponse(await asyncio.to_thread(lambda: summary.of(engine.metrics.collector(), version=version)))
