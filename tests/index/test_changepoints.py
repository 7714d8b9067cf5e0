"""The partition of a series is the best there is: held against every partition there is."""

from collections.abc import Iterator

import numpy as np
import pytest

from index.changepoints import Floats, runs


def every_partition(count: int, shortest: int) -> Iterator[list[int]]:
    """Yield the beginnings of the runs of every partition of `count` values."""
    yield [0]
    for begin in range(shortest, count - shortest + 1):
        for before in every_partition(begin, shortest):
            yield [*before, begin]


def cost(values: Floats, begins: list[int], penalty: float) -> float:
    parts = np.split(values, begins[1:])
    return float(sum(((part - part.mean(axis=0)) ** 2).sum() for part in parts)) + penalty * (len(begins) - 1)


@pytest.mark.parametrize("seed", range(40))
def test_no_partition_costs_less(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count, axes = int(rng.integers(1, 12)), int(rng.integers(1, 4))
    shortest, penalty = int(rng.integers(1, 5)), float(rng.choice([0, 0.1, 0.7, 2, 8]))
    values = rng.normal(0, 1, (count, axes)) + 1000 + 2 * rng.integers(0, 2, (count, 1)).cumsum(axis=0)
    found = runs(values, penalty, shortest)
    possible = list(every_partition(count, shortest))
    assert found in possible
    assert cost(values, found, penalty) == pytest.approx(min(cost(values, p, penalty) for p in possible), abs=1e-9)


def test_steps_are_found_where_they_are() -> None:
    rng = np.random.default_rng(0)
    values = np.repeat([[1.0, 5.0], [1.0, 2.0], [4.0, 2.0]], [300, 200, 500], axis=0) + rng.normal(0, 0.2, (1000, 2))
    assert runs(values, penalty=3.0, shortest=3) == [0, 300, 500]
    assert runs(values[:, :1], penalty=3.0, shortest=3) == [0, 500]


def test_what_does_not_change_is_one_run() -> None:
    assert runs(np.full((50, 2), 3.3), penalty=0.1) == [0]
    assert runs(np.zeros((3, 2)), penalty=0.0, shortest=2) == [0]
    assert runs(np.zeros((0, 2)), penalty=1.0) == []


@pytest.mark.parametrize(("penalty", "shortest"), [(-1.0, 1), (float("nan"), 1), (1.0, 0)])
def test_wrong_arguments_are_refused(penalty: float, shortest: int) -> None:
    with pytest.raises(ValueError, match="penalty >= 0"):
        runs(np.zeros((5, 2)), penalty, shortest)
