"""What /metrics and /metrics/summary tell: what happened, in bounded labels, whatever the service is busy with."""

import threading
import time
from collections.abc import Callable, Mapping

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from service import problems
from service.app import create_app
from service.observing.summary import Distribution, duration, milliseconds
from tests.service.conftest import OpenEngine, running

Speech = Callable[..., bytes]
Labels = frozenset[tuple[str, str]]


def scrape(client: httpx.Client) -> dict[tuple[str, Labels], float]:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name.removeprefix("emotionrank_"), frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def value(found: Mapping[tuple[str, Labels], float], name: str, **labels: str) -> float:
    return sum(number for (named, has), number in found.items() if named == name and labels.items() <= set(has))


def test_requests_are_counted_by_route_and_status(own: httpx.Client) -> None:
    for _ in range(3):
        assert own.post("/v1/search", json={"query": "calm"}).status_code == 200
    assert own.post("/v1/search", json={"query": ""}).status_code == 422
    assert own.get("/v1/clips/0123456789abcdef").status_code == 404
    assert own.head("/healthz").status_code == 200
    found = scrape(own)
    assert value(found, "requests_total", route="/v1/search", method="POST", status="200") == 3
    assert value(found, "requests_total", route="/v1/search", method="POST", status="422") == 1
    assert value(found, "requests_total", route="/v1/clips/{clip_id}", status="404") == 1
    assert value(found, "requests_total", route="/healthz") == 1
    assert value(found, "request_seconds_count", route="/v1/search") == 4
    assert value(found, "requests_running") == 1  # the scrape itself


def test_stages_batches_and_the_cache_are_measured(own: httpx.Client) -> None:
    before = scrape(own)
    for _ in range(2):
        assert own.post("/v1/search", json={"query": "calm"}).status_code == 200
    found = scrape(own)
    assert value(found, "stage_seconds_count", stage="queue") == 2
    assert value(found, "stage_seconds_count", stage="encode") == 1
    for name in ("text_batch_size_count", "text_batch_size_sum"):
        assert value(found, name) == value(before, name) + 1
    assert value(found, "prompt_cache_total", result="miss") == 1
    assert value(found, "prompt_cache_total", result="hit") == 1
    assert value(found, "stage_seconds_sum") <= value(found, "request_seconds_sum", route="/v1/search")


def test_problems_are_counted_by_type_and_rejections_among_them(
    serve_own: Callable[..., httpx.Client], speech: Speech
) -> None:
    client = serve_own(max_upload_mb=0.001)
    assert client.post("/v1/describe", files={"file": ("a", speech())}).status_code == 413
    assert client.post("/v1/search", json={"query": ""}).status_code == 422
    assert client.get("/nowhere").status_code == 404
    found = scrape(client)
    assert value(found, "problems_total", type="upload-too-large") == 1
    assert value(found, "problems_total", type="route-not-found") == 1
    assert value(found, "problems_total") == 3
    assert value(found, "rejections_total", reason="upload-too-large") == value(found, "rejections_total") == 1


