"""Emotion terms: how near a sound is to each, and its shares."""

import numpy as np
import pytest

from encoders.terms import Terms, shares


def test_a_term_is_as_near_as_its_prompts_are_in_the_mean() -> None:
    terms = Terms(["sad", "happy", "sad"])
    assert terms.names == ("sad", "happy")
    cosines = np.array([[0.2, 0.9, 0.4], [0.0, -0.5, 1.0]], np.float32)
    assert terms.nearness(cosines) == pytest.approx(np.array([[0.3, 0.9], [0.5, -0.5]]))
    assert terms.nearness(cosines[0]) == pytest.approx(np.array([0.3, 0.9]))


def test_shares_sum_to_one_and_a_higher_temperature_evens_them() -> None:
    near = np.array([[0.9, 0.8, 0.1], [-1.0, 1.0, 0.99]])
    sharp, even = shares(near, 0.01), shares(near, 1.0)
    assert sharp.sum(axis=1) == pytest.approx([1, 1])
    assert (sharp.max(axis=1) > even.max(axis=1)).all()
    assert shares(near, 0.1)[0, 0] / shares(near, 0.1)[0, 1] == pytest.approx(np.e)
    assert np.isfinite(shares(near, 1e-6)).all()
