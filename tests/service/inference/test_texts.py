"""The text stage: one thread for the prompts of all requests, batches of what has queued up, a memory."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager

import httpx
import numpy as np
import pytest
from tokenizers import Encoding

from encoders.encoder import Encoded, Encoder
from encoders.errors import PromptError
from service.inference import texts
from service.inference.texts import Texts
from service.observing import timing
from service.observing.metrics import Metrics


class Watched(Encoder):
    """The real encoder; counts its batches, and waits at `gate` before each."""

    def __init__(self, real: Encoder) -> None:
        super().__init__(real.bundle, real._audio, real._text)
        self.batches: list[int] = []
        self.gate = threading.Event()
        self.arrived = threading.Semaphore(0)
        self.gate.set()

    def embed_tokens(self, prompts: Sequence[Encoding]) -> Encoded:
        """Encode a batch."""
        self.arrived.release()
        assert self.gate.wait(20)
        self.batches.append(len(prompts))
        return super().embed_tokens(prompts)


@pytest.fixture
def watched(encoder: Encoder) -> Watched:
    return Watched(encoder)


@contextmanager
def stage_of(encoder: Encoder, remembered: int = 100) -> Iterator[Texts]:
    stage = Texts(encoder, remembered, Metrics())
    try:
        yield stage
    finally:
        stage.close()


def busy(stage: Texts, encoder: Watched) -> Future[Encoded]:
    """Have the encoder begin with a first prompt, and hold it there."""
    encoder.gate.clear()
    first = stage.ask(["the first"])
    assert encoder.arrived.acquire(timeout=20)
    return first


def test_what_queues_up_while_the_encoder_works_is_encoded_in_batches(watched: Watched) -> None:
    with stage_of(watched) as stage:
        first = busy(stage, watched)
        asked = [stage.ask([f"a voice like number {number}"]) for number in range(9)]
        assert stage.waiting == 9
        watched.gate.set()
        found = np.concatenate([one.result(20).embedding for one in (first, *asked)])
    assert watched.batches == [1, texts.COMPANY, 9 - texts.COMPANY]
    alone = [watched.embed_prompts([f"a voice like number {number}"]).embedding for number in range(9)]
    np.testing.assert_allclose(found[1:], np.concatenate(alone), atol=1e-6)


def test_a_prompt_is_the_same_whatever_is_encoded_beside_it(encoder: Encoder) -> None:
    beside = ["a calm voice", "furious " * 100, "x", "sad, slow and tired", "a voice " * 40]
    alone = [encoder.embed_prompts([prompt]) for prompt in beside]
    together = encoder.embed_prompts(beside)
    np.testing.assert_allclose(together.embedding, np.concatenate([one.embedding for one in alone]), atol=1e-6)
    np.testing.assert_allclose(together.affect, np.concatenate([one.affect for one in alone]), atol=1e-5)


def test_a_known_prompt_is_not_encoded_again_until_others_have_pushed_it_out(watched: Watched) -> None:
    with stage_of(watched, remembered=2) as stage:
        once = stage.ask(["calm", "sad"]).result(20)
        again = stage.ask(["sad", "calm", "sad"])
        assert again.done()
        np.testing.assert_array_equal(again.result().embedding, once.embedding[[1, 0, 1]])
        np.testing.assert_array_equal(again.result().affect, once.affect[[1, 0, 1]])
        assert watched.batches == [2]
        stage.ask(["tense"]).result(20)  # pushes "calm" out: "sad" was used more lately
        assert stage.ask(["sad"]).done()
        stage.ask(["calm"]).result(20)
    assert watched.batches == [2, 1, 1]


def test_a_stage_that_remembers_nothing_still_answers(watched: Watched) -> None:
    with stage_of(watched, remembered=0) as stage:
        one, other = stage.ask(["calm"]).result(20), stage.ask(["calm"]).result(20)
    np.testing.assert_array_equal(one.embedding, other.embedding)
    assert watched.batches == [1, 1]


def test_a_prompt_that_several_ask_for_at_once_is_encoded_once(watched: Watched) -> None:
    with stage_of(watched) as stage:
        busy(stage, watched)
        asked = [stage.ask(["calm"]), stage.ask(["the first"]), stage.ask(["calm", "sad"])]
        watched.gate.set()
        for one in asked:
            one.result(20)
    assert watched.batches == [1, 2]


def test_a_prompt_that_cannot_be_used_fails_its_own_request_only(watched: Watched) -> None:
    with stage_of(watched) as stage:
        busy(stage, watched)
        many = [f"number {number} " * 20 for number in range(8)]
        bad, good = stage.ask(["  ", *many]), stage.ask(["a calm voice"])
        watched.gate.set()
        with pytest.raises(PromptError, match="empty"):
            bad.result(20)
        assert good.result(20).embedding.shape == (1, watched.bundle.info.embedding_dim)
        assert stage.ask(["afterwards"]).result(20).affect.shape == (1, 2)
    assert sum(watched.batches) < 8, "what was left of a request that had failed was encoded all the same"


def test_the_stage_outlives_an_encoder_that_breaks(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    with stage_of(watched) as stage:
        with monkeypatch.context() as broken:
            broken.setattr(watched, "tokens", lambda _: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                stage.ask(["calm"]).result(20)
        assert stage.ask(["calm"]).result(20).embedding.shape[0] == 1


def test_a_request_with_many_prompts_lets_others_through(watched: Watched) -> None:
    with stage_of(watched) as stage:
        busy(stage, watched)
        many = [f"{number} ".ljust(texts.SHARE // 2, "x") for number in range(7)]
        bulk, single = stage.ask(many), stage.ask(["a calm voice"])
        order: list[str] = []
        bulk.add_done_callback(lambda _: order.append("bulk"))
        single.add_done_callback(lambda _: order.append("single"))
        watched.gate.set()
        assert bulk.result(20).embedding.shape[0] == len(many)
    assert order == ["single", "bulk"]
    assert watched.batches == [1, 3, 2, 2, 1], "two of the many in each round, the other's prompt in the first"


def test_nothing_is_encoded_for_those_who_gave_up(watched: Watched) -> None:
    with stage_of(watched) as stage:
        first = busy(stage, watched)
        gone, stays = stage.ask(["gone"]), stage.ask(["stays"])
        assert gone.cancel()
        watched.gate.set()
        stays.result(20)
        assert first.result(20) is not None
    assert watched.batches == [1, 1]


def test_each_request_is_told_its_own_wait_and_the_encoding_that_it_shared(watched: Watched) -> None:
    async def request(stage: Texts, prompt: str) -> timing.Timing:
        with timing.begun({}) as spent:
            await stage.embed([prompt])
        return spent

    async def both(stage: Texts) -> list[timing.Timing]:
        return list(await asyncio.gather(request(stage, "calm"), request(stage, "sad")))

    with stage_of(watched) as stage:
        for spent in asyncio.run(both(stage)):
            assert set(spent) == {"queue", "encode"}
            assert spent["encode"] > 0


def test_a_prompt_that_was_asked_for_before_costs_no_encoding(client: httpx.Client) -> None:
    ask = {"query": "a voice that is asked for twice"}
    assert "encode;" in client.post("/v1/search", json=ask).headers["server-timing"]
    again = client.post("/v1/search", json=ask)
    assert "encode;" not in again.headers["server-timing"]
    assert again.json() == client.post("/v1/search", json={"query": [{"text": ask["query"]}]}).json()
