"""Server-Timing: which stages a request went through, and how long each took."""

import asyncio
from collections.abc import Callable

import httpx
import pytest

from service.inference.lanes import Lane
from service.observing import timing


def stages(response: httpx.Response) -> dict[str, float]:
    """Read the header: milliseconds by stage."""
    entries = [entry.split(";dur=") for entry in response.headers["server-timing"].split(", ")]
    return {name: float(spent) for name, spent in entries}


def test_a_search_tells_its_stages_and_they_do_not_exceed_the_whole(client: httpx.Client) -> None:
    spent = stages(client.post("/v1/search", json={"query": "a calm voice that nobody asked for before"}))
    assert {"queue", "search", "total"} <= spent.keys()
    assert sum(took for name, took in spent.items() if name != "total") <= spent["total"] + 0.1


@pytest.mark.parametrize(("path", "others"), [("/v1/describe", set()), ("/v1/search/audio", {"search"})])
def test_a_recording_tells_of_its_decoding_and_encoding(
    client: httpx.Client, speech: Callable[..., bytes], path: str, others: set[str]
) -> None:
    spent = stages(client.post(path, files={"file": ("a.wav", speech())}))
    assert spent.keys() == {"queue", "decode", "encode", "total"} | others
    assert 0 < spent["decode"] + spent["encode"] <= spent["total"]


@pytest.mark.parametrize("path", ["/healthz", "/nowhere", "/css/base.css"])
def test_every_answer_tells_its_total(client: httpx.Client, path: str) -> None:
    assert stages(client.get(path)).keys() == {"total"}


def test_a_stage_within_another_counts_once() -> None:
    with timing.begun({}) as spent:
        with timing.stage("search"):
            with timing.stage("encode"), timing.stage("decode"):
                pass
            with timing.stage("encode"):
                pass
        whole = spent.total
    assert spent.keys() == {"decode", "encode", "search"}
    assert all(took >= 0 for took in spent.values())
    assert sum(spent.values()) <= whole


def test_a_lane_works_for_the_request_that_asked() -> None:
    """Two requests in one loop: each record holds the stage that its own work opened."""

    def work(name: timing.Stage) -> None:
        with timing.stage(name):
            pass

    async def request(lane: Lane, name: timing.Stage) -> timing.Timing:
        with timing.begun({}) as spent:
            await lane.run(work, name)
        return spent

    async def both() -> list[timing.Timing]:
        lane = Lane("test", threads=2, queue=2, retry_after=1)
        try:
            return list(await asyncio.gather(request(lane, "encode"), request(lane, "search")))
        finally:
            lane.close()

    one, other = asyncio.run(both())
    assert [set(one), set(other)] == [{"queue", "encode"}, {"queue", "search"}]


def test_outside_a_request_a_stage_only_runs_its_block() -> None:
    with timing.stage("search"):
        assert timing.current() is None
