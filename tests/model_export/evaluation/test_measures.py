"""Measures against their definitions."""

import itertools
import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_export.evaluation.measures import bias, ccc, interval, mae, percentiles, plain, tau

# Few distinct values, so that ties are common; on 1..7 as labels are.
PAIRS = st.lists(st.tuples(st.integers(2, 14), st.integers(2, 14)), min_size=2, max_size=25).map(
    lambda pairs: (np.array(pairs, dtype=np.float64) / 2).T
)


def tau_b(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> float:
    """Kendall (1945), over all pairs."""
    pairs = [(np.sign(x[i] - x[j]), np.sign(y[i] - y[j])) for i, j in itertools.combinations(range(len(x)), 2)]
    agree = sum(a * b for a, b in pairs)
    size = math.sqrt(sum(a != 0 for a, _ in pairs) * sum(b != 0 for _, b in pairs))
    return float(agree / size) if size else math.nan


@settings(max_examples=60)
@given(PAIRS)
def test_tau_is_the_agreement_of_all_pairs_that_are_not_tied(pairs: tuple[npt.NDArray[np.float64], ...]) -> None:
    x, y = pairs
    assert tau(x, y) == pytest.approx(tau_b(x, y), nan_ok=True)
    assert tau(np.exp(x), 3 * y - 1) == pytest.approx(tau(x, y), nan_ok=True), "only the order counts"
    assert tau(-x, y) == pytest.approx(-tau(x, y), nan_ok=True)


@given(PAIRS)
def test_concordance_is_one_less_the_squared_error_over_what_it_would_be_without_relation(
    pairs: tuple[npt.NDArray[np.float64], ...],
) -> None:
    x, y = pairs
    most = x.var() + y.var() + (x.mean() - y.mean()) ** 2
    expected = 1 - ((x - y) ** 2).mean() / most if most else math.nan
    assert ccc(x, y) == pytest.approx(expected, abs=1e-9, nan_ok=True)
    assert ccc(y, x) == pytest.approx(ccc(x, y), nan_ok=True)
    assert math.isnan(ccc(x, y)) or abs(ccc(x, y)) <= 1 + 1e-9


def test_concordance_is_one_for_equals_and_falls_with_an_offset() -> None:
    x = np.linspace(1, 7, 50, dtype=np.float32)
    assert ccc(x, x) == pytest.approx(1.0)
    assert ccc(x, x + 1) == pytest.approx(2 * x.var() / (2 * x.var() + 1), abs=1e-5)
    assert ccc(x, -x) < 0


def test_bias_keeps_the_sign_of_errors_and_mae_does_not() -> None:
    assert bias([2.0, 3.0, 7.0], [1.0, 4.0, 4.0]) == pytest.approx(1.0)
    assert mae([2.0, 3.0, 7.0], [1.0, 4.0, 4.0]) == pytest.approx(5 / 3)


def test_the_interval_holds_the_value_and_narrows_with_the_sample() -> None:
    rng = np.random.default_rng(1)
    widths = []
    for count in (50, 800):
        values = rng.normal(5, 1, size=count)

        def mean(picked: npt.NDArray[np.int64], values: npt.NDArray[np.float64] = values) -> float:
            return float(values[picked].mean())

        low, high = interval(mean, count, rounds=300)
        assert low < values.mean() < high
        widths.append(high - low)
    assert widths[1] < widths[0] / 2


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.5, 0.9]))
def test_an_interval_of_tau_is_ordered_within_its_range_and_the_same_again(seed: int, strength: float) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=30)
    y = strength * x + (1 - strength) * rng.normal(size=30)

    def resampled(picked: npt.NDArray[np.int64]) -> float:
        return tau(x[picked], y[picked])

    low, high = interval(resampled, 30, rounds=20, seed=seed)
    assert -1 <= low <= high <= 1
    assert (low, high) == interval(resampled, 30, rounds=20, seed=seed)


def test_intervals_of_tau_cover_the_true_value_about_as_often_as_they_promise() -> None:
    # Of bivariate normals with correlation r, tau is 2 / pi * asin(r).
    rng, r, covered = np.random.default_rng(3), 0.6, 0
    for _ in range(40):
        x = rng.normal(size=80)
        y = r * x + math.sqrt(1 - r * r) * rng.normal(size=80)

        def resampled(
            picked: npt.NDArray[np.int64], x: npt.NDArray[np.float64] = x, y: npt.NDArray[np.float64] = y
        ) -> float:
            return tau(x[picked], y[picked])

        low, high = interval(resampled, 80, rounds=50)
        covered += low <= 2 / math.pi * math.asin(r) <= high
    assert 33 <= covered <= 40


def test_resamples_without_a_value_do_not_count() -> None:
    assert percentiles([math.nan, 0.5, math.nan]) == (0.5, 0.5)
    assert all(math.isnan(end) for end in percentiles([math.nan]))


def test_plain_values_hold_finite_numbers_only() -> None:
    made = plain({1: np.float32(0.5), "b": (math.nan, np.int64(3)), "c": [{"d": math.inf}], "e": None, "f": True})
    assert made == {"1": 0.5, "b": [None, 3], "c": [{"d": None}], "e": None, "f": True}
