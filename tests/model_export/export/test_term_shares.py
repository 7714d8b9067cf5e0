"""The temperature under which shares mean what they say."""

from pathlib import Path

import numpy as np
import pytest

from encoders.affect import Affect
from encoders.bundle import Prompt
from encoders.terms import shares
from model_export.export import term_shares
from model_export.export.term_shares import calibration_error, fit, least, log_loss, term_of
from model_export.manifest import Row

PROMPTS = [Prompt(term, term, Affect(4, 4)) for term in ("sad", "happy", "angry", "afraid", "proud")]
EMOTIONS = ("sadness", "happiness", "anger", "fear")


def rows(emotions: list[str], speakers: int) -> list[Row]:
    return [Row(Path("a.wav"), "c", f"c-{i % speakers}", emotion, 4.0, 4.0) for i, emotion in enumerate(emotions)]


def heard(temperature: float, count: int, seed: int = 0) -> tuple[np.ndarray, list[str]]:
    """Clips whose emotions are drawn with the shares that a temperature gives, among the four that are labelled."""
    rng = np.random.default_rng(seed)
    near = rng.uniform(-1, 1, (count, len(PROMPTS)))
    chances = shares(near[:, :4], temperature)
    return near.astype(np.float32), [EMOTIONS[rng.choice(4, p=chance)] for chance in chances]


@pytest.mark.parametrize("temperature", [0.08, 0.2, 0.5])
def test_the_temperature_that_made_the_labels_is_found(temperature: float) -> None:
    near, emotions = heard(temperature, 3000)
    found = fit(PROMPTS, np.eye(5, dtype=np.float32), rows(emotions, 10), near)
    assert found.shares is not None
    assert found.shares.temperature == pytest.approx(temperature, rel=0.12)
    assert found.shares.terms == ("sad", "happy", "angry", "afraid")
    assert found.error[1] < 0.04
    assert found.log_loss[1] <= found.log_loss[0]
    assert found.facts()["clips"] == 3000


def test_no_other_temperature_has_less_loss() -> None:
    near, emotions = heard(0.3, 400)
    labels = np.array([EMOTIONS.index(emotion) for emotion in emotions])
    weights = np.full(400, 1 / 400)
    best = least(near[:, :4].astype(np.float64), labels, weights)
    assert best is not None
    losses = [log_loss(shares(near[:, :4], best * factor), labels, weights) for factor in (1, 0.8, 0.97, 1.03, 1.3)]
    assert min(losses) == losses[0]


def test_labels_that_have_nothing_to_do_with_the_sound_give_none() -> None:
    near, _ = heard(0.1, 400)
    turned = [EMOTIONS[place] for place in near[:, :4].argmin(axis=1)]
    found = fit(PROMPTS, np.eye(5, dtype=np.float32), rows(turned, 10), near)
    assert found.shares is None
    assert "not nearer" in found.facts()["no_temperature"]


def test_few_speakers_and_unknown_emotions_give_none() -> None:
    near, emotions = heard(0.1, 40)
    few = fit(PROMPTS, np.eye(5, dtype=np.float32), rows(emotions, 2), near)
    assert (few.shares, few.clips) == (None, 40)
    assert "needs 3 speakers" in few.reason
    unknown = fit(PROMPTS, np.eye(5, dtype=np.float32), rows(["ennui"] * 40, 10), near)
    assert (unknown.shares, unknown.clips) == (None, 0)


def test_the_error_is_how_far_shares_are_from_how_often_they_are_right() -> None:
    found = np.tile([0.7, 0.3], (10, 1))
    labels = np.array([0] * 5 + [1] * 5)
    assert calibration_error(found, labels, np.full(10, 0.1)) == pytest.approx(0.2)
    assert log_loss(found, labels, np.full(10, 0.1)) == pytest.approx(-(np.log(0.7) + np.log(0.3)) / 2)


def test_categories_have_the_vocabularys_words() -> None:
    assert (term_of("fear"), term_of("happiness"), term_of("ennui")) == ("afraid", "happy", None)
    assert term_shares.LOWEST < 0.05 < term_shares.HIGHEST
