"""WavLM, HuBERT and wav2vec 2.0 compute what `transformers` computes, and padding changes nothing."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model_export import backbones
from model_export.backbones import WaveEncoder, wave
from tests.model_export.backbones import small

KINDS = [(kind, shape) for kind in wave.FAMILIES for shape in (small.BASE, small.LARGE)]


def read(kind: str, shape: dict[str, Any], folder: Path) -> WaveEncoder:
    encoder = backbones.speech(small.saved(small.wave_model(kind, shape), folder))
    assert isinstance(encoder, WaveEncoder)
    return encoder


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@torch.inference_mode()
@pytest.mark.parametrize(("kind", "shape"), KINDS)
def test_a_clip_alone_gives_the_states_of_transformers(kind: str, shape: dict[str, Any], tmp_path: Path) -> None:
    # 2.2 s: WavLM's distances reach into the logarithmic buckets.
    samples = noise(1, 35_000)
    reference = small.wave_model(kind, shape)
    states, inside = read(kind, shape, tmp_path).encode(samples, torch.tensor([35_000]))
    expected = reference(samples, output_hidden_states=True).hidden_states
    count = expected[0].shape[1]
    assert int(inside.sum()) == count
    for ours, theirs in zip(states, expected, strict=True):
        torch.testing.assert_close(ours[:, :count], theirs, atol=1e-5, rtol=1e-4)


@torch.inference_mode()
@pytest.mark.parametrize(("kind", "shape"), KINDS)
def test_padding_and_neighbours_change_no_state(kind: str, shape: dict[str, Any], tmp_path: Path) -> None:
    encoder = read(kind, shape, tmp_path)
    clip, other = noise(1, 9_000, seed=1), noise(1, 14_000, seed=2)
    alone, inside = encoder(clip, torch.tensor([9_000]))
    # What lies past the end is not even zero.
    batch = torch.cat([torch.cat([clip, noise(1, 5_000, seed=3)], dim=1), other])
    beside, both = encoder(batch, torch.tensor([9_000, 14_000]))
    count = int(inside.sum())
    assert int(both[0].sum()) == count
    for a, b in zip(alone, beside, strict=True):
        torch.testing.assert_close(b[:1, :count], a[:, :count], atol=2e-5, rtol=1e-4)


@given(length=st.integers(1, 2_000), gain=st.floats(1e-3, 50.0))
@settings(max_examples=15)
@torch.inference_mode()
def test_any_length_and_level_gives_numbers_and_at_least_a_step(length: int, gain: float) -> None:
    encoder = WaveEncoder(small.wave_model("wavlm", small.BASE)).eval()
    samples = 0.1 * noise(1, length)
    states, inside = encoder(samples, torch.tensor([length]))
    loud, _ = encoder(samples * gain, torch.tensor([length]))
    count = int(inside.sum())
    assert count >= 1
    for a, b in zip(states, loud, strict=True):
        assert a.isfinite().all()
        torch.testing.assert_close(b[:, :count], a[:, :count], atol=5e-4, rtol=1e-3)


@torch.inference_mode()
def test_silence_gives_numbers() -> None:
    for shape in (small.BASE, small.LARGE):
        states, _ = WaveEncoder(small.wave_model("hubert", shape)).eval()(torch.zeros(1, 4_000), torch.tensor([4_000]))
        assert all(state.isfinite().all() for state in states)


@torch.inference_mode()
def test_a_hubert_with_batch_norm_before_its_positions_heeds_the_mask(tmp_path: Path) -> None:
    shape = {**small.BASE, "conv_pos_batch_norm": True}
    reference = small.wave_model("hubert", shape)
    reference.encoder.pos_conv_embed.batch_norm.running_mean.fill_(0.7)
    encoder = backbones.speech(small.saved(reference, tmp_path))
    assert isinstance(encoder, WaveEncoder)
    samples = noise(1, 6_000)
    states, inside = encoder.encode(torch.cat([samples, torch.zeros(1, 3_000)], dim=1), torch.tensor([6_000]))
    expected = reference(samples).last_hidden_state
    torch.testing.assert_close(states[-1][:, : int(inside.sum())], expected, atol=1e-5, rtol=1e-4)


def test_training_drops_only_by_dropout_and_reaches_the_weights(tmp_path: Path) -> None:
    shape = {**small.BASE, "layerdrop": 0.99, "mask_time_prob": 0.9}
    quiet = dict.fromkeys(("hidden_dropout", "attention_dropout", "activation_dropout", "feat_proj_dropout"), 0.0)
    encoder = read("wavlm", {**shape, **quiet}, tmp_path)
    samples, lengths = noise(2, 8_000), torch.tensor([8_000, 6_000])
    still, inside = encoder(samples, lengths)
    encoder.train()
    states, _ = encoder(samples, lengths)
    torch.testing.assert_close(states[-1], still[-1])
    (states[-1] * inside[:, :, None]).square().sum().backward()
    reached = {name for name, p in encoder.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert "blocks.0.attention.rel_attn_embed.weight" in reached
    assert "blocks.1.attention.gru_rel_pos_linear.weight" in reached
    assert "convolutions.0.conv.weight" in reached
    assert "positions.conv.weight" in reached
