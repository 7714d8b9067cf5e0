"""What a full service refuses: before a body is read, and only where a seat would be needed."""

import asyncio
import json
import socket
from collections.abc import Callable
from contextlib import closing

import httpx
import pytest

from service.access.keys import new_key
from service.app import create_app
from service.errors import Overloaded
from tests.service.conftest import OpenEngine, running
from tests.service.inference.test_lanes import busy, post, until

Speech = Callable[..., bytes]


def told(client: httpx.Client, head: str) -> tuple[int, dict[str, str]]:
    """Send the head of a request whose body never comes; give what is answered all the same."""
    with socket.create_connection((client.base_url.host, client.base_url.port or 80), timeout=20) as opened:
        opened.sendall(f"{head} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n".encode())
        answer = opened.makefile("rb")
        status = int(answer.readline().split()[1])
        lines = [line.decode().strip().partition(": ") for line in iter(answer.readline, b"\r\n")]
        return status, {name.lower(): value for name, _, value in lines}


@pytest.mark.parametrize("path", ["/v1/describe", "/v1/clips", "/v1/search/audio"])
def test_uploads_to_a_full_audio_lane_are_refused_before_they_come(
    path: str, open_own: OpenEngine, speech: Speech
) -> None:
    engine = open_own(threads=1, queue=0)
    with running(create_app(engine.settings, engine=engine)) as client, busy(engine.audio):
        upload = client.build_request("POST", "/v1/describe", files={"file": ("a.wav", speech())})
        with closing(post(client, "/v1/describe", upload)):
            until(lambda: engine.audio.taken == 1)
            status, headers = told(client, f"POST {path}")
            assert status == 429
            assert int(headers["retry-after"]) > 0
            assert headers["content-type"] == "application/problem+json"
            assert headers["x-request-id"]
            assert headers["x-content-type-options"] == "nosniff"
            assert client.post("/v1/search", json={"query": "calm"}).status_code == 200  # another lane
            counted = client.get("/metrics").text
    assert any(
        line.startswith("emotionrank_requests_total{") and f'route="{path}"' in line and 'status="429"' in line
        for line in counted.splitlines()
    )


def test_what_needs_no_seat_and_what_does_not_exist_is_answered_by_a_full_service(open_own: OpenEngine) -> None:
    engine = open_own(threads=1, search_queue=0)
    with running(create_app(engine.settings, engine=engine)) as client, busy(engine.quick):
        held = client.build_request("POST", "/v1/search", json={"query": "calm"})
        with closing(post(client, "/v1/search", held)):
            until(lambda: engine.quick.taken == 1)
            assert client.get("/healthz").status_code == 200
            assert client.post("/v1/nowhere", json={}).status_code == 404
            assert client.get("/v1/search").status_code == 405
            refused = client.post("/v1/search", json={"query": "calm"})
    problem = json.loads(refused.content)
    assert (refused.status_code, problem["instance"]) == (429, "/v1/search")
    assert problem["request_id"] == refused.headers["x-request-id"]


def test_a_stranger_learns_nothing_from_a_full_service(open_own: OpenEngine) -> None:
    _, key = new_key("reader", ["read"])
    engine = open_own(threads=1, search_queue=0, keys=key.line())
    with running(create_app(engine.settings, engine=engine)) as client:

        async def full() -> int:
            async with engine.quick.seat():
                with pytest.raises(Overloaded):
                    engine.quick.refuse_if_full()
                return client.post("/v1/search", json={"query": "calm"}).status_code

        assert asyncio.run(full()) == 401