def test_an_unexpected_error_is_a_500_and_a_problem(open_own: OpenEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = open_own()

    def broken(*given: object, **options: object) -> None:
        raise RuntimeError("unexpected")

    with running(create_app(engine.settings, engine=engine)) as client:
        monkeypatch.setattr(type(engine.store), "clips", broken)
        assert client.get("/v1/clips").status_code == 500
        found = scrape(client)
    assert value(found, "requests_total", route="/v1/clips", status="500") == 1
    assert value(found, "problems_total", type="internal-error") == 1


def test_no_caller_can_make_labels(own: httpx.Client) -> None:
    own.get("/healthz")
    own.get("/nowhere")
    own.request("MKCALENDAR", "/nowhere")
    own.get("/v1/clips/0000000000000000")
    own.get("/metrics")
    before = set(scrape(own))
    for number in range(20):
        assert own.get(f"/nowhere/{number}").status_code == 404
        assert own.get(f"/v1/clips/{number:016x}").status_code == 404
        assert own.request(f"MAKEITUP{number}", "/nowhere").status_code == 400
        assert own.request(["MKCALENDAR", "MKCOL", "PROPFIND", "LOCK"][number % 4], "/nowhere").status_code == 404
        assert own.get("/healthz", headers={"User-Agent": str(number)}).status_code == 200
    after = scrape(own)
    assert set(after) == before
    types = {dict(labels)["type"] for name, labels in after if name == "problems_total"}
    assert types <= problems.KINDS.keys()


def test_the_library_the_bundle_and_the_lanes_are_there(client: httpx.Client) -> None:
    found = scrape(client)
    info = client.get("/v1/info").json()
    assert value(found, "library_clips") == info["library"]["clips"]
    assert value(found, "library_segments") == info["library"]["segments"]
    assert value(found, "library_seconds") == pytest.approx(info["library"]["seconds"], abs=0.01)
    assert value(found, "bundle_info", fingerprint=info["bundle"]["fingerprint"]) == 1
    assert value(found, "workers") == 1
    assert value(found, "resident_memory_bytes") > 2**20
    assert value(found, "cpu_seconds_total") > 0
    assert abs(value(found, "start_timestamp_seconds") - time.time()) < 3600


def test_whether_it_is_ready_is_told(open_own: OpenEngine) -> None:
    engine = open_own()
    app = create_app(engine.settings, engine=engine)
    with running(app) as client:
        assert client.get("/readyz").status_code == 200
        assert value(scrape(client), "ready") == 1
        engine.readings.watch(lambda: "a search fails")
        assert value(scrape(client), "ready") == 0
        assert "(0 ready)" in client.get("/metrics/summary").text


def test_a_full_service_tells_its_queue(open_own: OpenEngine) -> None:
    engine = open_own(threads=1, search_queue=2)
    hold = threading.Event()
    with running(create_app(engine.settings, engine=engine)) as client:
        scrape(client)
        engine.quick._pool.submit(hold.wait, 20)
        waiting = [threading.Thread(target=client.get, args=("/v1/clips",)) for _ in range(3)]
        for thread in waiting:
            thread.start()
        while engine.quick.taken < 3:
            time.sleep(0.01)
        assert client.get("/v1/clips").status_code == 429
        found = scrape(client)
        hold.set()
        for thread in waiting:
            thread.join(20)
        after = scrape(client)
    assert value(found, "lane_busy", lane="quick") == 1
    assert value(found, "queue_depth", lane="quick") == 2
    assert value(found, "requests_running") == 4
    assert value(found, "rejections_total", reason="overloaded") == 1
    assert value(after, "queue_depth", lane="quick") == value(after, "lane_busy", lane="quick") == 0


def test_a_library_that_hangs_or_fails_does_not_take_the_metrics_with_it(
    open_own: OpenEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_own()
    hold = threading.Event()
    monkeypatch.setattr(type(engine.store), "count", lambda *given: hold.wait(20))
    with running(create_app(engine.settings, engine=engine)) as client:
        found = scrape(client)
        assert value(found, "library_read_timestamp_seconds") == 0
        assert "not counted yet" in client.get("/metrics/summary").text
        hold.set()
        monkeypatch.undo()
        engine.store.close()
        assert value(scrape(client), "workers") == 1


def test_a_moment_without_a_free_descriptor_does_not_end_the_metrics(
    open_own: OpenEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_own()
    with running(create_app(engine.settings, engine=engine)) as client:
        spent = value(scrape(client), "cpu_seconds_total")
        monkeypatch.setattr(engine.readings._process, "collect", list)  # what it gives where /proc cannot be read
        assert value(scrape(client), "cpu_seconds_total") == spent > 0
        monkeypatch.undo()
        assert value(scrape(client), "cpu_seconds_total") > spent


def test_what_the_code_records_is_there(open_own: OpenEngine) -> None:
    engine = open_own()
    metrics = engine.metrics
    with running(create_app(engine.settings, engine=engine)) as client:
        before = scrape(client)
        metrics.batch(3)
        metrics.cached(2, of=3)
        metrics.rejected("hung-up")
        metrics.decoder_died("memory")
        found = scrape(client)
        text = client.get("/metrics/summary").text

    def more(name: str, **labels: str) -> float:
        return value(found, name, **labels) - value(before, name, **labels)

    assert more("text_batch_size_sum") == 3
    assert more("text_batch_size_bucket", le="2.0") == 0
    assert more("text_batch_size_bucket", le="4.0") == 1
    assert value(found, "prompt_cache_total", result="hit") == 2
    assert value(found, "rejections_total", reason="hung-up") == 1
    assert value(found, "decoder_deaths_total", reason="memory") == 1
    lines = [line.split() for line in text.splitlines()]
    assert ["in", "the", "cache", "66.7", "%"] in lines
    assert ["hung-up", "1"] in lines
    assert ["memory", "1"] in lines


def test_two_applications_count_apart(serve_own: Callable[..., httpx.Client]) -> None:
    one, other = serve_own(), serve_own()
    one.get("/healthz")
    assert value(scrape(one), "requests_total", route="/healthz") == 1
    assert value(scrape(other), "requests_total", route="/healthz") == 0


def test_openmetrics_is_spoken_where_it_is_asked_for(own: httpx.Client) -> None:
    answer = own.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert answer.text.endswith("# EOF\n")


def test_the_summary_is_a_page_for_people(own: httpx.Client) -> None:
    assert own.post("/v1/search", json={"query": "calm"}).status_code == 200
    assert own.post("/v1/search", json={}).status_code == 422
    answer = own.get("/metrics/summary")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text.startswith("EmotionRank ")
    (row,) = (line.split() for line in answer.text.splitlines() if line.startswith("POST /v1/search"))
    assert row[2:5] == ["1", "1", "0"]
    assert "request-invalid" in answer.text
    assert "Decoders that died: none" in answer.text


def test_quantiles_are_read_off_the_buckets() -> None:
    found = Distribution(((1.0, 50.0), (2.0, 90.0), (float("inf"), 100.0)), sum=120.0)
    assert found.quantile(0.25) == pytest.approx(0.5)
    assert found.quantile(0.5) == pytest.approx(1.0)
    assert found.quantile(0.7) == pytest.approx(1.5)
    assert milliseconds(found.quantile(0.99)) == "over"
    assert milliseconds(Distribution((), 0.0).quantile(0.5)) == "-"


def test_durations_are_written_in_two_units() -> None:
    assert [duration(s) for s in (0.2, 61, 3600, 90061)] == ["0 s", "1 min 1 s", "1 h 0 min", "1 d 1 h"]
