"""Adds, deletes and searches at once, against an oracle that knows what must be there.

Each of several callers owns some recordings, which nobody else touches: of these the oracle knows at every moment
whether they are there, so every answer about them is compared with it. Some recordings everybody adds and deletes: of
these each add that says `added` and each delete that goes through must take turns. Some always stay.
"""

import hashlib
import io
import random
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from encoders.encoder import Encoder
from index.open import open_store
from index.records import clip_id
from service.app import create_app
from service.client import Client, ProblemError
from tests.service.conftest import OpenEngine, running

PROMPTS: Final = ("a calm, warm voice", "an angry, furious voice", "bored and indifferent", "shouting")


@dataclass
class World:
    """What all share: the recordings, their scores, and how often the contended ones were added and deleted."""

    address: str
    owned: list[list[bytes]]
    contended: list[bytes]
    fixed: list[bytes]
    scores: dict[tuple[str, str], float]
    added: Counter[str] = field(default_factory=Counter)
    deleted: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)


def identity(content: bytes) -> str:
    return clip_id(hashlib.sha256(content).hexdigest())


def reference(encoder: Encoder, contents: list[bytes]) -> dict[tuple[str, str], float]:
    """Score every recording against every prompt, without any service or library."""
    texts = encoder.embed_prompts(list(PROMPTS)).embedding.astype(np.float64)
    scores = {}
    for content in contents:
        sound = encoder.embed_clip(io.BytesIO(content))[0].astype(np.float64)
        for prompt, text in zip(PROMPTS, texts, strict=True):
            scores[prompt, identity(content)] = float(text @ sound)
    return scores


def caller(world: World, number: int, steps: int) -> set[str]:
    """Do random things for `steps` steps, checking every answer; return which of the own recordings are there."""
    chance = random.Random(number)
    own = {identity(content): content for content in world.owned[number]}
    there: dict[str, int] = {}  # what of our own is there, with the `take` that it was given last
    with Client(world.address) as client:
        for step in range(steps):
            match chance.choice(("add", "add", "delete", "search", "search", "list", "contend", "get", "count")):
                case "add":
                    wanted = chance.choice(list(own))
                    added = client.add(own[wanted], {"owner": number, "take": step})
                    assert added.status == ("exists" if wanted in there else "added")
                    assert added.clip is not None
                    assert added.clip.metadata == {"owner": number, "take": step}
                    there[wanted] = step
                case "delete":
                    wanted = chance.choice(list(own))
                    gone = deleted(client, wanted)
                    assert gone == (wanted in there)
                    there.pop(wanted, None)
                case "get":
                    wanted = chance.choice(list(own))
                    if wanted in there:
                        assert client.clip(wanted).metadata["take"] == there[wanted]
                        assert client.audio(wanted) == own[wanted]
                    else:
                        with pytest.raises(ProblemError, match="clip-not-found"):
                            client.clip(wanted)
                case "list":
                    page = client.clips(filter={"owner": number})
                    assert {clip.id: clip.metadata["take"] for clip in page.clips} == there
                    assert page.total == len(there)
                case "count":
                    facets = client.facets(["take"], filter={"owner": number}, limit=1000).facets
                    assert {value.value: value.clips for value in facets[0].values} == Counter(there.values())
                case "contend":
                    contend(world, client, chance)
                case "search":
                    search(world, client, chance, number, set(there))
    return set(there)


def deleted(client: Client, identity: str) -> bool:
    """Delete a clip; tell whether it was there."""
    try:
        client.delete(identity)
    except ProblemError as error:
        if error.code != "clip-not-found":
            raise
        return False
    return True


def contend(world: World, client: Client, chance: random.Random) -> None:
    """Add or delete what others add and delete at the same moment."""
    content = chance.choice(world.contended)
    if chance.random() < 0.5:
        status = client.add(content).status
        with world.lock:
            world.added[identity(content)] += status == "added"
    else:
        gone = deleted(client, identity(content))
        with world.lock:
            world.deleted[identity(content)] += gone


def search(world: World, client: Client, chance: random.Random, number: int, there: set[str]) -> None:
    """Search everything, or what is our own, and compare the hits with what they must be."""
    prompt = chance.choice(PROMPTS)
    alone = chance.random() < 0.5
    hits = client.search(prompt, k=1000, filter={"owner": number} if alone else None).hits
    found = [hit.clip.id for hit in hits]
    assert len(set(found)) == len(found)
    if alone:
        assert set(found) == there
    else:
        assert set(found) >= there | {identity(content) for content in world.fixed}
    assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))
    scores = [hit.score for hit in hits]
    assert scores == sorted(scores, reverse=True)
    assert scores == pytest.approx([world.scores[prompt, clip] for clip in found], abs=0.005)  # codes of 8 bits


def play(open_own: OpenEngine, speech: Callable[..., bytes], callers: int, steps: int, library: Path) -> None:
    contents = [speech(seed=seed, seconds=0.4 + 0.05 * (seed % 5)) for seed in range(4 * callers + 5)]
    owned = [contents[4 * number : 4 * number + 4] for number in range(callers)]
    contended, fixed = contents[4 * callers : 4 * callers + 2], contents[4 * callers + 2 :]
    engine = open_own(queue=100)
    with running(create_app(engine.settings, engine=engine)) as client:
        world = World(str(client.base_url), owned, contended, fixed, reference(engine.encoder, contents))
        with Client(world.address) as first:
            assert [added.status for added in first.add_all(fixed)] == ["added"] * len(fixed)
        with ThreadPoolExecutor(callers) as pool:
            left = list(pool.map(lambda number: caller(world, number, steps), range(callers)))
        expected = set().union(*left, map(identity, fixed))
        for content in contended:
            times = world.added[identity(content)] - world.deleted[identity(content)]
            assert times in {0, 1}
            expected |= {identity(content)} if times else set()
        with Client(world.address) as last:
            assert {clip.id for clip in last.all_clips(page=3)} == expected
            assert {hit.clip.id for hit in last.search("calm", k=1000).hits} == expected
    engine.store.close()
    with open_store(library, bundle=engine.encoder.bundle) as store:
        assert {clip.id for clip in store.clips(offset=0, limit=1000)} == expected
        assert store.verify() == []
    assert {file.stem for file in (library / "audio").iterdir()} == expected


def test_a_few_callers_meet_nothing_unexpected(
    open_own: OpenEngine, speech: Callable[..., bytes], tmp_path: Path
) -> None:
    play(open_own, speech, 4, 25, tmp_path / "library")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_many_callers_meet_nothing_unexpected(
    open_own: OpenEngine, speech: Callable[..., bytes], tmp_path: Path
) -> None:
    play(open_own, speech, 12, 250, tmp_path / "library")
