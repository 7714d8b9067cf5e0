"""Rank-N-Contrast against its definition, written out as plain loops."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model_export.losses import (
    affect_distance,
    cross_modal_rnc,
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
    assert cross_modal_rnc(ordered, ordered, affect, affect, 0.1) < cross_modal_rnc(
        shuffled, ordered, affect, affect, 0.1
    )


def test_distance_is_euclidean_in_the_plane() -> None:
    assert float(affect_distance(torch.tensor([[1.0, 1.0]]), torch.tensor([[4.0, 5.0]]))) == pytest.approx(5.0)


def test_alignment_is_one_minus_the_mean_cosine_of_the_pairs() -> None:
    rows = torch.eye(4)
    moved = rows[[1, 0, 2, 3]]
    assert float(pair_alignment(rows, rows)) == pytest.approx(0.0)
    assert float(pair_alignment(rows, moved)) == pytest.approx(0.5)
