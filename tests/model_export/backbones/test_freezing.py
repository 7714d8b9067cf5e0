"""What a mode names is trained, and nothing else."""

import pytest
import torch
from torch import nn

from model_export import backbones
from model_export.errors import BackboneError


def trained(mode: str) -> tuple[backbones.WhisperEncoder, set[str]]:
    encoder = backbones.WhisperEncoder(64, 4, 1)
    backbones.train_only(encoder, mode, "a small Whisper")
    return encoder, {name for name, weights in encoder.named_parameters() if weights.requires_grad}


def test_the_last_blocks_everything_or_nothing_is_trained() -> None:
    encoder, names = trained("last-2")
    assert {name.split(".")[1] for name in names} == {"2", "3"}
    assert trained("frozen")[1] == set()
    assert trained("all")[1] == {name for name, _ in encoder.named_parameters()}
    assert {name.split(".")[0] for name in trained("last-4")[1]} == {"blocks"}


@pytest.mark.parametrize("mode", ["last-0", "last-5", "last-99"])
def test_blocks_that_are_not_there_are_refused(mode: str) -> None:
    with pytest.raises(BackboneError, match=rf'"{mode}" of a small Whisper: it has 4 blocks, so N is 1\.\.4'):
        trained(mode)


@pytest.mark.parametrize("mode", ["", "last", "last-", "last--1", "last-²", "first-2", "Frozen"])
def test_other_modes_are_refused(mode: str) -> None:
    with pytest.raises(BackboneError, match="no way to train a small Whisper"):
        trained(mode)


def test_frozen_parts_rest_and_trained_parts_do_not() -> None:
    frozen, free = nn.Sequential(nn.Linear(2, 2), nn.Dropout()), nn.Sequential(nn.Linear(2, 2), nn.Dropout())
    frozen.requires_grad_(False)
    both = nn.Sequential(frozen, free).train()
    backbones.settle(both)
    assert not any(module.training for module in frozen.modules())
    assert all(module.training for module in free.modules())


def test_the_first_blocks_that_are_kept_say_what_they_said() -> None:
    torch.manual_seed(0)
    encoder = backbones.WhisperEncoder(64, 4, 1).eval()
    samples, lengths = torch.randn(1, 4000) / 10, torch.tensor([4000])
    with torch.inference_mode():
        whole, _ = encoder(samples, lengths)
        backbones.keep_first(encoder, 2, "a small Whisper")
        kept, _ = encoder(samples, lengths)
    assert len(kept) == encoder.states == 3
    for before, after in zip(whole, kept, strict=False):
        torch.testing.assert_close(before, after)


def test_no_more_blocks_are_kept_than_there_are_and_zero_keeps_all() -> None:
    encoder = backbones.WhisperEncoder(64, 4, 1)
    backbones.keep_first(encoder, 0, "a small Whisper")
    assert len(encoder.blocks) == 4
    for blocks in (5, -1):
        with pytest.raises(BackboneError, match=f"audio_blocks = {blocks}: a small Whisper has 4 blocks"):
            backbones.keep_first(encoder, blocks, "a small Whisper")
