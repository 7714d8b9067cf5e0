"""Near-duplicate removal: what is left out, and that pages fit together."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from encoders.encoder import Encoder
from index import filters
from index.distinct import MAX_DEPTH, NEARLY_SAME, distinct, without_duplicates
from index.errors import QueryError
from index.local.library import LocalStore
from index.plane import Plane
from index.prompts import PromptBank
from index.query import Query, TextPart, search
from index.records import Hit
from tests import sounds
from tests.index import making
from tests.index.making import DIM, Vectors


@pytest.fixture(scope="module")
def plane() -> Plane:
    """A plane in DIM dimensions, whose vocabulary varies in the first three."""
    rng = np.random.default_rng(5)
    vectors = np.zeros((60, DIM), np.float32)
    vectors[:, :3] = rng.standard_normal((60, 3))
    vectors[:, 3] = 1
    return Plane.fit(vectors, vectors[:, :2], 4 + vectors[:, :2])


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStore]:
    """A library of 60 clips: 25 sounds, some of them many times, with more or less difference."""
    rng = np.random.default_rng(1)
    with LocalStore.create(tmp_path_factory.mktemp("library"), making.bundle()) as store:
        originals = making.unit(rng, 25)
        for number in range(60):
            # Half of the copies go to the first five sounds, as in a library where a file lies in many folders.
            source = number if number < 25 else int(rng.integers(5 if number % 2 else 25))
            noise = 0 if number < 25 else [0, 1e-3, 2.2e-3, 4e-3][number % 4]
            vector = making.normal(originals[source] + noise * rng.standard_normal(DIM))
            store.add(making.clip(number, {"n": number}), making.segments(np.stack([vector, *making.unit(rng, 1)])))
        yield store


def apart(plane: Plane, one: Hit, other: Hit) -> float:
    assert one.embedding is not None
    assert other.embedding is not None
    difference = one.embedding.astype(np.float64) - other.embedding
    for direction in plane.directions:
        difference -= (difference @ direction) * direction
    return float(np.linalg.norm(difference))


def oracle(hits: list[Hit], plane: Plane) -> list[Hit]:
    kept: list[Hit] = []
    for hit in hits:
        if all(apart(plane, hit, better) >= NEARLY_SAME for better in kept):
            kept.append(hit)
    return kept


@pytest.mark.parametrize("by_clip", [True, False])
def test_pages_are_those_of_a_scan_over_everything(store: LocalStore, plane: Plane, by_clip: bool) -> None:
    few = filters.parse({"n": {"gte": 20}})
    removed = 0
    for seed in range(2):
        query: Vectors = making.unit(np.random.default_rng(50 + seed), 1)[0]
        for kept, floor in ((None, None), (few, None), (None, 0.1)):
            ask = partial(store.search, query, filter=kept, min_score=floor, group_by_clip=by_clip)
            everything = ask(k=1000, embeddings=True)
            expected = oracle(everything, plane)
            removed += len(everything) - len(expected)
            whole = distinct(ask, plane, k=1000, offset=0)
            assert whole == expected
            assert {hit.embedding is None for hit in whole} <= {True}
            for size in (4, 9):
                pages = [distinct(ask, plane, k=size, offset=offset) for offset in range(0, len(expected) + size, size)]
                assert [hit for page in pages for hit in page] == expected
                assert {len(page) for page in pages[: len(expected) // size]} <= {size}
    assert removed > 50


def test_what_is_left_out_is_no_reason_to_leave_more_out(plane: Plane, store: LocalStore) -> None:
    (hit,) = store.search(making.unit(np.random.default_rng(0), 1)[0], k=1, embeddings=True)
    assert hit.embedding is not None
    step = np.zeros(DIM, np.float32)
    step[8] = 0.7 * NEARLY_SAME
    chain = [
        Hit(hit.clip, float(place), hit.end, hit.affect, hit.score, hit.embedding + place * step) for place in range(5)
    ]
    assert [each.start for each in without_duplicates(chain, plane)] == [0, 2, 4]
    assert without_duplicates([], plane) == []


def test_a_page_too_deep_is_refused(plane: Plane, store: LocalStore) -> None:
    ask = partial(store.search, making.unit(np.random.default_rng(0), 1)[0])
    assert distinct(ask, plane, k=1, offset=MAX_DEPTH - 1) == []
    with pytest.raises(QueryError, match="at most 10,000"):
        distinct(ask, plane, k=1, offset=MAX_DEPTH)
    with pytest.raises(QueryError, match="k must be at least 1"):
        distinct(ask, plane, k=0, offset=0)


def test_a_copy_of_a_recording_is_found_out_and_another_voice_is_not(
    encoder: Encoder, bank: PromptBank, tmp_path: Path
) -> None:
    # Copies that lose nothing: made voices do not survive lossy codecs as real ones do (the corpus test has those).
    voices = [sounds.voice(2.0, pitch=pitch, seed=pitch) for pitch in (100, 150, 260)]
    copies = [
        sounds.media(voices[1], "flac", rate=44_100, channels=2),
        sounds.media(0.5 * voices[2], "wav"),
        sounds.media(voices[2], "aiff", rate=48_000),
    ]
    with LocalStore.create(tmp_path, encoder.bundle) as store:
        for number, file in enumerate([*map(sounds.media, voices), *copies]):
            new = making.clip(number, {"voice": [0, 1, 2, 1, 2, 2][number]})
            store.add(new, list(encoder.segments(file)))
        query = Query([TextPart("a calm voice")], k=100)
        plain = search(store, encoder, query, bank)
        kept = search(store, encoder, replace(query, distinct=True), bank)
    assert len(plain) == 6
    best = {hit.clip.metadata["voice"]: hit for hit in reversed(plain)}
    assert sorted(kept, key=plain.index) == kept == sorted(best.values(), key=plain.index)
