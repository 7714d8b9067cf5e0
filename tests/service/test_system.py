"""What the service says of itself: health, readiness, info, pages, and the OpenAPI document."""

import html.parser
import json
import re
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import jsonschema
import pytest

from service import problems
from service.app import create_app
from service.engine import Engine
from tests.service.conftest import OpenEngine, problem_of, running

Speech = Callable[..., bytes]


def test_info_says_what_runs_and_what_is_refused(client: httpx.Client, engine: Engine) -> None:
    found = client.get("/v1/info").json()
    bundle = engine.encoder.bundle
    assert found["bundle"]["fingerprint"] == bundle.fingerprint
    assert found["bundle"]["licence"] == bundle.info.licence
    assert found["library"]["clips"] == engine.store.count().clips
    assert found["index"]["kind"] == "exact"
    assert found["index"]["reason"]
    assert found["index"]["warning"] is None
    assert found["limits"]["max_upload_bytes"] == 256 * 1024 * 1024


def test_a_full_service_refuses_at_once_and_stays_alive(open_own: OpenEngine, speech: Speech) -> None:
    engine = open_own(threads=1, queue=1)
    hold = threading.Event()
    upload = {"file": ("a", speech())}
    with running(create_app(engine.settings, engine=engine)) as client:
        engine.audio._pool.submit(hold.wait, 20)
        waiting = [threading.Thread(target=client.post, args=("/v1/describe",), kwargs={"files": upload}) for _ in "ab"]
        for thread in waiting:
            thread.start()
        while engine.audio.taken < 2:
            time.sleep(0.01)
        began = time.monotonic()
        answer = client.post("/v1/describe", files=upload)
        problem_of(answer, 429, "overloaded")
        assert int(answer.headers["retry-after"]) > 0
        assert time.monotonic() - began < 5
        # And before the upload is read: its form is never looked at.
        form = {"Content-Type": "multipart/form-data; boundary=X"}
        problem_of(client.post("/v1/clips", content=b"no form", headers=form), 429, "overloaded")
        # Searching has a lane of its own, health needs none.
        assert client.post("/v1/search", json={"query": "calm"}).status_code == 200
        assert client.get("/healthz").status_code == 200
        hold.set()
        for thread in waiting:
            thread.join(20)
        assert client.post("/v1/describe", files=upload).status_code == 200


