"""Zero-shot emotions: clips that lie at the prompts are told apart, and what is counted adds up."""

import numpy as np
import pytest

from encoders.affect import Affect
from encoders.encoder import Encoder
from model_export.evaluation import zero_shot
from tests.model_export.evaluation.prompted import clips_like

MIDDLE = Affect(4.0, 4.0)


def test_clips_at_the_plain_prompts_are_all_named_right(encoder: Encoder) -> None:
    emotions = ["anger", "sadness", "awe", "anger", "anger", ""]
    clips = clips_like(encoder, [zero_shot.prompt_of(e) for e in emotions], [MIDDLE] * 6, emotions)
    scores = zero_shot.zero_shot_scores(clips, encoder, rounds=20)
    assert scores["classes"] == ["anger", "awe", "sadness"]
    assert scores["counts"] == [3, 1, 1]
    assert (scores["uar"], scores["chance"], scores["interval"]) == (1.0, 0.333, (1.0, 1.0))
    assert np.array_equal(scores["confusion"], np.diag([3, 1, 1]))
    assert "awe" in scores["prompts"][1]


def test_recall_is_averaged_over_classes_whatever_their_size() -> None:
    confusion = zero_shot.confused(np.array([0, 0, 0, 0, 1]), np.array([0, 0, 0, 1, 1]), 3)
    assert confusion.tolist() == [[3, 1, 0], [0, 1, 0], [0, 0, 0]]
    assert zero_shot.uar(confusion) == pytest.approx((3 / 4 + 1) / 2)


def test_one_emotion_leaves_nothing_to_tell_apart(encoder: Encoder) -> None:
    clips = clips_like(encoder, ["angry"] * 3, [MIDDLE] * 3, ["anger"] * 3)
    assert list(zero_shot.zero_shot_scores(clips, encoder)) == ["note"]


def test_each_prompt_finds_its_own_clips_first(encoder: Encoder) -> None:
    emotions = ["anger"] * 12 + ["sadness"] * 28
    clips = clips_like(encoder, [zero_shot.prompt_of(e) for e in emotions], [MIDDLE] * 40, emotions)
    found = zero_shot.emotion_scores(clips, encoder)
    assert found[zero_shot.PROMPTS["anger"]] == {"emotion": "anger", "hits": 10, "chance": 3.0}
    assert found[zero_shot.PROMPTS["sadness"]]["hits"] == 10
