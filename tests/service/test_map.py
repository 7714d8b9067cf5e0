"""The map: every segment as a point of the plane, as bytes."""

import json
from collections.abc import Callable

import httpx
import numpy as np
import numpy.typing as npt
import pytest

from index.filters import Filter
from index.places import Places
from service import maps
from service.engine import Engine
from service.maps import SIDE, Maps, draw
from tests.service.conftest import OpenEngine, problem_of

MAP = "/v1/map"
Points = npt.NDArray[np.float64]


def points(body: bytes) -> Points:
    """Read a map of points, as docs/http.md says that one does."""
    assert body[:8] == b"ERmp\x01\x00\x00\x00"
    (count,) = np.frombuffer(body, "<u4", 1, 8)
    found: Points = 1 + np.frombuffer(body, "<u2", offset=16).reshape(count, 2) * (6 / 65535)
    return found


def places(affect: Points) -> Places:
    count = len(affect)
    none = np.zeros(count)
    return Places(("0" * 16,), none.astype(np.int32), none, none, affect.astype(np.float32))


def test_every_segment_is_a_point(client: httpx.Client, engine: Engine) -> None:
    answer = client.get(MAP)
    assert answer.headers["content-type"] == "application/octet-stream"
    found = points(answer.content)
    expected = [segment.affect.clipped() for clip in engine.store.clips() for segment in engine.store.segments(clip.id)]
    assert sorted(found.tolist()) == pytest.approx(np.array(sorted(expected)), abs=1e-4)
    counts = engine.store.count()
    assert np.frombuffer(answer.content, "<u4", 2, 8).tolist() == [counts.segments, counts.clips]


def test_a_filter_keeps_the_segments_of_its_clips(client: httpx.Client, engine: Engine) -> None:
    longest = engine.store.clips()[5]
    found = points(client.get(MAP, params={"filter": json.dumps({"name": longest.name})}).content)
    assert len(found) == longest.segments > 1
    nothing = client.get(MAP, params={"filter": '{"name": "nobody"}'}).content
    assert (len(points(nothing)), len(nothing)) == (0, 16)
    problem_of(client.get(MAP, params={"filter": "{"}), 422, "filter-invalid")
    problem_of(client.get(MAP, params={"filters": "{}"}), 422, "request-invalid")


def test_a_map_is_sent_again_only_after_a_change(own: httpx.Client, speech: Callable[..., bytes]) -> None:
    def asked(etag: str) -> httpx.Response:
        return own.get(MAP, headers={"If-None-Match": etag})

    empty = own.get(MAP)
    assert empty.headers["cache-control"] == "private, no-cache"
    again = asked(f'"other", W/{empty.headers["etag"]}')
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", empty.headers["etag"])
    clip = own.post("/v1/clips", files={"files": ("a.wav", speech())}).json()["results"][0]["clip"]
    filled = asked(empty.headers["etag"])
    assert (filled.status_code, len(points(filled.content))) == (200, 1)
    own.delete(f"/v1/clips/{clip['id']}")
    assert asked(filled.headers["etag"]).content == empty.content


def test_the_library_is_walked_once_for_a_filter_and_a_state(
    open_own: OpenEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, walks = open_own().store, list[Filter | None]()
    all_of_it = store.places

    def counted(filter: Filter | None = None) -> Places:
        walks.append(filter)
        return all_of_it(filter)

    monkeypatch.setattr(store, "places", counted)
    made = Maps(store)
    assert made.of(None) == made.of(None)
    assert len(walks) == 1
    # A store that cannot tell its state is asked again after a while.
    monkeypatch.setattr(store, "state", lambda: None)
    made.of(None)
    assert len(walks) == 1
    monkeypatch.setattr(maps, "FRESH", -1.0)
    made.of(None)
    assert len(walks) == 2


def test_many_segments_become_a_grid() -> None:
    affect = np.random.default_rng(0).uniform(1, 7, (5_000, 2))
    affect[:3] = [[1, 1], [7, 7], [7, 1]]
    body = draw(places(affect), most=4_999)
    assert body[:8] == b"ERmp\x01\x01\x00\x01"
    assert np.frombuffer(body, "<u4", 2, 8).tolist() == [5_000, 1]
    grid = np.frombuffer(body, "<u4", offset=16).reshape(SIDE, SIDE)
    edges = np.linspace(1, 7, SIDE + 1)
    expected, _, _ = np.histogram2d(affect[:, 1], affect[:, 0], bins=[edges, edges])
    assert grid.sum() == 5_000
    assert np.abs(grid - expected).sum() <= 100  # on the edge between two cells, rounding decides
    assert min(grid[0, 0], grid[-1, -1], grid[0, -1]) >= 1
    assert len(draw(places(affect), most=5_000)) == 16 + 4 * 5_000
