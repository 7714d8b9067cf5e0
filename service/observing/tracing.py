"""Traces with OpenTelemetry: a span a request, and one inside it for each stage that it went through.

Off unless the setting `tracing` is on; needs the extra `otel`. Where spans are sent to, and which, is said by
OpenTelemetry's own variables (`OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_TRACES_SAMPLER`, `OTEL_SERVICE_NAME`, ...).

Spans hold nothing that a request brought: query strings are left out, and bodies and headers are not looked at. Probes
and scrapes have no spans.
"""

import time
from collections.abc import Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from service.errors import SettingsInvalid
from service.observing import timing

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer

_NOT_TRACED: Final = "/healthz$,/readyz$,/metrics$,/metrics/summary$"
_QUERIES: Final = ("http.url", "http.target", "url.full", "url.query")


def provider() -> "TracerProvider":
    """Make what sends spans by OTLP over HTTP; to be shut down, which sends the last ones.

    Raises SettingsInvalid where the extra `otel` is not installed.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise _missing(error) from error
    own = Resource({"service.name": "emotionrank", "service.version": version("emotionrank")})
    made = TracerProvider(resource=Resource.create().merge(own).merge(OTELResourceDetector().detect()))
    made.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return made


def install(app: FastAPI, provider: "TracerProvider") -> None:
    """Trace the requests of an application that has not begun to serve. Raises SettingsInvalid as `provider` does."""
    try:
        from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
    except ImportError as error:
        raise _missing(error) from error
    app.add_middleware(_Stages, tracer=provider.get_tracer("emotionrank", version("emotionrank")))
    FastAPIInstrumentor.instrument_app(
        app,
        tracer_provider=provider,
        server_request_hook=_without_query,
        excluded_urls=_NOT_TRACED,
        exclude_spans=["receive", "send"],
    )


def _missing(error: ImportError) -> SettingsInvalid:
    return SettingsInvalid(
        f"tracing needs the extra `otel`: pip install 'emotionrank[otel]' ({error.name} is not installed)."
    )


def _without_query(span: "Span", scope: Mapping[str, Any]) -> None:
    attributes: Mapping[str, Any] = getattr(span, "attributes", None) or {}
    for name in _QUERIES:
        if name in attributes:
            span.set_attribute(name, "" if name == "url.query" else str(attributes[name]).partition("?")[0])


class _Stages:
    """A middleware around all others: makes the spans of the stages from the request's timing, when it is answered."""

    def __init__(self, app: ASGIApp, tracer: "Tracer") -> None:
        self._app = app
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        from opentelemetry.trace import get_current_span

        try:
            await self._app(scope, receive, send)
        finally:
            # The request's span has ended with its answer, but is still what new ones belong to.
            spent = timing.of(scope) if get_current_span().get_span_context().is_valid else None
            to_wall = time.time() - time.perf_counter()  # constant, as far as a request is concerned
            for stage, began, ended in spent.spans if spent is not None else ():
                span = self._tracer.start_span(stage, start_time=round(1e9 * (began + to_wall)))
                span.end(round(1e9 * (ended + to_wall)))