class Page(html.parser.HTMLParser):
    """Collects what a page loads or links, and whether its elements are closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.names: set[str] = set()
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what is loaded and linked."""
        given = dict(attrs)
        if tag not in {"meta", "link", "br", "img", "input"}:
            self.open.append(tag)
        if given.get("id"):
            self.names.add(f"#{given['id']}")
        if tag == "a":
            self.links.append(given["href"] or "")
        else:
            self.loads += [value or "" for name, value in attrs if name in {"src", "href"}]
        assert tag not in {"style", "iframe"}
        assert tag != "script" or given.get("src"), "no script in the page itself"
        assert "style" not in given

    def handle_endtag(self, tag: str) -> None:
        """Close what is open."""
        assert self.open.pop() == tag


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_the_pages_load_nothing_from_elsewhere_and_their_links_work(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.headers["content-type"].startswith("text/html")
    page = Page(answer.text)
    assert page.open == []
    assert page.links
    for target in {*page.loads, *page.links} - {"data:,"}:
        assert not target.startswith(("http", "//")), target
        if target.startswith("#"):
            assert target in page.names
        else:
            assert client.get("/" + target).status_code == 200, target


def test_the_reference_has_every_operation(client: httpx.Client) -> None:
    text = client.get("/docs").text
    for path, item in client.get("/openapi.json").json()["paths"].items():
        for operation in item.values():
            assert f'id="{operation["operationId"]}"' in text
            assert path in text
    assert "<script" not in text


@pytest.fixture(scope="module")
def document(client: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/openapi.json").json()
    return found


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(method, path, operation) for path, item in document["paths"].items() for method, operation in item.items()]


def test_every_operation_is_described(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    found = operations(document)
    assert {(method.upper(), path) for method, path, _ in found} == {
        ("POST", "/v1/search"),
        ("POST", "/v1/search/audio"),
        ("POST", "/v1/describe"),
        ("POST", "/v1/clips"),
        ("GET", "/v1/clips"),
        ("GET", "/v1/clips/{clip_id}"),
        ("DELETE", "/v1/clips/{clip_id}"),
        ("GET", "/v1/clips/{clip_id}/audio"),
        ("GET", "/v1/clips/{clip_id}/similar"),
        ("GET", "/v1/clips/{clip_id}/waveform"),
        ("GET", "/v1/map"),
        ("GET", "/v1/facets"),
        ("POST", "/v1/embed/text"),
        ("POST", "/v1/embed/audio"),
        ("GET", "/v1/info"),
        ("GET", "/healthz"),
        ("GET", "/readyz"),
        ("GET", "/metrics"),
        ("GET", "/metrics/summary"),
    }
    names = [operation["operationId"] for _, _, operation in found]
    assert len(set(names)) == len(names)
    for _, path, operation in found:
        assert operation["summary"], path
        assert operation["description"], path
        assert operation["tags"], path
        for parameter in operation.get("parameters", ()):
            assert parameter["description"], (path, parameter["name"])


def test_every_answer_is_described_and_every_error_is_a_problem(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        assert any(status.startswith("2") for status in operation["responses"])
        for status, answer in operation["responses"].items():
            assert answer["description"] != "Successful Response", (method, path)
            if int(status) < 400:
                continue
            content = answer["content"]
            assert list(content) == ["application/problem+json"], (method, path, status)
            for example in content["application/problem+json"]["examples"].values():
                assert example["value"]["status"] == int(status)
        assert "500" in operation["responses"]
    schemas = document["components"]["schemas"]
    assert "Problem" in schemas
    assert "HTTPValidationError" not in schemas


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    references = set(re.findall(r'"\$ref": "#/components/schemas/(\w+)"', json.dumps(document)))
    assert references == set(document["components"]["schemas"]) & references
    unused = set(document["components"]["schemas"]) - references
    assert not unused


def test_examples_fit_their_own_schemas(document: dict[str, Any]) -> None:
    checked = 0
    for name, schema in document["components"]["schemas"].items():
        for example in schema.get("examples", ()):
            jsonschema.validate(example, {"$ref": f"#/components/schemas/{name}", "components": document["components"]})
            checked += 1
    assert checked >= 12


def test_examples_of_requests_work(client: httpx.Client, document: dict[str, Any]) -> None:
    sent = 0
    for method, path, operation in operations(document):
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if content is None:
            continue
        schema = document["components"]["schemas"][content["schema"]["$ref"].rpartition("/")[2]]
        for example in schema["examples"]:
            answer = client.request(method, path, json=example)
            assert answer.status_code == 200, answer.text
            sent += 1
    assert sent >= 3


def test_answers_fit_the_document(client: httpx.Client, document: dict[str, Any], speech: Speech) -> None:
    clip = client.get("/v1/clips").json()["clips"][0]["id"]
    upload = speech(seconds=1)
    answers = [
        ("/v1/search", "post", client.post("/v1/search", json={"query": "calm"})),
        ("/v1/search", "post", client.post("/v1/search", json={})),
        ("/v1/search/audio", "post", client.post("/v1/search/audio", files={"file": ("a", upload)})),
        ("/v1/describe", "post", client.post("/v1/describe", files={"file": ("a", upload)})),
        ("/v1/describe", "post", client.post("/v1/describe", files={"file": ("a", b"")})),
        ("/v1/clips", "get", client.get("/v1/clips")),
        ("/v1/clips", "post", client.post("/v1/clips", files={"files": ("a", b"")})),
        ("/v1/clips/{clip_id}", "get", client.get(f"/v1/clips/{clip}")),
        ("/v1/clips/{clip_id}", "get", client.get("/v1/clips/0")),
        ("/v1/clips/{clip_id}/similar", "get", client.get(f"/v1/clips/{clip}/similar")),
        ("/v1/embed/text", "post", client.post("/v1/embed/text", json={"prompts": ["calm"]})),
        ("/v1/embed/audio", "post", client.post("/v1/embed/audio", files={"files": ("a", upload)})),
        ("/v1/info", "get", client.get("/v1/info")),
        ("/healthz", "get", client.get("/healthz")),
        ("/readyz", "get", client.get("/readyz")),
    ]
    for path, method, answer in answers:
        described = document["paths"][path][method]["responses"][str(answer.status_code)]
        schema = described["content"][answer.headers["content-type"]]["schema"]
        jsonschema.validate(answer.json(), {**schema, "components": document["components"]})


def test_every_kind_of_problem_is_in_the_document(document: dict[str, Any]) -> None:
    text = json.dumps(document)
    for code in problems.KINDS:
        assert f"urn:emotionrank:problem:{code}" in text
