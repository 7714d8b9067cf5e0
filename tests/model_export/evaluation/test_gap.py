"""The modality gap against its definitions."""

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_export.evaluation import gap, modality_gap

Floats = npt.NDArray[np.float32]


def clouds(seed: int, n: int, m: int, dim: int = 5) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, dim)).astype(np.float32), (rng.normal(size=(m, dim)) + 0.5).astype(np.float32)


def mmd(x: Floats, y: Floats) -> float:
    """Gretton et al. (2012), eq. 5, pair by pair."""
    pooled = [*x.astype(float), *y.astype(float)]
    width = np.median([((a - b) ** 2).sum() for i, a in enumerate(pooled) for j, b in enumerate(pooled) if i != j])

    def mean(one: Floats, other: Floats) -> float:
        return float(np.mean([math.exp(-((a - b) ** 2).sum() / (2 * width)) for a in one for b in other]))

    return math.sqrt(max(mean(x, x) + mean(y, y) - 2 * mean(x, y), 0.0))


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(2, 9), st.integers(2, 9))
def test_mmd_is_that_of_the_definition_and_symmetric(seed: int, n: int, m: int) -> None:
    x, y = clouds(seed, n, m)
    assert gap.mmd(x, y)[0] == pytest.approx(mmd(x, y), abs=1e-4)
    assert gap.mmd(y, x)[0] == pytest.approx(gap.mmd(x, y)[0], abs=1e-6)


def test_points_that_are_all_one_have_no_gap() -> None:
    point = np.ones((4, 3), np.float32)
    assert gap.mmd(point, point) == (0.0, 0.0)


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1), st.floats(0, 4))
def test_a_shift_costs_its_mean_projection(seed: int, size: float) -> None:
    x, _ = clouds(seed, 12, 1, dim=2)
    shifted = x + np.array([size, 0], np.float32)
    # In the plane a unit shift projects on 2 / pi of a direction on average.
    assert gap.sliced_wasserstein(x, shifted) == pytest.approx(size * 2 / math.pi, rel=0.12, abs=1e-6)
    assert gap.sliced_wasserstein(shifted, x) == pytest.approx(gap.sliced_wasserstein(x, shifted), abs=1e-6)


def test_no_gap_between_draws_of_one_distribution_and_a_large_one_between_two() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(2, 300, 16)).astype(np.float32)
    same = modality_gap(one, other)
    apart = modality_gap(one, other + 3)
    assert same["mmd"] < 0.1 < 0.7 < apart["mmd"]
    assert apart["mmd_squared"] == pytest.approx(apart["mmd"] ** 2, abs=2e-3)
    assert same["sliced_wasserstein"] < 0.2 < 1 < apart["sliced_wasserstein"]
    assert apart["centroid_distance"] == pytest.approx(12, abs=0.7)


def test_large_sides_are_drawn_from_the_same_way_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gap, "LIMIT", 40)
    x, y = clouds(0, 100, 30)
    found = modality_gap(x, y, seed=3)
    assert (found["audio"], found["text"]) == (40, 30)
    assert found == modality_gap(x, y, seed=3) != modality_gap(x, y, seed=4)


def test_what_is_drawn_is_the_plane_of_the_largest_variance_and_the_line_between_the_means() -> None:
    rng = np.random.default_rng(1)
    flat = rng.normal(size=(40, 2)) @ np.array([[3, 0, 0], [0, 1, 0]])
    audio, text = flat.astype(np.float32), (flat + np.array([0, 0, 0.5])).astype(np.float32)
    found = gap.drawn(audio, text)
    # Distances within the plane are kept, and what lies across it is small.
    for side in ("audio", "text"):
        there = np.array(found[side])
        assert np.linalg.norm(there[3] - there[17]) == pytest.approx(np.linalg.norm(flat[3] - flat[17]), abs=0.02)
    assert 0.95 < found["share"] <= 1
    assert np.array(found["along"]) == pytest.approx(np.array([[0.0] * 40, [1.0] * 40]), abs=1e-3)


def test_of_many_pairs_some_are_drawn_and_equal_points_are_no_fault() -> None:
    many = np.random.default_rng(2).normal(size=(gap.DRAWN * 3, 4)).astype(np.float32)
    assert np.array(gap.drawn(many, many + 1)["audio"]).shape == (gap.DRAWN, 2)
    assert gap.drawn(many[:1], many[:1])["along"] == [[0.0], [0.0]]
