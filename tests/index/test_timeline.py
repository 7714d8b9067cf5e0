"""A recording's moments, smoothed, and where they change for good."""

import numpy as np
import pytest

from encoders.affect import Affect
from encoders.encoder import EncodedSegment
from index.timeline import timeline

NOTHING = np.zeros(1, np.float32)


def segments(*affects: tuple[float, float], hop: float = 2.0, first: float = 0.0) -> list[EncodedSegment]:
    """Return segments of 4 s, one every `hop` seconds."""
    return [
        EncodedSegment(first + hop * place, first + hop * place + 4, NOTHING, Affect(*affect))
        for place, affect in enumerate(affects)
    ]


def test_a_change_lies_between_the_moments_that_differ() -> None:
    found = segments(*[(2.0, 6.0)] * 8, *[(2.5, 3.0)] * 8)
    moments, changes = timeline(found, ["tense"] * 8 + ["calm"] * 8)
    assert [change.at for change in changes] == [17.0]  # the middles lie at 16 and 18 s
    assert changes[0].before == pytest.approx((2.0, 6.0))
    assert changes[0].after == pytest.approx((2.5, 3.0))
    assert [moment.smoothed for moment in moments] == [pytest.approx(moment.affect) for moment in moments]
    assert [moment.term for moment in moments] == ["tense"] * 8 + ["calm"] * 8


def test_after_a_pause_a_change_is_at_its_end() -> None:
    found = [*segments(*[(2.0, 6.0)] * 5), *segments(*[(6.0, 2.0)] * 5, first=60.0)]
    _, changes = timeline(found, [""] * 10)
    assert [change.at for change in changes] == [60.0]


def test_noise_is_smoothed_and_is_no_change() -> None:
    rng = np.random.default_rng(3)
    noisy = segments(*(rng.normal(4, 0.5, (400, 2))).tolist())
    moments, changes = timeline(noisy, [""] * 400)
    assert changes == []
    as_read, smoothed = (np.array([getattr(m, field) for m in moments]) for field in ("affect", "smoothed"))
    assert (smoothed.std(axis=0) < 0.6 * as_read.std(axis=0)).all()
    assert smoothed.mean(axis=0) == pytest.approx(as_read.mean(axis=0), abs=0.05)


def test_far_moments_have_no_part_in_the_smoothing() -> None:
    found = segments((4, 4), (4, 4.3), (4, 3.9), hop=1000.0)
    moments, _ = timeline(found, [""] * 3)
    assert [moment.smoothed for moment in moments] == [pytest.approx(moment.affect) for moment in moments]


@pytest.mark.parametrize("count", [1, 2])
def test_few_moments_have_no_changes(count: int) -> None:
    moments, changes = timeline(segments((1, 7), (7, 1))[:count], [""] * count)
    assert (len(moments), changes) == (count, [])
