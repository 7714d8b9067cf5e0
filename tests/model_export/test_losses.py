"""Rank-N-Contrast against its definition, written out as plain loops; the objective is in test_objective.py."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model_export.evaluation.gap import mmd
from model_export.losses import (
    TIE,
    affect_distance,
    discrepancy,
    pair_alignment,
    rank_n_contrast,
)


def by_definition(similarity: Tensor, distance: Tensor) -> float:
    n, m = similarity.shape
    total = 0.0
    for i in range(n):
        for j in range(m):
            farther = [k for k in range(m) if distance[i, k] >= distance[i, j] - 1e-6]
            total -= float(similarity[i, j] - torch.logsumexp(similarity[i, farther], dim=0))
    return total / (n * m)


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 9),
    m=st.integers(1, 9),
    levels=st.sampled_from([1, 2, 3, 1000]),
    scale=st.sampled_from([0.1, 1.0, 20.0]),
    seed=st.integers(0, 10_000),
)
def test_agrees_with_the_definition_with_and_without_ties(n: int, m: int, levels: int, scale: float, seed: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    similarity = torch.randn(n, m, generator=rng, dtype=torch.float64) * scale
    # Few levels make many ties, 1000 make almost none.
    distance = torch.randint(levels, (n, m), generator=rng).double() / levels
    assert float(rank_n_contrast(similarity, distance)) == pytest.approx(by_definition(similarity, distance), abs=1e-9)


@pytest.mark.parametrize(("n", "expected"), [(32, 2.55), (64, 3.21), (128, 3.88), (256, 4.56)])
def test_equal_similarities_without_ties_give_the_mean_of_log_m(n: int, expected: float) -> None:
    distance = torch.rand(n, n, generator=torch.Generator().manual_seed(0)).argsort(dim=1).double()
    loss = float(rank_n_contrast(torch.zeros(n, n), distance))
    assert loss == pytest.approx(sum(math.log(m) for m in range(1, n + 1)) / n, abs=1e-4)
    assert loss == pytest.approx(expected, abs=0.006)


@given(sizes=st.lists(st.integers(1, 5), min_size=1, max_size=5), seed=st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_ties_give_the_loss_a_floor(sizes: list[int], seed: int) -> None:
    distance = torch.cat([torch.full((size,), float(level)) for level, size in enumerate(sizes)])[None]
    floor = sum(size * math.log(size) for size in sizes) / sum(sizes)
    noise = torch.randn(1, distance.shape[1], generator=torch.Generator().manual_seed(seed))
    assert float(rank_n_contrast(noise, distance)) >= floor - 1e-5
    # Similarity that falls steeply with distance reaches the floor.
    assert float(rank_n_contrast(-60 * distance, distance)) == pytest.approx(floor, abs=1e-4)


@given(
    seed=st.integers(0, 10_000),
    start=st.floats(0.0, 8.0),
    bits=st.lists(st.integers(-3, 3), min_size=2, max_size=6),
)
@settings(max_examples=60, deadline=None)
def test_distances_that_differ_in_the_last_bits_are_ties_wherever_they_lie(
    seed: int, start: float, bits: list[int]
) -> None:
    # Rounding to steps would part some of these: those on the two sides of a step's edge.
    exact = torch.full((1, len(bits)), start)
    nudged = exact + torch.tensor(bits) * torch.finfo(torch.float32).eps * max(start, 0.1)
    similarity = torch.randn(1, len(bits), generator=torch.Generator().manual_seed(seed))
    assert torch.equal(rank_n_contrast(similarity, nudged), rank_n_contrast(similarity, exact)) or float(
        rank_n_contrast(similarity, nudged)
    ) == pytest.approx(float(rank_n_contrast(similarity, exact)), abs=1e-6)


def test_distances_that_differ_by_more_than_the_tolerance_are_no_ties() -> None:
    similarity = torch.zeros(1, 2)
    assert float(rank_n_contrast(similarity, torch.tensor([[1.0, 1.0 + 0.5 * TIE]]))) == pytest.approx(math.log(2))
    assert float(rank_n_contrast(similarity, torch.tensor([[1.0, 1.0 + 2 * TIE]]))) == pytest.approx(math.log(2) / 2)


@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 6), m=st.integers(1, 6), seed=st.integers(0, 10_000))
def test_weights_make_a_weighted_mean_of_the_terms(n: int, m: int, seed: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    similarity = torch.randn(n, m, generator=rng, dtype=torch.float64)
    distance = torch.randint(3, (n, m), generator=rng).double()
    weight = torch.rand(n, m, generator=rng, dtype=torch.float64) + 0.1
    total = 0.0
    for i in range(n):
        for j in range(m):
            farther = [k for k in range(m) if distance[i, k] >= distance[i, j]]
            total -= float(weight[i, j] * (similarity[i, j] - torch.logsumexp(similarity[i, farther], dim=0)))
    expected = total / float(weight.sum())
    assert float(rank_n_contrast(similarity, distance, weight)) == pytest.approx(expected, abs=1e-9)
    row = weight[:, :1]
    spread = rank_n_contrast(similarity, distance, row.expand(n, m))
    assert float(rank_n_contrast(similarity, distance, row)) == pytest.approx(float(spread))


def test_no_candidates_are_no_loss() -> None:
    assert float(rank_n_contrast(torch.zeros(3, 0), torch.zeros(3, 0))) == 0.0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_raised_before_anything_is_summed(dtype: torch.dtype) -> None:
    rng = torch.Generator().manual_seed(0)
    similarity = (torch.randn(6, 300, generator=rng) * 5).to(dtype)
    distance = torch.rand(6, 300, generator=rng)
    loss = rank_n_contrast(similarity, distance)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, rank_n_contrast(similarity.float(), distance))


@given(seed=st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_a_constant_added_to_a_row_and_the_order_of_columns_change_nothing(seed: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    similarity = torch.randn(5, 8, generator=rng, dtype=torch.float64)
    distance = torch.randint(4, (5, 8), generator=rng).double()
    loss = float(rank_n_contrast(similarity, distance))
    assert float(rank_n_contrast(similarity + torch.randn(5, 1, generator=rng), distance)) == pytest.approx(loss)
    order = torch.randperm(8, generator=rng)
    assert float(rank_n_contrast(similarity[:, order], distance[:, order])) == pytest.approx(loss)


def test_the_gradient_is_that_of_the_definition() -> None:
    rng = torch.Generator().manual_seed(3)
    distance = torch.randint(3, (4, 6), generator=rng).double()
    similarity = torch.randn(4, 6, generator=rng, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda s: rank_n_contrast(s, distance), (similarity,))


def test_large_similarities_stay_finite() -> None:
    similarity = torch.tensor([[500.0, -500.0, 0.0]], requires_grad=True)
    loss = rank_n_contrast(similarity, torch.tensor([[0.0, 1.0, 2.0]]))
    loss.backward()  # type: ignore[no-untyped-call]
    assert torch.isfinite(loss)
    assert similarity.grad is not None
    assert torch.isfinite(similarity.grad).all()


def test_pairs_in_the_order_of_affect_lose_less_than_pairs_out_of_order() -> None:
    affect = torch.tensor([[1.0, 4.0], [3.0, 4.0], [5.0, 4.0], [7.0, 4.0]])
    angle = torch.linspace(0, 1.5, 4)
    ordered = torch.stack([angle.cos(), angle.sin()], dim=1)
    shuffled = ordered[[2, 0, 3, 1]]
    distance = affect_distance(affect, affect)

    def both_ways(audio: Tensor) -> Tensor:
        similarity = audio @ ordered.T / 0.1
        return rank_n_contrast(similarity, distance) + rank_n_contrast(similarity.T, distance.T)

    assert both_ways(ordered) < both_ways(shuffled)


def test_distance_is_euclidean_in_the_plane_or_the_sum_of_the_axes() -> None:
    a, b = torch.tensor([[1.0, 1.0]]), torch.tensor([[4.0, 5.0]])
    assert float(affect_distance(a, b)) == pytest.approx(5.0)
    assert float(affect_distance(a, b, "l1")) == pytest.approx(7.0)


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(1, 5),
    m=st.integers(1, 5),
    axes=st.integers(2, 3),
    order=st.sampled_from([1, 2]),
    seed=st.integers(0, 9999),
)
def test_an_unknown_axis_is_left_out_of_its_pairs_and_the_others_stand_for_it(
    n: int, m: int, axes: int, order: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.uniform(1, 7, (n, axes)), rng.uniform(1, 7, (m, axes))
    a[rng.random((n, axes)) < 0.3] = np.nan
    b[rng.random((m, axes)) < 0.3] = np.nan
    found = affect_distance(torch.tensor(a), torch.tensor(b), "l1" if order == 1 else "l2")
    for i in range(n):
        for j in range(m):
            known = [x for x in range(axes) if not (math.isnan(a[i, x]) or math.isnan(b[j, x]))]
            if not known:
                assert math.isnan(found[i, j])
                continue
            total = sum(abs(a[i, x] - b[j, x]) ** order for x in known) * axes / len(known)
            assert float(found[i, j]) == pytest.approx(total ** (1 / order))


def test_the_discrepancy_is_the_gap_that_evaluation_measures() -> None:
    rng = np.random.default_rng(4)
    audio = rng.normal(size=(40, 8)).astype(np.float32)
    text = rng.normal(size=(24, 8)).astype(np.float32) + np.float32(0.4)
    expected, _ = mmd(audio, text)
    assert float(discrepancy(torch.from_numpy(audio), torch.from_numpy(text))) == pytest.approx(expected, rel=1e-2)


def test_the_discrepancy_moves_captions_to_where_the_clips_are() -> None:
    torch.manual_seed(0)
    audio, text = torch.randn(32, 4), (torch.randn(32, 4) + 1).requires_grad_()
    optimiser = torch.optim.SGD([text], lr=5.0)
    before = float(discrepancy(audio, text.detach()))
    for _ in range(50):
        optimiser.zero_grad()
        torch.autograd.backward(discrepancy(audio, text))
        optimiser.step()
    assert float(discrepancy(audio, text.detach())) < before / 2


def test_the_discrepancy_of_a_set_and_itself_is_nothing_and_has_a_finite_gradient() -> None:
    points = torch.randn(6, 4, requires_grad=True)
    torch.autograd.backward(discrepancy(points, points.detach()))
    assert points.grad is not None
    assert torch.isfinite(points.grad).all()
    one = torch.ones(3, 4)
    assert float(discrepancy(one, one)) == 0.0


def test_alignment_is_one_minus_the_mean_cosine_of_the_pairs() -> None:
    rows = torch.eye(4)
    moved = rows[[1, 0, 2, 3]]
    assert float(pair_alignment(rows, rows)) == pytest.approx(0.0)
    assert float(pair_alignment(rows, moved)) == pytest.approx(0.5)
