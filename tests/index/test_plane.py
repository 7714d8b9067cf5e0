"""The plane inside the embedding space: where things lie in it, and how a query moves in it."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from encoders.affect import HIGH, LOW, Affect
from encoders.encoder import Encoder
from index.errors import QueryError
from index.plane import BANDWIDTH, Plane
from index.prompts import PromptBank
from tests import sounds
from tests.index.making import Vectors, normal

POINTS = st.floats(-2.5, 2.5)


@pytest.fixture(scope="module")
def plane(bank: PromptBank) -> Plane:
    return bank.plane()


@st.composite
def mixtures(draw: st.DrawFn) -> list[tuple[int, float]]:
    """Make a query of some prompts of the vocabulary, some of them negative: (which, weight)."""
    first = draw(st.lists(st.tuples(st.integers(0, 10_000), st.floats(0.2, 1)), min_size=1, max_size=3))
    return first + draw(st.lists(st.tuples(st.integers(0, 10_000), st.floats(-0.3, -0.1)), max_size=1))


def mixed(bank: PromptBank, chosen: list[tuple[int, float]]) -> Vectors:
    embeddings = bank.embeddings()
    total = np.sum([weight * embeddings[which % len(embeddings)] for which, weight in chosen], axis=0)
    assume(np.linalg.norm(total) > 1e-3)  # parts that cancel one another out are no query
    return normal(total)


def inside(affect: Affect) -> bool:
    # The far corners of the plane are out of reach: no voice is both asleep and delighted.
    return all(2 <= value <= 6 for value in affect)


@given(mixtures())
def test_a_shift_of_nothing_changes_nothing(bank: PromptBank, plane: Plane, chosen: list[tuple[int, float]]) -> None:
    query = mixed(bank, chosen)
    assert (plane.shifted(query, 0, 0) == query).all()


@given(mixtures(), POINTS, POINTS)
def test_a_shift_moves_by_its_points_and_holds_the_other_axis(
    bank: PromptBank, plane: Plane, chosen: list[tuple[int, float]], valence: float, arousal: float
) -> None:
    query = mixed(bank, chosen)
    here = plane.affect_of(query)
    there = Affect(here.valence + valence, here.arousal + arousal)
    assume(inside(here) and inside(there))
    moved = plane.shifted(query, valence, arousal)
    assert np.linalg.norm(moved) == pytest.approx(1, abs=1e-5)
    assert plane.affect_of(moved) == pytest.approx(there, abs=0.02)
    # A shift is undone by its opposite, and made of any two that add up to it.
    assert plane.shifted(moved, -valence, -arousal) == pytest.approx(query, abs=2e-3)
    assert plane.shifted(plane.shifted(query, valence, 0), 0, arousal) == pytest.approx(moved, abs=2e-3)


@given(mixtures(), st.sampled_from(["valence", "arousal"]), st.integers(1, 6))
def test_a_shift_ends_at_the_ends_of_the_scale(
    bank: PromptBank, plane: Plane, chosen: list[tuple[int, float]], axis: str, points: int
) -> None:
    query = mixed(bank, chosen)
    assume(inside(plane.affect_of(query)))
    at = [
        getattr(plane.affect_of(plane.shifted(query, **{"valence": 0.0, "arousal": 0.0, axis: step})), axis)
        for step in range(-points, points + 1)
    ]
    assert all(low < high + 1e-4 for low, high in pairwise(at))
    assert LOW - 0.01 < at[0] < at[-1] < HIGH + 0.01


def test_the_read_out_is_found_again(encoder: Encoder, plane: Plane) -> None:
    prompts = [
        "a man who shouts at a dog",
        "whispering, nearly asleep",
        "she is delighted with the news",
        "hello there",
    ]
    encoded = encoder.embed_prompts(prompts)
    for embedding, affect in zip(encoded.embedding, encoded.affect, strict=True):
        assert plane.affect_of(embedding) == pytest.approx(affect, abs=0.1)
    for pitch in (90, 240):
        heard = encoder.embed_samples(sounds.voice(2.0, pitch=pitch))
        # Of sound the encoder has a second opinion.
        assert plane.affect_of(heard.embedding[0]) == pytest.approx(heard.affect[0], abs=0.75)


@pytest.mark.parametrize("place", [Affect(2, 3), Affect(2, 6), Affect(4, 4), Affect(6, 3), Affect(6, 6)])
def test_a_place_sounds_like_the_prompts_near_it(bank: PromptBank, plane: Plane, place: Affect) -> None:
    vector = plane.at(place)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)
    assert plane.affect_of(vector) == pytest.approx(place, abs=0.8)
    places = np.array([prompt.affect for prompt, _ in bank.nearest(vector, 10)])
    assert np.abs(places - place).mean() < 1


def small(count: int = 40, dim: int = 6, seed: int = 0) -> tuple[Vectors, Vectors]:
    """Make a vocabulary whose embeddings are linear in its places: (embeddings, places)."""
    rng = np.random.default_rng(seed)
    places = rng.uniform(LOW, HIGH, (count, 2)).astype(np.float32)
    slopes = np.zeros((2, dim), np.float32)
    slopes[0, 1] = slopes[1, 2] = 0.2
    base = np.zeros(dim, np.float32)
    base[0] = 1
    return base + (places - 4) @ slopes + 0.002 * rng.standard_normal((count, dim)).astype(np.float32), places


def test_the_embedding_of_a_place_is_the_kernel_mean_near_it() -> None:
    embeddings, places = small()
    plane = Plane.fit(embeddings, places, places)
    place = Affect(3.0, 5.0)
    expected = np.zeros(embeddings.shape[1])
    for embedding, (valence, arousal) in zip(embeddings, places, strict=True):
        squared = (valence - place.valence) ** 2 + (arousal - place.arousal) ** 2
        expected += np.exp(-squared / (2 * BANDWIDTH**2)) * embedding
    assert plane.at(place) == pytest.approx(expected / np.linalg.norm(expected), abs=1e-6)
    # Far from every prompt the nearest one decides, and nothing underflows.
    lonely = Plane.fit(embeddings, places, places + 1000)
    assert np.isfinite(lonely.at(place)).all()


def test_the_sound_of_an_embedding_is_what_the_vocabulary_does_not_vary_in() -> None:
    embeddings, places = small()
    plane = Plane.fit(embeddings, places, places)
    assert len(plane.directions) == 2
    sound = plane.sound(embeddings)
    assert sound @ plane.directions.T == pytest.approx(np.zeros((len(sound), 2)), abs=1e-6)
    assert plane.sound(sound) == pytest.approx(sound, abs=1e-6)
    assert sound[:, 0] == pytest.approx(np.ones(len(sound)), abs=0.05)


def test_a_vocabulary_that_does_not_spread_is_refused() -> None:
    embeddings, places = small()
    with pytest.raises(QueryError, match="does not spread over the valence-arousal plane"):
        Plane.fit(embeddings[:1], places[:1], places[:1])
    line = np.stack([places[:, 0], places[:, 0]], axis=1)
    with pytest.raises(QueryError, match="does not spread"):
        Plane.fit(embeddings, line, line)
