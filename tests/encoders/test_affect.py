"""The valence-arousal plane: scales, and points in words."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from encoders.affect import HIGH, LOW, NEUTRAL, Affect, in_words, rescale

numbers = st.floats(-1e6, 1e6)
on_scale = st.floats(LOW, HIGH)


@given(numbers, numbers)
def test_rescale_maps_the_ends_of_a_scale_to_the_ends_of_ours(low: float, high: float) -> None:
    assume(abs(high - low) > 1e-3)
    assert rescale(low, low, high) == LOW
    assert rescale(high, low, high) == pytest.approx(HIGH)
    assert rescale((low + high) / 2, low, high) == pytest.approx(NEUTRAL, abs=1e-6)


@given(on_scale, on_scale)
def test_rescale_keeps_the_order_and_turns_it_round_for_a_reversed_scale(a: float, b: float) -> None:
    assume(a < b)
    assert rescale(a, 1, 5) < rescale(b, 1, 5) or b - a < 1e-12
    assert rescale(a, 5, 1) > rescale(b, 5, 1) or b - a < 1e-12


def test_rescale_refuses_a_scale_without_length() -> None:
    with pytest.raises(ValueError, match="two different ends"):
        rescale(1, 3, 3)


@given(on_scale, on_scale)
def test_the_unit_plane_and_back_is_the_same_point(valence: float, arousal: float) -> None:
    there = Affect(valence, arousal).to_unit()
    assert all(-1 <= axis <= 1 for axis in there)
    assert Affect.from_unit(*there) == pytest.approx((valence, arousal))


def test_neutral_is_the_middle_of_the_unit_plane() -> None:
    assert Affect(NEUTRAL, NEUTRAL).to_unit() == (0, 0)
    assert Affect.from_unit(-1, 1) == (LOW, HIGH)


@given(numbers, numbers)
def test_clipping_moves_only_what_is_off_the_scale(valence: float, arousal: float) -> None:
    clipped = Affect(valence, arousal).clipped()
    for before, after in zip((valence, arousal), clipped, strict=True):
        assert LOW <= after <= HIGH
        assert after == before or not LOW <= before <= HIGH


@pytest.mark.parametrize(
    ("affect", "words"),
    [
        (Affect(4, 4), "neutral"),
        (Affect(4.1, 3.9), "neutral"),
        (Affect(3.4, 6.5), "slightly negative, very activated"),
        (Affect(6.5, 1.5), "very positive, very subdued"),
        (Affect(5.5, 4.6), "positive, slightly activated"),
        (Affect(4, 2.5), "neither negative nor positive, subdued"),
        (Affect(2.5, 4), "negative, neither subdued nor activated"),
    ],
)
def test_points_in_words(affect: Affect, words: str) -> None:
    assert in_words(affect) == words
