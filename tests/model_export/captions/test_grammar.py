"""Captions say what their affect says, in English, evenly over the plane."""

import itertools
import re

import numpy as np
import pytest

from encoders.affect import HIGH, LOW
from model_export import captions
from model_export.captions.frames import SPEAKERS, article, fill
from model_export.captions.grammar import CELLS
from model_export.captions.levels import LEVELS, level_phrases
from model_export.captions.phrases import DEGREES, NEGATIONS, negated, scaled


def test_the_pool_is_large_without_repeats_and_on_the_scale(pool: list[captions.Caption]) -> None:
    assert 12_000 < len(pool) < 25_000
    assert len({caption.text for caption in pool}) == len(pool)
    places = np.array([(*caption.affect, caption.dominance) for caption in pool])
    assert places.min() >= LOW
    assert places.max() <= HIGH


def test_no_cell_of_the_plane_is_under_represented(pool: list[captions.Caption]) -> None:
    affects = np.array([caption.affect for caption in pool])
    counts, *_ = np.histogram2d(affects[:, 0], affects[:, 1], bins=CELLS, range=[[LOW, HIGH], [LOW, HIGH]])
    assert counts.min() >= 0.8 * len(pool) / CELLS**2
    assert counts.max() <= 6 * np.median(counts)


def test_no_cell_is_all_of_one_wording(pool: list[captions.Caption]) -> None:
    cells: dict[tuple[int, ...], set[str]] = {}
    for caption in pool:
        cell = tuple(min(13, int(2 * axis)) for axis in caption.affect)
        cells.setdefault(cell, set()).add(" ".join(caption.text.split()[:2]))
    assert min(map(len, cells.values())) > 20


def test_the_same_seed_writes_the_same_captions() -> None:
    assert captions.pool(seed=5, size=300) == captions.pool(seed=5, size=300)
    assert captions.pool(seed=5, size=300) != captions.pool(seed=6, size=300)


LEFT_OUT = frozenset({"furious", "serene", "at ease", "screaming", "arousal", "very low", "breathy", "customer"})


@pytest.mark.parametrize("size", [300, 12_000])
def test_words_left_out_occur_in_no_kind_of_caption(size: int) -> None:
    pattern = re.compile(r"\b(" + "|".join([*LEFT_OUT, "furiously", "serenely"]) + r")\b", re.IGNORECASE)
    left = captions.pool(size=size, leave_out=LEFT_OUT)
    assert not [caption.text for caption in left if pattern.search(caption.text)]
    assert len(left) > 2000


def test_all_of_the_vocabulary_comes_up(pool: list[captions.Caption]) -> None:
    texts = " | ".join(caption.text for caption in pool).lower()
    absent = [w.word for w in captions.vocabulary() if w.word not in texts and not re.search(r"\bthe[yim]", w.word)]
    assert len(absent) <= 5, absent


def test_articles_are_english(pool: list[captions.Caption]) -> None:
    for caption in pool:
        words = caption.text.split(" ")
        for before, word in itertools.pairwise(words):
            if before.lower() in ("a", "an") and word[:1].isalpha():
                vowel = word[0] in "aeiou" and not word.startswith(("eu", "one", "use", "uniform"))
                assert (before.lower() == "an") == vowel, caption.text
            assert not (before == "a" and word in ("a", "an", "the")), caption.text


def test_nothing_of_a_frame_is_left_and_nothing_stands_twice(pool: list[captions.Caption]) -> None:
    for caption in pool:
        assert not re.search(r"[{}]|  |\s$|^\s|,,", caption.text), caption.text
        assert not re.search(r"\b(very|not|in the voice) \1\b", caption.text), caption.text


def test_phrases_follow_their_speaker() -> None:
    she = next(speaker for speaker in SPEAKERS if speaker.pronoun == "she")
    assert fill("{s} sounds {x}", "proud of themselves", she) == f"{she.text} sounds proud of herself"
    assert fill("{s} speaks {x}", "at the top of their voice", she).endswith("at the top of her voice")


def test_exceptions_of_the_article() -> None:
    assert article("a angry, a euphoric and a unhappy voice") == "an angry, a euphoric and an unhappy voice"


def test_degrees_are_ordered() -> None:
    found = {caption.text: caption.affect.valence for caption in captions.bank()}
    assert found["a very happy voice"] > found["a happy voice"] > found["a slightly happy voice"] > 4
    assert found["a very sad voice"] < found["a sad voice"] < found["a slightly sad voice"] < 4
    assert list(DEGREES.values()) == sorted(DEGREES.values())


@pytest.mark.parametrize("word", ["happy", "calm", "sad", "angry", "excited", "bored", "afraid"])
def test_a_softened_word_lies_between_neutral_and_the_word_and_a_negated_one_beyond(word: str) -> None:
    place = captions.place_of(word)
    for axis in range(2):
        assert 0 < scaled(place, DEGREES["slightly"])[axis] / place[axis] < 1
        assert scaled(place, DEGREES["extremely"])[axis] / place[axis] > 1
        for negation in NEGATIONS:
            assert -1 < negated(place, negation)[axis] / place[axis] < 0.3


def test_not_happy_is_unhappier_than_not_sad_is_happy() -> None:
    assert negated(captions.place_of("happy"), "not")[0] < -0.25
    assert 0 < negated(captions.place_of("sad"), "not")[0] < 0.15


@pytest.mark.parametrize(("axis", "index"), [("valence", 0), ("arousal", 1)])
def test_levels_rise_and_each_is_said_in_many_ways(axis: str, index: int) -> None:
    phrases = level_phrases(axis)
    assert set(phrases) == set(LEVELS)
    means = [float(np.mean([phrase.place[index] for phrase in phrases[level]])) for level in sorted(LEVELS)]
    assert means == sorted(means)
    for level in LEVELS:
        texts = {phrase.text for phrase in phrases[level]}
        assert len(texts) >= (12 if level == int(level) else 5), level
        # What an idiom hints of the other axis is less than what it says of its own.
        assert all(abs(phrase.place[1 - index]) <= 0.55 for phrase in phrases[level])


def test_no_phrase_stands_for_two_levels() -> None:
    for axis in ("valence", "arousal"):
        texts = [(phrase.form, phrase.text) for level in level_phrases(axis).values() for phrase in level]
        assert len(texts) == len(set(texts))
