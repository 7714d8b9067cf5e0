"""Adding many recordings: each has its own result, in order; what went wrong with one is no matter to the others."""

import asyncio
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from service.client import AsyncClient, Client, ProblemError, Progress, Unreachable, bulk
from service.client.calls import Call
from service.client.results import Added
from tests.service.client.conftest import AT_ONCE, Answer, Shrinking, scripted

Speech = Callable[..., bytes]


@pytest.fixture
def folder(speech: Speech, tmp_path: Path) -> list[Path]:
    """Twenty recordings, some of them of no use, one of them not there."""
    paths = [tmp_path / f"{number:02d}.wav" for number in range(20)]
    for number, path in enumerate(paths):
        path.write_bytes(speech(seed=number, seconds=0.5))
    paths[3].write_bytes(b"no audio")
    paths[4].write_bytes(b"")
    shutil.copy(paths[0], paths[5])
    paths[6].unlink()
    return paths


EXPECTED = ["added"] * 3 + ["failed", "failed", "exists", "failed"] + ["added"] * 13


def test_each_recording_has_its_result_in_order(connect: Callable[..., Client], folder: list[Path]) -> None:
    client = connect(max_files=3)
    seen: list[Progress] = []
    results = list(client.add_all(folder, [{"take": n} for n in range(20)], progress=seen.append, parallel=3))
    assert [result.name for result in results] == [path.name for path in folder]
    # Which of two copies comes first is open: they may be in requests that run at once.
    assert sorted((results[0].status, results[5].status)) == ["added", "exists"]
    assert [r.status for r in results[1:5] + results[6:]] == EXPECTED[1:5] + EXPECTED[6:]
    codes = [result.problem.code for result in results if result.problem]
    assert codes == ["audio-unreadable", "audio-empty", "file-unreadable"]
    assert client.info().library.clips == 16
    assert {clip.metadata["take"] for clip in client.all_clips()} >= set(range(7, 20))
    assert [progress.done for progress in seen] == list(range(1, 21))
    total = sum(path.stat().st_size for path in folder if path.exists())
    assert seen[-1] == Progress(20, 20, total, total, added=16, exists=1, failed=3)
    assert {result.status for result in client.add_all(folder, {"again": True})} == {"exists", "failed"}
    assert all(clip.metadata == {"again": True} for clip in client.all_clips())


def test_adding_can_be_awaited(connect: Callable[..., Client], folder: list[Path]) -> None:
    client = connect(max_files=2)

    async def add() -> list[Added]:
        async with AsyncClient(client.address) as other:
            return [added async for added in other.add_all(folder, parallel=3)]

    results = asyncio.run(add())
    assert [result.name for result in results] == [path.name for path in folder]
    assert [result.status for result in results].count("added") == 16
    assert client.info().library.clips == 16


def test_a_recording_that_is_too_large_is_not_sent(connect: Callable[..., Client], tmp_path: Path) -> None:
    client = connect(max_upload_mb=0.5)
    large, small = tmp_path / "large.wav", tmp_path / "small.wav"
    with large.open("wb") as file:
        file.truncate(10**12)
    small.write_bytes(b"no audio")
    results = list(client.add_all([large, small, b"x" * 520_000]))
    assert [result.problem.code for result in results if result.problem] == [
        "upload-too-large",
        "audio-unreadable",
        "audio-unreadable",
    ]


def test_requests_keep_to_the_limits(connect: Callable[..., Client]) -> None:
    limits = connect(max_files=4, max_upload_mb=1).info().limits
    sizes = [400_000, 400_000, 400_000, 1, 2, 3, 4, 5, 1_000_000, 900_000, 5_000_000, 7]
    waiting = bulk.items([bytes(size) for size in sizes], None, limits)
    cut = [[item.size for item in batch] for batch in bulk.batches(waiting, limits)]
    assert [size for batch in cut for size in batch] == sizes
    assert cut[:3] == [[400_000, 400_000], [400_000, 1, 2, 3], [4, 5, 1_000_000]]
    assert [5_000_000] in cut
    with pytest.raises(ValueError, match="2 metadata for 3"):
        bulk.items([b"a", b"b", b"c"], [None, {}], limits)


def test_a_file_that_goes_away_while_it_runs_fails_alone(connect: Callable[..., Client], folder: list[Path]) -> None:
    client = connect()

    def vanish(progress: Progress) -> None:
        folder[-1].unlink(missing_ok=True)

    results = list(client.add_all(folder, progress=vanish, parallel=1))
    assert [result.status for result in results] == [*EXPECTED[:-1], "failed"]
    assert results[-1].problem is not None
    assert results[-1].problem.code == "file-unreadable"


def test_a_file_that_becomes_shorter_fails_alone(connect: Callable[..., Client], speech: Speech) -> None:
    results = list(connect().add_all([speech(seed=1), Shrinking(speech(seed=2)), speech(seed=3)]))
    assert [result.status for result in results] == ["added", "failed", "added"]


def test_any_collection_will_do_and_what_is_no_file_is_said(
    connect: Callable[..., Client], folder: list[Path], tmp_path: Path
) -> None:
    client = connect()
    assert len(list(client.add_all(tmp_path.glob("1*.wav")))) == 10
    with os.fdopen(os.pipe()[0], "rb") as pipe:
        (result,) = client.add_all([pipe])
    assert result.problem is not None
    assert "None" not in result.problem.detail


def test_those_who_are_told_to_come_back_do(connect: Callable[..., Client], folder: list[Path]) -> None:
    client = connect(threads=1, queue=0, max_files=1)  # room for one request
    results = list(client.add_all(folder[7:10], parallel=3))
    assert [result.status for result in results] == ["added"] * 3


def test_what_ends_everything_is_raised(library: Client, folder: list[Path]) -> None:
    info = Answer(body=library.send(Call("GET", "/v1/info", lambda answer: answer.content)))
    full = {"type": "urn:emotionrank:problem:library-full", "title": "t", "status": 507, "detail": "full"}
    results = [{"name": "a", "status": "failed", "problem": full}]  # as the service says it of each file
    body = json.dumps({**full, "results": results}).encode()
    refused = Answer(507, body, {"Content-Type": "application/problem+json"})
    for answer, error in ((refused, ProblemError), (Answer(breaks=True), Unreachable)):
        with scripted(info, answer) as server, Client(server.address, retries=AT_ONCE) as client:
            bulk_of = client.add_all(folder)
            with pytest.raises(error):
                list(bulk_of)


def test_who_stops_listening_stops_the_sending(connect: Callable[..., Client], folder: list[Path]) -> None:
    client = connect(max_files=1)
    for _ in client.add_all(folder[7:], parallel=1):
        break
    assert client.info().library.clips <= 2
