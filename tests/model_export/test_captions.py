"""Captions say what their affect says."""

import itertools

import numpy as np
import pytest

from encoders.affect import HIGH, LOW
from model_export import captions
from model_export.emotions import affect_of, dominance_of


@pytest.fixture(scope="module")
def pool() -> list[captions.Caption]:
    return captions.pool(seed=0)


def test_the_pool_is_large_without_repeats_and_on_the_scale(pool: list[captions.Caption]) -> None:
    assert len(pool) > 10_000
    assert len({caption.text for caption in pool}) == len(pool)
    affects = np.array([caption.affect for caption in pool])
    assert affects.min() >= LOW
    assert affects.max() <= HIGH


def test_the_pool_covers_all_four_quarters_of_the_plane(pool: list[captions.Caption]) -> None:
    affects = np.array([caption.affect for caption in pool])
    for valence in (affects[:, 0] < 3, affects[:, 0] > 5):
        for arousal in (affects[:, 1] < 3, affects[:, 1] > 5):
            assert (valence & arousal).sum() > 100


def test_degrees_are_ordered() -> None:
    def place(text: str) -> float:
        return next(c.affect.valence for c in captions.bank() if c.text == text)

    assert place("a very happy voice") > place("a happy voice") > place("a slightly happy voice") > 4
    assert place("a very sad voice") < place("a sad voice") < place("a slightly sad voice") < 4


def test_the_same_seed_writes_the_same_captions() -> None:
    assert captions.pool(seed=5) == captions.pool(seed=5)
    assert captions.pool(seed=5) != captions.pool(seed=6)


def test_words_left_out_never_occur() -> None:
    left_out = frozenset({"furious", "serene"})
    texts = " ".join(caption.text for caption in captions.pool(leave_out=left_out))
    assert not any(word in texts for word in left_out)
    assert all(word in " ".join(c.text for c in captions.pool()) for word in left_out)


def test_grammar_is_english_enough(pool: list[captions.Caption]) -> None:
    for caption in pool:
        words = caption.text.split(" ")
        for article, word in itertools.pairwise(words):
            if article in ("a", "an"):
                assert (article == "an") == (word[0] in "aeiou"), caption.text
            assert not (article in ("a", "an") and word in ("a", "an")), caption.text


def test_a_caption_near_an_affect_is_near_it(pool: list[captions.Caption]) -> None:
    sampler = captions.Sampler(pool)
    rng = np.random.default_rng(0)
    for place in ([2.4, 5.8, 4.8], [6.2, 5.8, 5.2], [4.0, 4.0, 4.0], [2.2, 3.2, 3.0]):
        drawn = sampler.places[[sampler.near(np.array(place), rng) for _ in range(50)]]
        assert np.abs(drawn.mean(axis=0) - place).max() < 0.5


def test_anger_and_fear_share_a_place_of_the_plane_and_not_their_captions(pool: list[captions.Caption]) -> None:
    sampler = captions.Sampler(pool)
    rng = np.random.default_rng(0)
    for emotion, other in (("anger", "afraid"), ("fear", "angry")):
        place = np.array([*affect_of(emotion), dominance_of(emotion)])
        terms = [pool[sampler.near(place, rng)].term for _ in range(60)]
        assert other not in terms, emotion


def test_captions_from_anywhere_are_spread_evenly_not_as_the_pool_is(pool: list[captions.Caption]) -> None:
    sampler = captions.Sampler(pool)
    drawn = sampler.places[sampler.anywhere(4000, np.random.default_rng(0))]

    def unevenness(affects: np.ndarray) -> float:
        counts, *_ = np.histogram2d(affects[:, 0], affects[:, 1], bins=6, range=[[1, 7], [1, 7]])
        filled = counts[counts > 0]
        return float(filled.std() / filled.mean())

    assert unevenness(drawn) < 0.8 * unevenness(sampler.places)
