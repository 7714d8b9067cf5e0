"""Words left out of training: measured where the bundle names them, and said where it does not."""

import copy
from dataclasses import replace
from typing import Any

import pytest

from encoders.encoder import Encoder
from model_export import captions
from model_export.errors import CorpusError
from model_export.evaluation import Embedded
from model_export.evaluation.unseen import unseen_scores

WORDS = ["angry", "furious", "sad", "calm", "happy", "bored", "excited"]


def trained_without(encoder: Encoder, words: Any) -> Encoder:
    """The same encoders under a bundle that says which words it was trained without."""
    other = copy.copy(encoder)
    info = encoder.bundle.info.model_copy(update={"provenance": {"words_left_out": words}})
    other.bundle = replace(encoder.bundle, info=info)
    return other


def test_words_find_clips_near_their_own_place(encoder: Encoder, worded: Embedded) -> None:
    scores = unseen_scores(worded, trained_without(encoder, [*WORDS, "zorbulous"]), rounds=30)
    assert (scores["words"], scores["without_place"]) == (len(WORDS), ["zorbulous"])
    assert scores["valence"]["tau"] > 0.5
    assert scores["arousal"]["tau"] > 0.5
    published = {word.word for word in captions.vocabulary() if word.source in ("RM1977", "M1996", "R1980")}
    assert 3 <= scores["published"]["words"] == len(published & set(WORDS)) < len(WORDS)
    assert set(scores["by_word"]) == set(WORDS)
    happy, sad = scores["by_word"]["happy"], scores["by_word"]["sad"]
    assert happy["place"][0] > 4 > sad["place"][0]
    assert happy["found"][0] > 4 > sad["found"][0]


def test_case_and_blanks_of_the_words_do_not_matter(encoder: Encoder, worded: Embedded) -> None:
    shouted = [f" {word.upper()} " for word in WORDS]
    plain = unseen_scores(worded, trained_without(encoder, WORDS), rounds=5)
    assert unseen_scores(worded, trained_without(encoder, shouted), rounds=5) == plain


@pytest.mark.parametrize("words", [[], ["angry"], ["zorbulous", "xyzzy", "plugh", "frob"]])
def test_a_bundle_that_saw_the_words_says_so(words: list[str], encoder: Encoder, worded: Embedded) -> None:
    scores = unseen_scores(worded, trained_without(encoder, words))
    assert list(scores) == ["note"]


@pytest.mark.parametrize("words", ["angry", [1, 2, 3], {"angry": 1}])
def test_provenance_that_is_no_list_of_words_is_refused(words: Any, encoder: Encoder, worded: Embedded) -> None:
    with pytest.raises(CorpusError, match="words_left_out"):
        unseen_scores(worded, trained_without(encoder, words))
