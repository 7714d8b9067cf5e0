"""Searching over HTTP."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from encoders.affect import Affect
from encoders.encoder import Encoder
from index.query import AffectPart, AudioPart, ClipPart, Query, Shift, TextPart, search
from service.engine import Engine
from tests.service.conftest import VOICES, problem_of

SEARCH = "/v1/search"


def names(response: httpx.Response) -> list[str]:
    assert response.status_code == 200, response.text
    return [hit["clip"]["name"] for hit in response.json()["hits"]]


def test_a_prompt_finds_what_the_index_finds(client: httpx.Client, engine: Engine, encoder: Encoder) -> None:
    found = client.post(SEARCH, json={"query": "an angry voice", "k": 4}).json()
    expected = search(engine.store, encoder, Query(parts=[TextPart("an angry voice")], k=4))
    assert [hit["clip"]["id"] for hit in found["hits"]] == [hit.clip.id for hit in expected]
    assert [hit["score"] for hit in found["hits"]] == pytest.approx([hit.score for hit in expected], abs=1e-6)
    assert [hit["rank"] for hit in found["hits"]] == [1, 2, 3, 4]
    assert (found["k"], found["offset"]) == (4, 0)
    best = found["hits"][0]
    assert 1 <= best["affect"]["valence"] <= 7
    assert best["end"] > best["start"] >= 0
    assert best["clip"]["metadata"]["speaker"] in {"00", "01"}


def test_pages_of_a_search_fit_together(client: httpx.Client) -> None:
    whole = client.post(SEARCH, json={"query": "calm", "k": len(VOICES)}).json()["hits"]
    pages = [
        hit
        for offset in (0, 2, 4, 6)
        for hit in client.post(SEARCH, json={"query": "calm", "k": 2, "offset": offset}).json()["hits"]
    ]
    assert pages == whole
    assert len(whole) == len(VOICES)


def test_a_query_of_one_part_is_the_prompt(client: httpx.Client) -> None:
    plain = client.post(SEARCH, json={"query": "a sad voice"}).json()
    assert client.post(SEARCH, json={"query": [{"text": "a sad voice"}]}).json() == plain
    assert client.post(SEARCH, json={"query": [{"text": "a sad voice", "weight": 7}]}).json() == plain


def test_a_negative_weight_turns_the_order_round(client: httpx.Client) -> None:
    query = {"k": 10, "group_by_clip": False}
    towards = client.post(SEARCH, json={**query, "query": [{"text": "loud"}]}).json()["hits"]
    away = client.post(SEARCH, json={**query, "query": [{"text": "loud", "weight": -1}]}).json()["hits"]
    assert [hit["score"] for hit in away] == pytest.approx([-hit["score"] for hit in reversed(towards)], abs=1e-5)


def test_a_clip_as_a_part_is_left_out_of_the_hits(client: httpx.Client) -> None:
    clips = client.get("/v1/clips").json()["clips"]
    found = client.post(SEARCH, json={"query": [{"clip": clips[0]["id"]}]})
    assert clips[0]["name"] not in names(found)
    assert len(names(found)) == len(VOICES) - 1
    similar = client.get(f"/v1/clips/{clips[0]['id']}/similar")
    assert similar.json() == found.json()


def test_an_embedding_as_a_part_searches_like_the_prompt_it_came_from(client: httpx.Client) -> None:
    embedded = client.post("/v1/embed/text", json={"prompts": ["a happy voice"]}).json()["embeddings"][0]
    by_vector = client.post(SEARCH, json={"query": [{"embedding": embedded["embedding"]}]})
    assert names(by_vector) == names(client.post(SEARCH, json={"query": "a happy voice"}))


def test_a_filter_holds_inside_the_search(client: httpx.Client) -> None:
    found = client.post(SEARCH, json={"query": "calm", "k": 2, "filter": {"speaker": "01", "take": {"gte": 2}}})
    assert {hit["clip"]["metadata"]["speaker"] for hit in found.json()["hits"]} == {"01"}
    assert {hit["clip"]["metadata"]["take"] for hit in found.json()["hits"]} == {3, 5}


def test_min_score_cuts_the_tail(client: httpx.Client) -> None:
    hits = client.post(SEARCH, json={"query": "calm"}).json()["hits"]
    middle = (hits[1]["score"] + hits[2]["score"]) / 2
    assert len(client.post(SEARCH, json={"query": "calm", "min_score": middle}).json()["hits"]) == 2


def test_without_grouping_every_segment_is_a_hit(client: httpx.Client) -> None:
    longest = "voice5.wav"
    request = {"query": "calm", "k": 100, "filter": {"name": longest}}
    assert names(client.post(SEARCH, json=request)) == [longest]
    segments = names(client.post(SEARCH, json={**request, "group_by_clip": False}))
    assert len(segments) > 1
    assert set(segments) == {longest}


def test_a_recording_finds_itself_first(client: httpx.Client, recordings: Path) -> None:
    content = (recordings / "voice1.flac").read_bytes()
    found = client.post("/v1/search/audio", files={"file": ("any.name", content)}, data={"k": "3"})
    assert names(found)[0] == "voice1.flac"
    assert len(names(found)) == 3
    assert found.json()["hits"][0]["score"] > 0.99


def test_options_of_an_audio_search_are_form_fields(client: httpx.Client, recordings: Path) -> None:
    content = (recordings / "voice1.flac").read_bytes()

    def ask(**fields: str) -> httpx.Response:
        return client.post("/v1/search/audio", files={"file": ("a", content)}, data=fields)

    assert names(ask(offset="1")) == names(ask())[1:]
    assert set(names(ask(filter='{"speaker": "00"}'))) == {"voice0.wav", "voice2.mp3", "voice4.m4a"}
    assert names(ask(min_score="0.99"))[0] == "voice1.flac"
    assert len(names(ask(group_by_clip="false", k="100"))) > len(VOICES)
    problem_of(ask(k="0"), 422, "request-invalid")
    problem_of(ask(min_score="nan"), 422, "request-invalid")
    problem_of(ask(filter='{"speaker": {"like": 1}}'), 422, "filter-invalid")
    problem_of(ask(filter="{speaker"), 422, "filter-invalid")


def affect(response: httpx.Response) -> Affect:
    assert response.status_code == 200, response.text
    return Affect(**response.json()["affect"])


def test_an_answer_says_where_the_query_lies(client: httpx.Client, recordings: Path) -> None:
    embedded = client.post("/v1/embed/text", json={"prompts": ["an angry voice"]}).json()["embeddings"][0]
    angry = affect(client.post(SEARCH, json={"query": "an angry voice"}))
    assert angry == pytest.approx(Affect(**embedded["affect"]), abs=0.05)
    moved = affect(client.post(SEARCH, json={"query": "an angry voice", "shift": {"arousal": -2}}))
    assert moved == pytest.approx(Affect(angry.valence, angry.arousal - 2), abs=0.01)
    beyond = affect(client.post(SEARCH, json={"query": "an angry voice", "shift": {"arousal": 6}}))
    assert angry.arousal < beyond.arousal <= 7
    clip = client.get("/v1/clips").json()["clips"][1]
    content = (recordings / clip["name"]).read_bytes()
    heard = affect(client.post("/v1/search/audio", files={"file": ("a", content)}))
    assert heard == pytest.approx(Affect(**clip["affect"]), abs=0.75)  # by its embedding alone
    assert affect(client.get(f"/v1/clips/{clip['id']}/similar")) == pytest.approx(heard, abs=0.05)


def test_an_empty_library_has_no_hits(own: httpx.Client, speech: Callable[..., bytes]) -> None:
    assert own.post(SEARCH, json={"query": "calm"}).json()["hits"] == []
    assert own.post("/v1/search/audio", files={"file": ("a", speech())}).json()["hits"] == []


def test_a_place_of_the_plane_finds_what_the_index_finds(client: httpx.Client, engine: Engine) -> None:
    parts = [{"affect": {"valence": 6, "arousal": 2.5}}, {"text": "shouting", "weight": -0.3}]
    found = client.post(SEARCH, json={"query": parts, "distinct": True}).json()
    asked = Query([AffectPart(Affect(6, 2.5)), TextPart("shouting", -0.3)], distinct=True)
    expected = search(engine.store, engine.encoder, asked, engine.bank)
    assert [hit["clip"]["id"] for hit in found["hits"]] == [hit.clip.id for hit in expected]
    assert [hit["score"] for hit in found["hits"]] == pytest.approx([hit.score for hit in expected], abs=1e-6)


def test_a_shift_moves_the_query_wherever_it_comes_from(client: httpx.Client, engine: Engine, recordings: Path) -> None:
    shift = {"arousal": -1.5, "valence": 0.5}
    clip = client.get("/v1/clips").json()["clips"][0]
    asked = Query([ClipPart(clip["id"])], shift=Shift(**shift))
    expected = [hit.clip.name for hit in search(engine.store, engine.encoder, asked, engine.bank)]
    assert names(client.post(SEARCH, json={"query": [{"clip": clip["id"]}], "shift": shift})) == expected
    similar = client.get(f"/v1/clips/{clip['id']}/similar", params={"shift": json.dumps(shift)})
    assert names(similar) == expected
    files = {"file": ("a", (recordings / clip["name"]).read_bytes())}
    heard = client.post("/v1/search/audio", files=files, data={"shift": json.dumps(shift)})
    assert [name for name in names(heard) if name != clip["name"]] == expected
    still = client.post(SEARCH, json={"query": [{"clip": clip["id"]}], "shift": {}}).json()
    assert still == client.post(SEARCH, json={"query": [{"clip": clip["id"]}]}).json()
    moved = client.post(SEARCH, json={"query": [{"clip": clip["id"]}], "shift": shift}).json()
    assert [hit["score"] for hit in moved["hits"]] != [hit["score"] for hit in still["hits"]]


def test_a_region_keeps_the_moments_that_lie_in_it(client: httpx.Client, recordings: Path) -> None:
    """Every other moment, by arousal, of two clips or more: the hits are those of the whole list, in its order."""
    wanted = {"query": [{"text": "calm"}], "k": 100, "group_by_clip": False}
    everything = client.post(SEARCH, json=wanted).json()["hits"]
    spread = sorted({hit["affect"]["arousal"] for hit in everything})
    below, above = max(itertools.pairwise(spread), key=lambda pair: pair[1] - pair[0])  # apart by more than a rounding
    middle = (below + above) / 2
    kept = [hit for hit in everything if hit["affect"]["arousal"] >= middle]
    assert 1 < len(kept) < len(everything)
    region = {"valence": [1, 7], "arousal": [middle, 7]}

    def moments(hits: list[dict[str, Any]]) -> list[tuple[str, float]]:
        return [(hit["clip"]["id"], hit["start"]) for hit in hits]

    assert moments(client.post(SEARCH, json={**wanted, "region": region}).json()["hits"]) == moments(kept)
    one = client.post(SEARCH, json={**wanted, "k": 1, "offset": 1, "region": {"arousal": [middle, 7]}}).json()["hits"]
    assert moments(one) == moments(kept[1:2])
    clip = client.get("/v1/clips").json()["clips"][0]
    similar = client.get(f"/v1/clips/{clip['id']}/similar", params={"region": json.dumps(region)})
    same = client.post(SEARCH, json={"query": [{"clip": clip["id"]}], "region": region}).json()
    assert moments(similar.json()["hits"]) == moments(same["hits"])
    assert all(hit["affect"]["arousal"] >= middle for hit in same["hits"])
    files = {"file": ("a", (recordings / clip["name"]).read_bytes())}
    heard = client.post("/v1/search/audio", files=files, data={"region": json.dumps(region), "k": "50"}).json()["hits"]
    assert {hit["clip"]["id"] for hit in heard} == {hit["clip"]["id"] for hit in kept}
    assert all(hit["affect"]["arousal"] >= middle for hit in heard)
    assert client.post(SEARCH, json={**wanted, "region": {}}).json()["hits"] == everything
    turned = problem_of(client.post(SEARCH, json={**wanted, "region": {"valence": [5, 2]}}), 422, "query-invalid")
    assert "valence begins at 5 and ends before that, at 2" in turned["detail"]


def test_a_recording_is_one_part_among_others(client: httpx.Client, engine: Engine, recordings: Path) -> None:
    recording = recordings / "voice1.flac"
    clip: str = client.get("/v1/clips").json()["clips"][0]["id"]
    parts = [{"text": "shouting", "weight": -0.5}, {"clip": clip}]
    data = {"weight": "0.7", "parts": json.dumps(parts)}
    found = client.post("/v1/search/audio", files={"file": ("a", recording.read_bytes())}, data=data).json()["hits"]
    asked = Query([AudioPart(recording, weight=0.7), TextPart("shouting", -0.5), ClipPart(clip)])
    expected = search(engine.store, engine.encoder, asked, engine.bank)
    assert [hit["clip"]["id"] for hit in found] == [hit.clip.id for hit in expected]
    assert [hit["score"] for hit in found] == pytest.approx([hit.score for hit in expected], abs=1e-6)


@pytest.mark.parametrize(
    ("field", "text", "place"),
    [
        ("parts", '[{"text": ""}]', "body /parts/0/text"),
        ("parts", '[{"txt": "a"}]', "body /parts/0"),
        ("parts", "[]", "body /parts"),
        ("parts", "a calm voice", "body parts"),
        ("shift", '{"arousal": 9}', "body /shift/arousal"),
        ("shift", "arousal=1", "body shift"),
        ("region", '{"arousal": [5, 8]}', "body /region/arousal/1"),
        ("region", '{"arousal": [5]}', "body /region/arousal"),
        ("region", "arousal=5..7", "body region"),
        ("distinct", "perhaps", "body /distinct"),
        ("weight", "1000", "body /weight"),
    ],
)
def test_what_does_not_fit_a_form_field_is_named(
    client: httpx.Client, recordings: Path, field: str, text: str, place: str
) -> None:
    files = {"file": ("a", (recordings / "voice1.flac").read_bytes())}
    answer = client.post("/v1/search/audio", files=files, data={field: text})
    found = problem_of(answer, 422, "request-invalid")
    assert found["errors"][0]["place"] == place
    assert "@" not in found["detail"]


def test_a_mistyped_field_of_a_filter_is_pointed_out(client: httpx.Client) -> None:
    hints = ["no clip has the field 'speeker'. Did you mean 'speaker'?"]
    mistyped = {"speeker": "01"}
    found = client.post(SEARCH, json={"query": "calm", "filter": mistyped}).json()
    assert (found["hits"], found["hints"]) == ([], hints)
    assert client.get("/v1/clips", params={"filter": json.dumps(mistyped)}).json()["hints"] == hints
    assert client.get("/v1/facets", params={"filter": json.dumps(mistyped)}).json()["hints"] == hints
    assert client.post(SEARCH, json={"query": "calm", "filter": {"speaker": "99"}}).json()["hints"] == []


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({}, "body /query"),
        ({"query": ""}, "body /query"),
        ({"query": 3}, "body /query"),
        ({"query": None}, "body /query"),
        ({"query": []}, "body /query"),
        ({"query": "x" * 100_000}, "body /query"),
        ({"query": [{"text": "calm"}] * 17}, "body /query"),
        ({"query": ["calm"]}, "body /query/0"),
        ({"query": [{"text": "calm", "clip": "0"}]}, "body /query/0"),
        ({"query": [{"weight": 1}]}, "body /query/0"),
        ({"query": [{"text": "calm"}, {"text": 5}]}, "body /query/1/text"),
        ({"query": [{"text": "calm", "weight": "1"}]}, "body /query/0/weight"),
        ({"query": [{"text": "calm", "weight": 1e6}]}, "body /query/0/weight"),
        ({"query": [{"text": "calm", "wieght": 1}]}, "body /query/0"),
        ({"query": [{"embedding": ["a"]}]}, "body /query/0/embedding/0"),
        ({"query": [{"embedding": []}]}, "body /query/0/embedding"),
        ({"query": [{"embedding": [1e300] * 512}]}, "body /query/0/embedding/0"),
        ({"query": "calm", "k": 0}, "body /k"),
        ({"query": "calm", "k": 1001}, "body /k"),
        ({"query": "calm", "k": 2.5}, "body /k"),
        ({"query": "calm", "k": True}, "body /k"),
        ({"query": "calm", "k": "5"}, "body /k"),
        ({"query": "calm", "offset": -1}, "body /offset"),
        ({"query": "calm", "min_score": 1.5}, "body /min_score"),
        ({"query": "calm", "filter": []}, "body /filter"),
        ({"query": "calm", "shift": {"arousal": 6.5}}, "body /shift/arousal"),
        ({"query": "calm", "shift": {"dominance": 1}}, "body /shift"),
        ({"query": "calm", "shift": 1}, "body /shift"),
        ({"query": "calm", "region": [1, 3]}, "body /region"),
        ({"query": "calm", "region": {"valence": [0, 3]}}, "body /region/valence/0"),
        ({"query": "calm", "region": {"valence": [1, 2, 3]}}, "body /region/valence"),
        ({"query": "calm", "region": {"valence": "1..3"}}, "body /region/valence"),
        ({"query": "calm", "region": {"dominance": [1, 3]}}, "body /region"),
        ({"query": "calm", "distinct": "yes"}, "body /distinct"),
        ({"query": [{"affect": {"valence": 5}}]}, "body /query/0/affect/arousal"),
        ({"query": [{"affect": {"valence": 5, "arousal": 0}}]}, "body /query/0/affect/arousal"),
        ({"query": [{"affect": [5, 2]}]}, "body /query/0/affect"),
        ({"query": [{"affect": {"valence": 5, "arousal": 2}, "text": "calm"}]}, "body /query/0"),
        ([], "body"),
        ("calm", "body"),
        (None, "body"),
    ],
)
def test_what_does_not_fit_is_named(client: httpx.Client, body: Any, place: str) -> None:
    answer = client.post(SEARCH, content=json.dumps(body), headers={"Content-Type": "application/json"})
    found = problem_of(answer, 422, "request-invalid")
    assert found["errors"][0]["place"] == place
    assert found["errors"][0]["detail"] in found["detail"]
    assert "@" not in found["detail"]


def test_an_unknown_key_is_refused_with_the_known_ones(client: httpx.Client) -> None:
    found = problem_of(client.post(SEARCH, json={"query": "calm", "ofset": 1}), 422, "request-invalid")
    assert "'ofset'" in found["detail"]
    assert "Did you mean 'offset'?" in found["detail"]
    assert "min_score" in found["detail"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"query": "   "}, 422, "prompt-invalid"),
        ({"query": [{"clip": "0000000000000000"}]}, 404, "clip-not-found"),
        ({"query": [{"clip": "../../etc/passwd"}]}, 404, "clip-not-found"),
        ({"query": [{"embedding": [1.0, 2.0]}]}, 422, "query-invalid"),
        ({"query": [{"embedding": [0.0] * 512}]}, 422, "query-invalid"),
        ({"query": [{"text": "calm", "weight": 0}]}, 422, "query-invalid"),
        ({"query": [{"text": "calm"}, {"text": "calm", "weight": -1}]}, 422, "query-invalid"),
        ({"query": "calm", "filter": {"speaker": {"like": "x"}}}, 422, "filter-invalid"),
        ({"query": "calm", "filter": {"and": []}}, 422, "filter-invalid"),
    ],
)
def test_a_query_that_cannot_be_used_is_named(client: httpx.Client, body: Any, status: int, code: str) -> None:
    problem_of(client.post(SEARCH, json=body), status, code)
