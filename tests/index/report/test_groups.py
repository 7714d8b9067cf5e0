"""Clips by the values of their metadata: means and spreads as NumPy has them, and fields that say nothing left out."""

from datetime import UTC, datetime

import numpy as np
import pytest

from encoders.affect import Affect
from index.records import Clip, JsonScalar
from index.report.groups import FIELDS, VALUES, Grouping

NEUTRAL = Affect(4, 4)


def clip(number: int, affect: Affect = NEUTRAL, **metadata: JsonScalar) -> Clip:
    made = datetime(2026, 1, 1, tzinfo=UTC)
    return Clip(f"{number:016x}", f"{number}.wav", "/none", f"{number:064x}", 2.0, made, metadata, affect, 1)


def test_means_and_spreads_are_those_of_the_clips() -> None:
    rng = np.random.default_rng(0)
    moods = [("calm", "glad", None)[number % 3] for number in range(60)]
    affect = rng.uniform(1, 7, (60, 2))
    grouping = Grouping()
    clips = [clip(n, Affect(*affect[n].tolist()), mood=moods[n]) for n in range(60)]
    grouping.add(clips[:25])
    grouping.add(clips[25:])
    (found,) = grouping.breakdowns()
    assert (found.field, found.clips, found.distinct) == ("mood", 40, 2)
    for group in found.groups:
        own = affect[[number for number, mood in enumerate(moods) if mood == group.value]]
        assert (group.clips, group.seconds) == (20, 40.0)
        assert group.valence == pytest.approx((own[:, 0].mean(), own[:, 0].std()))
        assert group.arousal == pytest.approx((own[:, 1].mean(), own[:, 1].std()))


def test_fields_that_tell_clips_apart_come_first() -> None:
    grouping = Grouping()
    for number in range(40):
        affect = Affect(2.0 + 4 * (number % 2), 4.0)
        grouping.add([clip(number, affect, aaa=number // 20, mood=number % 2)])
    assert [found.field for found in grouping.breakdowns()] == ["mood", "aaa"]


def test_fields_with_one_value_or_nearly_as_many_as_clips_are_left_out() -> None:
    grouping = Grouping()
    grouping.add([clip(n, corpus="x", take=n, note=None, half=bool(n % 2)) for n in range(20)])
    assert [found.field for found in grouping.breakdowns()] == ["half"]


def test_values_that_python_takes_for_equal_are_kept_apart_and_equal_numbers_are_one() -> None:
    grouping = Grouping()
    values: list[JsonScalar] = [True, 1, 1.0, "1"] * 3
    grouping.add([clip(n, odd=value) for n, value in enumerate(values)])
    (found,) = grouping.breakdowns()
    assert sorted((type(group.value).__name__, group.clips) for group in found.groups) == [
        ("bool", 3), ("int", 6), ("str", 3),
    ]  # fmt: skip


def test_of_many_values_the_largest_groups_are_told() -> None:
    grouping = Grouping()
    grouping.add([clip(n, speaker=n % 100) for n in range(1000)] + [clip(1000, speaker=57)])
    (found,) = grouping.breakdowns()
    assert (len(found.groups), found.distinct, found.clips) == (VALUES, 100, 1001)
    assert (found.groups[0].value, found.groups[0].clips) == (57, 11)


def test_of_many_fields_a_few_are_told() -> None:
    grouping = Grouping()
    grouping.add([clip(n, NEUTRAL, **{f"field {k}": n % 2 for k in range(30)}) for n in range(10)])
    assert len(grouping.breakdowns()) == FIELDS
