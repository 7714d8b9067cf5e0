"""Describing and embedding over HTTP."""

from collections.abc import Callable

import httpx
import numpy as np
import pytest

from encoders.affect import Affect, AffectRange
from encoders.encoder import Encoder
from service.schemas import AffectIntervalOut
from tests.service.conftest import problem_of
from tests.sounds import media

Speech = Callable[..., bytes]


def describe(client: httpx.Client, content: bytes, candidates: list[str] | None = None) -> httpx.Response:
    data = {"candidates": candidates} if candidates else {}
    return client.post("/v1/describe", files={"file": ("talk.mp3", content)}, data=data)


def expected_interval(affect: dict[str, float], encoder: Encoder) -> object:
    found = encoder.affect_range(Affect(**affect))
    if found is None:
        return None
    return {
        "level": found.level,
        "valence": pytest.approx([found.low.valence, found.high.valence], abs=1e-3),
        "arousal": pytest.approx([found.low.arousal, found.high.arousal], abs=1e-3),
    }


def test_a_recording_is_described_in_words_and_numbers(client: httpx.Client, speech: Speech, encoder: Encoder) -> None:
    answer = describe(client, speech(seconds=9, container="mp3"))
    assert answer.status_code == 200
    found = answer.json()
    assert found["name"] == "talk.mp3"
    assert found["duration"] == pytest.approx(9, abs=0.2)
    assert 1 <= found["affect"]["arousal"] <= 7
    assert found["affect_interval"] == expected_interval(found["affect"], encoder)
    assert found["summary"].endswith(".")
    assert sum(term["share"] for term in found["terms"]) == pytest.approx(1, abs=1e-4)
    scores = [prompt["score"] for prompt in found["prompts"]]
    assert scores == sorted(scores, reverse=True)
    assert found["candidates"] == []
    assert len(found["timeline"]) > 1
    assert found["timeline"][0]["start"] == 0
    assert found["timeline"][-1]["end"] == pytest.approx(found["duration"], abs=0.01)
    assert {entry["term"] for entry in found["timeline"]} <= {term["term"] for term in found["terms"]}


def test_an_interval_that_the_bundle_states_is_shown_on_the_scale() -> None:
    found = AffectIntervalOut.of(AffectRange(0.9, Affect(1.0, 4.12345), Affect(3.25, 7.0)))
    assert found is not None
    assert found.model_dump() == {"level": 0.9, "valence": (1.0, 3.25), "arousal": (4.1235, 7.0)}


def test_the_callers_own_prompts_are_ranked(client: httpx.Client, speech: Speech) -> None:
    candidates = ["a calm voice", "an angry voice", "a bored voice"]
    found = describe(client, speech(), candidates).json()["candidates"]
    assert {candidate["text"] for candidate in found} == set(candidates)
    scores = [candidate["score"] for candidate in found]
    assert scores == sorted(scores, reverse=True)


def test_bad_candidates_are_refused(client: httpx.Client, speech: Speech) -> None:
    problem_of(describe(client, speech(), ["calm", "  "]), 422, "prompt-invalid")
    problem_of(describe(client, speech(), ["x" * 5000]), 422, "request-invalid")
    problem_of(describe(client, speech(), ["calm"] * 300), 422, "request-invalid")


def test_prompts_are_embedded_in_the_order_given(client: httpx.Client, encoder: Encoder) -> None:
    prompts = ["a sad, tired voice", "happy", "bored and indifferent", "happy"]
    found = client.post("/v1/embed/text", json={"prompts": prompts}).json()
    assert [entry["text"] for entry in found["embeddings"]] == prompts
    vectors = np.array([entry["embedding"] for entry in found["embeddings"]])
    np.testing.assert_allclose(vectors, encoder.embed_prompts(prompts).embedding, atol=1e-6)
    assert found["dim"] == vectors.shape[1]
    assert found["bundle"] == encoder.bundle.fingerprint


@pytest.mark.parametrize("prompts", [[], ["x"] * 257, [""], ["x" * 5000], "calm", [3]])
def test_prompts_that_do_not_fit_are_refused(client: httpx.Client, prompts: object) -> None:
    problem_of(client.post("/v1/embed/text", json={"prompts": prompts}), 422, "request-invalid")


def test_recordings_are_embedded_each_with_its_status(client: httpx.Client, speech: Speech, encoder: Encoder) -> None:
    contents = [speech(seed=1), b"no audio", speech(seed=2, seconds=9)]
    files = [("files", (f"{number}", content)) for number, content in enumerate(contents)]
    answer = client.post("/v1/embed/audio", files=files)
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [result["status"] for result in results] == ["embedded", "failed", "embedded"]
    for place in (0, 2):
        embedding, affect = encoder.embed_clip(contents[place])
        np.testing.assert_allclose(results[place]["embedding"], embedding, atol=1e-6)
        assert results[place]["affect"]["valence"] == pytest.approx(affect.valence, abs=1e-3)
    assert results[1]["problem"]["type"].endswith(":audio-unreadable")
    assert client.get("/v1/clips").json()["total"] == client.get("/v1/info").json()["library"]["clips"]


def test_when_no_recording_can_be_embedded_the_answer_is_a_problem(client: httpx.Client) -> None:
    found = problem_of(client.post("/v1/embed/audio", files={"files": ("a", b"")}), 422, "audio-empty")
    assert found["results"][0]["status"] == "failed"


def test_a_description_gives_the_embedding_where_it_is_wanted(
    client: httpx.Client, speech: Callable[..., bytes]
) -> None:
    files = {"file": ("talk.wav", speech(seconds=6.0))}
    assert client.post("/v1/describe", files=files).json()["embedding"] is None
    told = client.post("/v1/describe", files=files, data={"embedding": "true"}).json()
    alone = client.post("/v1/embed/audio", files={"files": files["file"]}).json()["results"][0]
    assert told["embedding"] == alone["embedding"]
    scores = client.post("/v1/describe", files=files, data={"candidates": ["calm", "angry"]}).json()["candidates"]
    texts = client.post("/v1/embed/text", json={"prompts": [scored["text"] for scored in scores]}).json()["embeddings"]
    for scored, text in zip(scores, texts, strict=True):
        cosine = sum(a * b for a, b in zip(told["embedding"], text["embedding"], strict=True))
        assert cosine == pytest.approx(scored["score"], abs=1e-5)


def test_a_description_draws_the_recording_where_that_is_wanted(client: httpx.Client) -> None:
    # Long, and no voice at all: it is read twice and drawn once.
    sound = np.random.default_rng(0).normal(0.0, 0.05, 8 * 16_000).astype(np.float32)
    sound[: 4 * 16_000] *= 0.1
    sound[6 * 16_000] = 0.9
    files = {"file": ("noise.flac", media(sound, "flac"))}
    told = client.post("/v1/describe", files=files, data={"peaks": "8"}).json()
    assert told["timeline"]
    assert len(told["peaks"]) == 8
    assert told["peaks"][6] == pytest.approx(0.9, abs=0.01)
    assert max(told["peaks"][:4]) < 0.05 < min(told["peaks"][4:])
    problem_of(client.post("/v1/describe", files=files, data={"peaks": "0"}), 422, "request-invalid")
