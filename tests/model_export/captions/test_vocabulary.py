"""The vocabulary is wide, has one place for a word, and claims as published what is published."""

import math
from collections import Counter

import pytest

from model_export import captions
from model_export.captions.vocabulary import KINDS


def test_the_vocabulary_is_wide_and_on_the_scale() -> None:
    words = captions.vocabulary()
    counts = Counter(word.kind for word in words)
    assert set(counts) == set(KINDS)
    assert len(words) > 900
    assert counts["adjective"] > 500
    assert all(-1 <= axis <= 1 for word in words for axis in word.place)
    assert {word.source for word in words} == {"origin", "RM1977", "M1996", "R1980", "own"}


def test_a_word_has_one_place() -> None:
    words = captions.vocabulary()
    keys = Counter((word.kind, word.word) for word in words)
    assert [key for key, count in keys.items() if count > 1] == []
    feelings = {word.word for word in words if word.kind in ("adjective", "predicative", "predicate")}
    assert not feelings & {word.word for word in words if word.kind == "delivery"}


@pytest.mark.parametrize(
    ("word", "degrees"), [("serene", 328.6), ("at ease", 321.0), ("distressed", 138.0), ("miserable", 188.7)]
)
def test_words_of_1980_lie_at_their_angle(word: str, degrees: float) -> None:
    found = next(w for w in captions.vocabulary() if w.word == word and w.source == "R1980")
    assert math.degrees(math.atan2(found.arousal, found.valence)) % 360 == pytest.approx(degrees, abs=1)


def test_words_of_1977_stand_as_published() -> None:
    published = {w.word: w.place for w in captions.vocabulary() if w.source == "RM1977"}
    assert published["happy"] == (0.81, 0.51, 0.46)
    assert published["angry"] == (-0.51, 0.59, 0.25)
    assert published["fearful"] == (-0.64, 0.60, -0.43)
    assert published["sad"] == (-0.63, -0.27, -0.33)


def test_words_that_listeners_order_are_ordered() -> None:
    def arousal(word: str) -> float:
        return captions.place_of(word)[1]

    def valence(word: str) -> float:
        return captions.place_of(word)[0]

    assert arousal("drowsy") < arousal("calm") < arousal("neutral") < arousal("lively") < arousal("ecstatic")
    assert valence("miserable") < valence("annoyed") < valence("neutral") < valence("content") < valence("overjoyed")
    assert arousal("irritated") < arousal("angry") < arousal("furious")


def test_a_word_that_is_none_of_feeling_has_no_place() -> None:
    with pytest.raises(KeyError):
        captions.place_of("breathy")
