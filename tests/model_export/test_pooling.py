"""Pooling over time heeds the mask and has the laws of means and deviations."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from model_export import pooling


def states(seed: int, steps: int = 7) -> torch.Tensor:
    return torch.randn(2, steps, 3, generator=torch.Generator().manual_seed(seed))


@given(seed=st.integers(0, 999), inside=st.integers(1, 7))
def test_mean_and_deviation_are_those_of_the_steps_inside(seed: int, inside: int) -> None:
    x, mask = states(seed), torch.arange(7)[None].expand(2, -1) < inside
    pooled = pooling.mean_and_deviation(x, pooling.even(mask, x.dtype))
    expected = torch.cat([x[:, :inside].mean(dim=1), (x[:, :inside].var(dim=1, correction=0) + 1e-6).sqrt()], dim=1)
    torch.testing.assert_close(pooled, expected)
    torch.testing.assert_close(pooling.mean(x, pooling.even(mask, x.dtype)), expected[:, :3])


@given(seed=st.integers(0, 999), shift=st.floats(-3, 3), inside=st.integers(1, 7))
def test_a_shift_moves_the_mean_and_not_the_deviation(seed: int, shift: float, inside: int) -> None:
    x, weights = states(seed), pooling.even(torch.arange(7)[None].expand(2, -1) < inside, torch.float32)
    plain, moved = pooling.mean_and_deviation(x, weights), pooling.mean_and_deviation(x + shift, weights)
    torch.testing.assert_close(moved, plain + shift * torch.tensor([1.0] * 3 + [0.0] * 3), atol=1e-3, rtol=1e-4)


def test_nothing_inside_gives_numbers() -> None:
    weights = pooling.even(torch.zeros(2, 7, dtype=torch.bool), torch.float32)
    assert pooling.mean_and_deviation(states(0), weights).isfinite().all()


@given(seed=st.integers(0, 999), inside=st.integers(1, 7))
def test_attention_is_a_share_of_each_step_inside(seed: int, inside: int) -> None:
    torch.manual_seed(seed)
    attention, x = pooling.Attention(3, 4), states(seed)
    mask = torch.arange(7)[None].expand(2, -1) < inside
    weights = attention(x, mask)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(2))
    assert (weights[:, inside:] == 0).all()
    assert (weights[:, :inside] > 0).all()
    torch.testing.assert_close(attention(x[:, :inside], mask[:, :inside]), weights[:, :inside])
