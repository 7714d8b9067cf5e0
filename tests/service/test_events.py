"""A long description as server-sent events."""

import asyncio
import json
import threading
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest

from encoders.affect import Affect
from encoders.encoder import EncodedSegment
from service import events
from service.descriptions import DescribeResponse
from service.examples import DESCRIBE_RESPONSE
from service.inference.lanes import Lane
from tests import sounds
from tests.service.conftest import problem_of

RESULT = DescribeResponse.model_validate(DESCRIBE_RESPONSE)
SEGMENT = EncodedSegment(0.0, 4.0, np.zeros(1, np.float32), Affect(2, 6))


def listened(client: httpx.Client, content: bytes) -> httpx.Response:
    return client.post("/v1/describe", files={"file": ("talk.wav", content)}, headers={"Accept": events.MEDIA_TYPE})


def read(text: str) -> list[tuple[str, Any]]:
    """Return the events of a stream, with their data; comments are left out."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if fields:
            found.append((fields["event"], json.loads(fields["data"])))
    return found


def test_segments_are_told_and_then_the_same_result_as_without(client: httpx.Client) -> None:
    content = sounds.media(sounds.speech(11.0), "flac")
    plain = client.post("/v1/describe", files={"file": ("talk.wav", content)}).json()
    answer = listened(client, content)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    (first, recording), *told, (last, result) = read(answer.text)
    assert (first, recording) == ("recording", {"duration": plain["duration"]})
    assert (last, result) == ("result", plain)
    assert {name for name, _ in told} == {"segment"}
    heard = sorted((data for _, data in told), key=lambda data: data["start"])
    assert heard == [{field: moment[field] for field in ("start", "end", "affect")} for moment in plain["timeline"]]


def test_a_header_that_counts_nothing_is_no_duration(client: httpx.Client) -> None:
    content = bytearray(sounds.media(sounds.speech(5.0), "wav"))
    place = content.index(b"data") + 4
    content[place : place + 4] = b"\xff" * 4  # as a writer on a pipe leaves it
    assert read(listened(client, bytes(content)).text)[0] == ("recording", {"duration": None})


def test_what_fails_at_once_is_answered_plainly(client: httpx.Client) -> None:
    problem_of(listened(client, b""), 422, "audio-empty")
    problem_of(listened(client, b"no sound at all" * 100), 422, "audio-unreadable")


def test_what_fails_on_the_way_is_the_last_event(client: httpx.Client) -> None:
    content = sounds.media(sounds.speech(20.0), "wav")
    told = read(listened(client, content[: len(content) // 2]).text)
    assert [name for name, _ in told[:-1]] == ["recording"] + ["segment"] * (len(told) - 2)
    assert told[0][1]["duration"] == pytest.approx(20.0, abs=0.01)
    name, problem = told[-1]
    assert (name, problem["type"]) == ("problem", "urn:emotionrank:problem:audio-truncated")
    assert problem["instance"] == "/v1/describe"


@pytest.mark.parametrize("accept", ["*/*", "application/json", "text/event-streams", ""])
def test_who_does_not_ask_for_events_gets_json(accept: str) -> None:
    assert not events.wanted(accept)


def test_events_may_be_one_of_several_kinds_that_are_taken() -> None:
    assert events.wanted("application/json;q=0.5, Text/Event-Stream;q=1")


def at_work(describe: events.Describe, use: Callable[[Any], Any]) -> tuple[Any, bool]:
    """Return what `use` makes of the events of some work, and whether the work's end was told."""
    ended = threading.Event()

    async def run() -> Any:
        lane = Lane("test", 1, 1, 1)
        try:
            answer = await events.answer(lane, describe, ended.set, "/here")
            return await use(answer.body_iterator)
        finally:
            await asyncio.to_thread(lane.close)
            await asyncio.sleep(0.01)

    return asyncio.run(run()), ended.is_set()


async def everything(stream: Any) -> str:
    return b"".join([piece async for piece in stream]).decode()


def test_a_caller_that_hangs_up_ends_the_work() -> None:
    heard: list[int] = []
    left = threading.Event()

    def describe(listener: events.Listener) -> DescribeResponse:
        listener.segment(SEGMENT)
        assert left.wait(30)
        for place in range(100):
            listener.segment(SEGMENT)
            heard.append(place)
        return RESULT

    async def hang_up(stream: Any) -> None:
        assert b'event: recording\ndata: {"duration":null}' in await anext(stream)
        await stream.aclose()
        left.set()

    assert at_work(describe, hang_up) == (None, True)
    assert heard == []


def test_a_comment_is_sent_while_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "KEEP_ALIVE", 0.01)
    commented = threading.Event()

    def describe(listener: events.Listener) -> DescribeResponse:
        listener.segment(SEGMENT)
        assert commented.wait(30)
        return RESULT

    async def until_the_end(stream: Any) -> list[bytes]:
        pieces = []
        async for piece in stream:
            pieces.append(piece)
            if piece.startswith(b":"):
                commented.set()
        return pieces

    pieces, ended = at_work(describe, until_the_end)
    assert ended
    assert [piece.split(b":")[0] for piece in pieces if not piece.startswith(b": ")] == [b"event"] * 3
    assert pieces[2].startswith(b": still at work")


def test_an_error_that_nobody_expected_tells_nothing_of_itself(caplog: pytest.LogCaptureFixture) -> None:
    def describe(listener: events.Listener) -> DescribeResponse:
        listener.segment(SEGMENT)
        raise RuntimeError("secret")

    text, ended = at_work(describe, everything)
    assert ended
    name, problem = read(text)[-1]
    assert (name, problem["status"], problem["instance"]) == ("problem", 500, "/here")
    assert "secret" not in text
    assert "secret" in caplog.text
