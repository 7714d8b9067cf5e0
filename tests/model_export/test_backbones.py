"""The packaged encoders are what their makers say."""

from pathlib import Path

import pytest
import torch
from transformers import WhisperConfig
from transformers.models.whisper.modeling_whisper import WhisperEncoder as Reference

from model_export import backbones
from model_export.errors import BackboneError


@pytest.fixture(scope="module")
def tiny() -> backbones.WhisperEncoder:
    return backbones.whisper().eval()


def test_our_whisper_computes_what_the_reference_computes(tiny: backbones.WhisperEncoder) -> None:
    config = WhisperConfig(
        d_model=384, encoder_layers=4, encoder_attention_heads=6, encoder_ffn_dim=1536, num_mel_bins=80
    )
    ours = tiny.state_dict()
    theirs = {"embed_positions.weight": ours["positions"]}
    theirs |= {name: ours[name] for name in ("conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias")}
    for i in range(4):
        mine, other = f"blocks.{i}.", f"layers.{i}."
        for part, (weight, bias) in {
            name: (w, b)
            for name, w, b in zip(
                ("q_proj", "k_proj", "v_proj"),
                ours[mine + "qkv.weight"].chunk(3),
                ours[mine + "qkv.bias"].chunk(3),
                strict=True,
            )
        }.items():
            theirs[f"{other}self_attn.{part}.weight"] = weight
            if part != "k_proj":
                theirs[f"{other}self_attn.{part}.bias"] = bias
        pairs = {
            "out": "self_attn.out_proj",
            "norm1": "self_attn_layer_norm",
            "norm2": "final_layer_norm",
            "up": "fc1",
            "down": "fc2",
        }
        for mine_part, their_part in pairs.items():
            for kind in ("weight", "bias"):
                theirs[f"{other}{their_part}.{kind}"] = ours[f"{mine}{mine_part}.{kind}"]
    reference = Reference(config).train(False)
    missing, unexpected = reference.load_state_dict(theirs, strict=False)
    assert (missing, unexpected) == (["layer_norm.weight", "layer_norm.bias"], [])
    mel = torch.randn(1, 80, 3000, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        states, inside = tiny.encode(mel, torch.tensor([3000]))
        expected = reference(mel).last_hidden_state
    assert inside.all()
    torch.testing.assert_close(torch.nn.functional.layer_norm(states[-1], (384,)), expected, atol=1e-4, rtol=1e-4)


def test_padding_changes_no_hidden_state(tiny: backbones.WhisperEncoder) -> None:
    mel = torch.randn(1, 80, 101, generator=torch.Generator().manual_seed(1))
    padded = torch.cat([mel, torch.zeros(1, 80, 77)], dim=2)
    with torch.inference_mode():
        alone, _ = tiny.encode(mel, torch.tensor([101]))
        beside, inside = tiny.encode(padded, torch.tensor([101]))
    assert int(inside.sum()) == 51
    for a, b in zip(alone, beside, strict=True):
        torch.testing.assert_close(b[:, :51], a, atol=2e-5, rtol=1e-4)


def test_only_the_upper_blocks_are_trained() -> None:
    encoder = backbones.WhisperEncoder(64, 4, 1)
    backbones.train_only(encoder, encoder.blocks, "last-2", "a small Whisper")
    trained = {name.split(".")[1] for name, p in encoder.named_parameters() if p.requires_grad}
    assert trained == {"2", "3"}


def test_the_text_encoder_knows_which_words_are_alike() -> None:
    from model_export.train import sentence_vectors

    vectors = sentence_vectors(backbones.sentence_encoder(), ["a sad voice", "an unhappy voice", "a bicycle repair"])
    like, unlike = torch.nn.functional.cosine_similarity(vectors[:1], vectors[1:])
    assert like > unlike + 0.2


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\x06\x00\x00\x00\xff\xff"])
def test_a_file_that_is_no_model_is_refused_by_name(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(content)
    with pytest.raises(BackboneError, match=r"model\.bin"):
        backbones.whisper(path)


def test_a_missing_package_is_named_with_the_remedy() -> None:
    with pytest.raises(BackboneError, match=r"emotionrank\[train\]"):
        backbones.packaged("no_such_package_here", "model")
