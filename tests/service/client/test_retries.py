"""When the client asks again: where it is safe, as long as it is asked to wait, and not for ever."""

import asyncio
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.client import AsyncClient, Client, ProblemError, Retries, Unreachable
from service.client.retries import Tries
from tests.service.client.conftest import AT_ONCE, Answer, Growing, Shrinking, scripted

FULL = Answer(429, b'{"type": "urn:emotionrank:problem:overloaded", "title": "t", "status": 429, "detail": "full"}',
              {"Content-Type": "application/problem+json"})  # fmt: skip
AWAY = Answer(503, b"down", {"Content-Type": "text/plain"})
BROKEN = Answer(breaks=True)
CLIP = Answer(
    body=b'{"id": "1", "name": "a", "duration": 1, "added_at": "2025-03-01T12:00:00Z", "metadata": {}, "affect": '
    b'{"valence": 4, "arousal": 4}, "segments": 1, "sha256": "1", "audio_url": "/"}'
)
FOUND = Answer(body=b'{"hits": [], "k": 10, "offset": 0, "hints": []}')
ADDED = Answer(201, b'{"results": [{"name": "a", "status": "exists", "clip": null, "problem": null}]}')
GONE = Answer(204, b"")


def both(address: str, work: Callable[[Any], Any], retries: Retries = AT_ONCE) -> list[Any]:
    """Do the same with each kind of client; give what came of it, or the error."""
    outcomes: list[Any] = []
    with Client(address, retries=retries) as client:
        try:
            outcomes.append(work(client))
        except Exception as error:
            outcomes.append(error)

    async def later() -> Any:
        async with AsyncClient(address, retries=retries) as client:
            return await work(client)

    try:
        outcomes.append(asyncio.run(later()))
    except Exception as error:
        outcomes.append(error)
    return outcomes


@pytest.mark.parametrize("trouble", [FULL, AWAY, BROKEN], ids=["full", "away", "broken"])
def test_a_search_is_sent_again_until_it_is_answered(trouble: Answer) -> None:
    with scripted(trouble, trouble, FOUND, trouble, trouble, FOUND) as server:
        outcomes = both(server.address, lambda client: client.search("calm"))
        assert [outcome.k for outcome in outcomes] == [10, 10]
        assert server.asked == [("POST", "/v1/search")] * 6
        assert len(set(server.bodies)) == 1


def test_an_upload_is_sent_again_whole(tmp_path: Path) -> None:
    file = tmp_path / "voice.wav"
    file.write_bytes(b"sound" * 100_000)
    with scripted(FULL, BROKEN, ADDED, FULL, BROKEN, ADDED) as server:
        outcomes = both(server.address, lambda client: client.add(file))
        assert [outcome.status for outcome in outcomes] == ["exists", "exists"]
        assert [body.count(b"sound" * 100_000) for body in server.bodies] == [1] * 6
        assert b'filename="voice.wav"' in server.bodies[0]


def test_a_file_that_grows_is_sent_as_it_was() -> None:
    with scripted(FULL, ADDED, FULL, ADDED) as server:
        assert [outcome.status for outcome in both(server.address, lambda client: client.add(Growing(b"sound")))] == [
            "exists"
        ] * 2
    assert [body.count(b"sound\r\n") + body.count(b"more\r\n") for body in server.bodies] == [1] * 4


def test_a_file_that_becomes_shorter_is_said_to() -> None:
    with scripted(ADDED) as server:
        outcomes = both(server.address, lambda client: client.add(Shrinking(b"sound" * 10)))
    assert [str(error) for error in outcomes] == ["[Errno 5] it became shorter while it was sent"] * 2


def test_recordings_have_more_time_to_be_answered_than_prompts(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float | None] = []

    def answer(_: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
        waits.append(request.extensions["timeout"]["read"])
        return httpx.Response(200, content=ADDED.body if request.url.path == "/v1/clips" else FOUND.body)

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", answer)
    with httpx.Client(timeout=3) as mine:
        for client in (Client("http://x", timeout=2), Client("http://x", timeout=None), Client("http://x", http=mine)):
            client.search("calm")
            client.add(b"sound")
            client.close()
    assert waits == [2, 20, None, None, 3, 3]


def test_it_gives_up_after_so_many_tries_with_what_was_said_last() -> None:
    with scripted(FULL) as server:
        outcomes = both(server.address, lambda client: client.info(), Retries(most=2, first=0.001))
        assert [(type(error), error.code, error.status) for error in outcomes] == [
            (ProblemError, "overloaded", 429)
        ] * 2
        assert len(server.asked) == 6


def test_a_delete_that_may_have_been_carried_out_is_not_sent_again() -> None:
    with scripted(BROKEN) as server:
        outcomes = both(server.address, lambda client: client.delete("1"))
        assert all(isinstance(error, Unreachable) and "not known" in str(error) for error in outcomes)
        assert len(server.asked) == 2
    with scripted(FULL, GONE, FULL, GONE) as server:
        assert both(server.address, lambda client: client.delete("1")) == [None, None]
        assert len(server.asked) == 4
    with scripted(Answer(502, b"", {})) as server:  # a proxy that may have passed it on
        assert [error.code for error in both(server.address, lambda client: client.delete("1"))] == ["http-502"] * 2
        assert len(server.asked) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422, 500, 501, 507])
