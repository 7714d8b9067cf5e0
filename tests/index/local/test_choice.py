"""Which index is chosen: by size, by memory, with an estimate and a reason."""

import pytest

from index.local import choice
from index.local.choice import choose


@pytest.mark.parametrize("count", [0, 1, choice.EXACT_UP_TO])
def test_a_small_library_is_scanned(count: int) -> None:
    plan = choose(count, 512)
    assert plan.kind == "exact"
    assert plan.memory_bytes == count * (2 * 512 + 24)
    assert plan.parameters == {}
    assert "exactly" in plan.reason


def test_a_million_segments_fit_into_what_was_promised() -> None:
    plan = choose(1_000_000, 512)
    assert plan.kind == "ivf"
    assert plan.parameters == {"cells": 4096, "most_values": 128}
    assert plan.resident_bytes < plan.memory_bytes
    assert plan.resident_bytes <= choice.BUDGET


@pytest.mark.parametrize("budget", [98_000_000, 110_000_000, 200_000_000, 10**9])
def test_a_small_budget_takes_fewer_dimensions(budget: int) -> None:
    plan = choose(1_000_000, 512, budget)
    assert choice.LEAST_VALUES <= plan.parameters["most_values"] <= choice.MOST_VALUES
    assert plan.resident_bytes <= budget
    assert "budget" not in plan.reason


def test_a_budget_that_is_too_small_is_said_to_be() -> None:
    plan = choose(1_000_000, 512, 10_000_000)
    assert plan.parameters["most_values"] == choice.LEAST_VALUES
    assert "does not fit into the budget of 10 MB" in plan.reason


def test_more_segments_take_more_of_everything() -> None:
    plans = [choose(count, 512) for count in (100_000, 1_000_000, 10_000_000)]
    assert [plan.memory_bytes for plan in plans] == sorted(plan.memory_bytes for plan in plans)
    assert [plan.seconds_to_build for plan in plans] == sorted(plan.seconds_to_build for plan in plans)
    assert [plan.parameters["cells"] for plan in plans] == [1024, 4096, 16384]


def test_there_are_no_more_dimensions_than_an_embedding_has() -> None:
    assert choose(1_000_000, 24).parameters["most_values"] == 24
