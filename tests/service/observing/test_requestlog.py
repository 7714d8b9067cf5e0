"""Request ids and the access log: every request once, nothing of what was asked unless it is wanted."""

import io
import json
import logging
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from service.access.keys import new_key
from service.app import create_app
from service.engine import Engine
from service.observing import requestlog
from tests.service.conftest import problem_of, running

Speech = Callable[..., bytes]
ALICE, ALICES = new_key("alice", ["read"])
SECRET = "a secret prompt of mine"


@contextmanager
def logging_service(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, **settings: Any
) -> Iterator[tuple[httpx.Client, Callable[[], list[dict[str, Any]]]]]:
    """Serve with the log on; give a client, and what reads the lines (all of them, once the service has ended)."""
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    chosen = engine.settings.model_copy(update={"access_log": True, **settings})
    with running(create_app(chosen, engine=engine)) as client:
        yield client, lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def test_every_answer_has_an_id_of_its_own(client: httpx.Client) -> None:
    ids = {client.get(path).headers["x-request-id"] for path in ("/healthz", "/", "/nowhere", "/v1/info", "/healthz")}
    assert len(ids) == 5
    assert all(re.fullmatch(r"[0-9a-f]{16}", request_id) for request_id in ids)


@pytest.mark.parametrize("given", ["abc", "6f1d2c", "a" * 128, "trace/1-5759e988:bd862e3f=+._"])
def test_a_callers_own_id_is_kept(client: httpx.Client, given: str) -> None:
    assert client.get("/healthz", headers={"X-Request-Id": given}).headers["x-request-id"] == given
    found = client.get("/nowhere", headers={"X-Request-Id": given})
    assert found.headers.get_list("x-request-id") == [given]
    assert problem_of(found, 404, "route-not-found")["request_id"] == given


@pytest.mark.parametrize("given", ["", "a" * 129, "a b", '"; drop', "ä", "{}", "-x"])
def test_an_id_that_is_not_well_formed_is_replaced(client: httpx.Client, given: str) -> None:
    answer = client.get("/healthz", headers={b"X-Request-Id": given.encode()})
    assert re.fullmatch(r"[0-9a-f]{16}", answer.headers["x-request-id"])


def test_a_line_a_request_with_what_an_operator_needs(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    with logging_service(engine, monkeypatch, keys=ALICES.line()) as (client, lines):
        key = {"Authorization": f"Bearer {ALICE}"}
        body = json.dumps({"query": "calm"})
        answer = client.post(
            "/v1/search", content=body, headers={**key, "Content-Type": "application/json", "X-Request-Id": "mine"}
        )
        client.get("/v1/info")
        client.head("/healthz")
    found = lines()
    assert [(line["method"], line["path"], line["status"]) for line in found] == [
        ("POST", "/v1/search", 200),
        ("GET", "/v1/info", 401),
        ("GET", "/healthz", 200),
    ]
    line = found[0]
    assert line["request_id"] == "mine"
    assert line["key"] == "alice"
    assert found[1]["key"] is None
    assert line["client"] == "127.0.0.1"
    assert line["bytes_in"] == len(body)
    assert line["bytes_out"] == len(answer.content)
    assert line["milliseconds"] > 0
    assert "search" in line["stages"]
    assert line["time"].endswith("+00:00")
    assert ALICE not in json.dumps(found)


def test_what_was_asked_is_left_out(engine: Engine, monkeypatch: pytest.MonkeyPatch, speech: Speech) -> None:
    with logging_service(engine, monkeypatch) as (client, lines):
        client.post("/v1/search", json={"query": SECRET})
        client.post("/v1/embed/text", json={"prompts": [SECRET]})
        client.post("/v1/embed/text", json={"prompts": [SECRET, ""]})
        client.post("/v1/search", json={SECRET: 1})
        client.get("/v1/clips", params={"filter": json.dumps({"speaker": SECRET})})
        client.post("/v1/describe", files={"file": (SECRET, speech())}, data={"candidates": SECRET})
        client.post("/v1/describe", files={"file": (SECRET, b"not audio")})
    found = lines()
    assert len(found) == 7
    assert SECRET not in json.dumps(found)


def test_what_was_asked_is_there_when_it_is_wanted(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, speech: Speech
) -> None:
    with logging_service(engine, monkeypatch, log_content=True) as (client, lines):
        client.post("/v1/search", json={"query": SECRET, "k": 3})
        client.get("/v1/clips", params={"limit": 1})
        client.post("/v1/describe", files={"file": ("anna.wav", speech())}, data={"candidates": SECRET})
        client.post("/v1/embed/text", json={"prompts": ["x" * 100_000] * 200})
        client.get("/healthz")
    found = [line["content"] for line in lines()]
    assert found[0] == {"body": {"query": SECRET, "k": 3}}
    assert found[1] == {"query": "limit=1"}
    assert {"file": {"file": "anna.wav"}} in found[2]["form"]
    assert {"candidates": SECRET} in found[2]["form"]
    assert len(json.dumps(found[3])) < 200_000
    assert found[4] == {}


def test_an_unexpected_error_is_a_line_with_the_id_that_its_caller_got(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(**_: object) -> None:
        raise RuntimeError("something broke")

    with logging_service(engine, monkeypatch) as (client, lines):
        monkeypatch.setattr("service.routes.system.BundleOut", breaks)
        answer = client.get("/v1/info")
        request_id = problem_of(answer, 500, "internal-error")["request_id"]
        assert answer.headers["x-request-id"] == request_id
    found = lines()
    assert {line["request_id"] for line in found} == {request_id}
    (error,) = [line for line in found if line["level"] == "ERROR"]
    assert "something broke" in error["exception"]
    (line,) = [line for line in found if line["logger"] == "emotionrank.access"]
    assert line["status"] == 500


def test_a_caller_who_hung_up_is_a_line_that_says_so(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    with logging_service(engine, monkeypatch) as (client, lines):
        with socket.create_connection((client.base_url.host, client.base_url.port or 0), timeout=5) as raw:
            raw.sendall(
                b"POST /v1/describe HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=X\r\n"
                b"Content-Length: 5000\r\n\r\n--X\r\n"
            )
        assert client.get("/healthz").status_code == 200
    found = {line["path"]: line["status"] for line in lines()}
    assert found == {"/v1/describe": 499, "/healthz": 200}


def test_the_log_is_off_unless_it_is_asked_for(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    with running(create_app(engine.settings, engine=engine)) as client:
        assert client.get("/healthz").status_code == 200
    assert stream.getvalue() == ""
    assert not [record for record in caplog.records if record.name == "emotionrank.access"]


def test_loggers_are_as_they_were_once_the_service_has_ended() -> None:
    logger = logging.getLogger("emotionrank")
    before = (list(logger.handlers), logger.propagate)
    stream = io.StringIO()
    with requestlog.written(True, stream):
        logging.getLogger("emotionrank.service").warning("first\nand second line")
        logging.getLogger("uvicorn.error").warning("odd request")
    assert (logger.handlers, logger.propagate) == before
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (first["level"], first["message"]) == ("WARNING", "first\nand second line")
    assert (second["logger"], second["request_id"]) == ("uvicorn.error", None)