def test_a_refusal_that_stays_one_is_told_at_once(status: int) -> None:
    with scripted(Answer(status, b"", {"Retry-After": "0"})) as server:
        assert [error.status for error in both(server.address, lambda client: client.clip("1"))] == [status] * 2
        assert len(server.asked) == 2


def test_health_is_how_it_is_now() -> None:
    with scripted(AWAY) as server:
        both(server.address, lambda client: client.health())
        both(server.address, lambda client: client.ready())
        assert len(server.asked) == 4


def test_the_pause_is_the_one_asked_for_and_a_moment_more() -> None:
    with scripted(Answer(429, b"", {"Retry-After": "1"}), CLIP) as server, Client(server.address) as client:
        began = time.monotonic()
        assert client.clip("1").id == "1"
        assert time.monotonic() - began >= 1.0
    pauses = [_pause({"Retry-After": "3"}, Retries(first=0.5)) for _ in range(200)]
    assert 3.0 <= min(pauses) < max(pauses) <= 3.5
    assert len(set(pauses)) > 100  # those who were refused together do not come back together


def test_a_pause_may_be_asked_for_as_a_date() -> None:
    then = format_datetime(datetime.now(UTC) + timedelta(seconds=5), usegmt=True)
    assert 3.5 <= _pause({"Retry-After": then}, Retries(first=0.001)) <= 5.1
    past = format_datetime(datetime.now(UTC) - timedelta(days=1), usegmt=True)
    for nonsense in (past, "soon", "", "-1", "1.5", "Mon, 01 Jan 2024 00:00:00 +9999999999999"):
        assert _pause({"Retry-After": nonsense}, Retries(first=0.1)) <= 0.1


def test_a_pause_that_is_too_long_is_left_to_the_caller() -> None:
    with scripted(Answer(429, b"", {"Retry-After": "3600"})) as server:
        outcomes = both(server.address, lambda client: client.info())
        assert [(error.status, error.retry_after) for error in outcomes] == [(429, "3600")] * 2
        assert len(server.asked) == 2


def test_pauses_grow_up_to_the_longest() -> None:
    policy = Retries(most=12, first=0.1, longest=2.0)
    tries = Tries(policy, "lost")
    pauses = [tries.refused(_answer({})) for _ in range(12)]
    assert all(0.05 * 2**n <= pause <= 0.1 * 2**n for n, pause in enumerate(pauses[:4]))
    assert all(1.0 <= pause <= 2.0 for pause in pauses[5:])
    with pytest.raises(ProblemError):
        tries.refused(_answer({}))


def test_an_answer_that_takes_too_long_is_not_asked_for_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with (
            Client(address, timeout=0.2, retries=AT_ONCE) as client,
            pytest.raises(Unreachable, match=r"timed out\. .*`timeout`"),
        ):
            client.search("calm")
        silent.settimeout(0.2)
        silent.accept()[0].close()
        with pytest.raises(TimeoutError):  # there was one connection
            silent.accept()


def test_nothing_there_is_said_with_the_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = f"http://127.0.0.1:{probe.getsockname()[1]}"
    outcomes = both(address, lambda client: client.delete("1"), Retries(most=2, first=0.001))
    assert all(isinstance(error, Unreachable) for error in outcomes)
    assert all(address in str(error) and "3 times" in str(error) for error in outcomes)
    assert not any("not known" in str(error) for error in outcomes)  # nothing was sent


def _answer(headers: dict[str, str]) -> Any:
    return httpx.Response(429, headers=headers, request=httpx.Request("GET", "http://127.0.0.1/"))


def _pause(headers: dict[str, str], policy: Retries) -> float:
    return Tries(policy, "lost").refused(_answer(headers))
