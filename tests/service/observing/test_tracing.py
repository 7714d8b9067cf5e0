"""Traces: a span a request with one for each stage, nothing of what the request brought, and none unless asked for."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from service.app import create_app
from service.engine import Engine
from service.errors import SettingsInvalid
from service.observing import tracing
from service.settings import Settings
from tests.service.conftest import OpenEngine, running

Speech = Callable[..., bytes]


@contextmanager
def traced(engine: Engine) -> Iterator[tuple[httpx.Client, InMemorySpanExporter]]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    app = create_app(engine.settings, engine=engine)
    tracing.install(app, provider)
    with running(app) as client:
        yield client, exporter


def by_name(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in exporter.get_finished_spans()}


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """What a collector of traces on loopback receives."""
    received: list[bytes] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append(body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *given: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        yield received
        server.shutdown()


def test_a_request_is_a_span_with_its_stages_inside(open_own: OpenEngine, speech: Speech) -> None:
    with traced(open_own()) as (client, exporter):
        assert client.post("/v1/search", json={"query": "calm"}).status_code == 200
    spans = by_name(exporter)
    assert set(spans) == {"POST /v1/search", "queue", "encode", "search"}
    request = spans.pop("POST /v1/search")
    assert request.context is not None
    assert request.start_time is not None
    for span in spans.values():
        assert span.parent is not None
        assert span.parent.span_id == request.context.span_id
        assert span.start_time is not None
        assert span.end_time is not None
        # The two clocks are read some microseconds apart.
        assert request.start_time - 5_000_000 < span.start_time <= span.end_time
    assert (spans["encode"].end_time or 0) <= (spans["search"].start_time or 0)


def test_a_trace_that_came_with_the_request_goes_on(open_own: OpenEngine) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    with traced(open_own()) as (client, exporter):
        client.get("/v1/clips", headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"})
    spans = exporter.get_finished_spans()
    assert len(spans) > 1
    assert {f"{span.context.trace_id:032x}" for span in spans if span.context} == {trace}


def test_spans_hold_nothing_that_the_request_brought(open_own: OpenEngine, speech: Speech) -> None:
    with traced(open_own()) as (client, exporter):
        client.get("/v1/clips", params={"filter": '{"speaker": "secret"}'})
        client.post("/v1/search", json={"query": "secret words"}, headers={"Authorization": "Bearer secret"})
        client.post("/v1/describe", files={"file": ("secret.wav", speech())}, data={"candidates": "secret"})
    spans = exporter.get_finished_spans()
    assert len(spans) > 3
    assert "secret" not in "".join(span.to_json() for span in spans)


def test_probes_and_scrapes_are_not_traced(open_own: OpenEngine) -> None:
    with traced(open_own()) as (client, exporter):
        for path in ("/healthz", "/readyz", "/metrics", "/metrics/summary"):
            client.get(path)
    assert not exporter.get_finished_spans()


def test_the_setting_sends_spans_by_otlp(
    open_own: OpenEngine, monkeypatch: pytest.MonkeyPatch, collector: list[bytes]
) -> None:
    engine = open_own(tracing=True)
    monkeypatch.setenv("OTEL_SERVICE_NAME", "under-test")
    with running(create_app(engine.settings, engine=engine)) as client:
        client.get("/v1/clips")
    sent = b"".join(collector)
    assert b"GET /v1/clips" in sent
    assert b"under-test" in sent


def test_without_the_extra_the_setting_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("opentelemetry.exporter")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(SettingsInvalid, match=r"emotionrank\[otel\]"):
        create_app(Settings(library="anywhere", tracing=True))
    assert create_app(Settings(library="anywhere")) is not None
