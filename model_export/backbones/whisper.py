"""Whisper's audio encoder (Radford et al. 2022, "Robust Speech Recognition via Large-Scale Weak Supervision").

Our own module, because speech must be encoded at its own length with its padding masked, which the reference
implementation (always 30 s) does not offer. Its weights come from a CTranslate2 file or from a Hugging Face model.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import WhisperModel

from model_export.backbones import ctranslate2, hub
from model_export.errors import BackboneError
from model_export.frontend import N_MELS, LogMel, mask

_HEAD = 64  # the width of a head, in every size of Whisper


class Block(nn.Module):
    """One pre-norm transformer block of Whisper, attending only to frames inside the mask."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """X [batch, frames, width]; bias [batch, 1, 1, frames] is 0 inside and very negative outside."""
        batch, frames, width = x.shape
        qkv = self.qkv(self.norm1(x)).view(batch, frames, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        x = x + self.out(attended.transpose(1, 2).reshape(batch, frames, width))
        hidden: Tensor = x + self.down(F.gelu(self.up(self.norm2(x))))
        return hidden


class WhisperEncoder(nn.Module):
    """Samples at 16 kHz, up to 30 s -> log-mel -> the hidden states after the stem and after each block."""

    def __init__(
        self, width: int = 384, layers: int = 4, heads: int = 6, positions: int = 1500, mels: int = N_MELS
    ) -> None:
        super().__init__()
        self.width, self.states = width, layers + 1
        self.frontend = LogMel(mels)
        self.conv1 = nn.Conv1d(mels, width, 3, padding=1)
        self.conv2 = nn.Conv1d(width, width, 3, stride=2, padding=1)
        # Sinusoids: Whisper never trained them.
        self.register_buffer("positions", torch.zeros(positions, width))
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))

    positions: Tensor

    def forward(self, samples: Tensor, lengths: Tensor) -> tuple[list[Tensor], Tensor]:
        """Samples [batch, n], lengths [batch] -> states and mask, see `encode`."""
        return self.encode(*self.frontend(samples, lengths))

    def encode(self, mel: Tensor, frames: Tensor) -> tuple[list[Tensor], Tensor]:
        """Log-mel [batch, mels, m], frames [batch] -> states [batch, steps, width] and mask [batch, steps].

        A step is 20 ms; the mask is true for the steps inside.
        """
        x = F.gelu(self.conv1(mel)) * mask(frames, mel.shape[2])[:, None]
        x = F.gelu(self.conv2(x)).transpose(1, 2)
        inside = mask((frames + 1) // 2, x.shape[1])
        x = (x + self.positions[: x.shape[1]]) * inside[:, :, None]
        bias = torch.where(inside, 0.0, -1e9)[:, None, None, :]
        states = [x]
        for block in self.blocks:
            states.append(block(states[-1], bias))
        return states, inside


def _filled(state: dict[str, Tensor], source: str, heads: int | None = None) -> WhisperEncoder:
    """The encoder of whatever size the weights have; BackboneError when they are no Whisper's."""
    try:
        width, mels, _ = state["conv1.weight"].shape
        layers = len({name.split(".")[1] for name in state if name.startswith("blocks.")})
        encoder = WhisperEncoder(width, layers, heads or width // _HEAD, len(state["positions"]), mels)
        encoder.load_state_dict(state)
    except (KeyError, ValueError, RuntimeError, ZeroDivisionError) as error:
        raise BackboneError(f"{source}: its weights are not those of a Whisper encoder ({error})") from error
    return encoder


def from_ctranslate2(path: Path, *parts: Path) -> WhisperEncoder:
    """Whisper's encoder with the weights of a CTranslate2 file `model.bin`, whole or in parts.

    Raises:
        BackboneError: the file cannot be read, or holds another kind of model.
    """
    variables = {
        name.removeprefix("encoder/"): value
        for name, value in ctranslate2.read(path, *parts).items()
        if name.startswith("encoder/")
    }
    named = {"conv1": "conv1", "conv2": "conv2"}
    for i in range(len({name.split("/")[0] for name in variables if name.startswith("layer_") and name[6].isdigit()})):
        ours, theirs = f"blocks.{i}.", f"layer_{i}/"
        named |= {
            ours + "norm1": theirs + "self_attention/layer_norm",
            ours + "qkv": theirs + "self_attention/linear_0",
            ours + "out": theirs + "self_attention/linear_1",
            ours + "norm2": theirs + "ffn/layer_norm",
            ours + "up": theirs + "ffn/linear_0",
            ours + "down": theirs + "ffn/linear_1",
        }
    state = {}
    try:
        state["positions"] = variables["position_encodings/encodings"]
        for mine, theirs in named.items():
            gain, offset = ("gamma", "beta") if "norm" in mine else ("weight", "bias")
            state[mine + ".weight"] = variables[f"{theirs}/{gain}"]
            state[mine + ".bias"] = variables[f"{theirs}/{offset}"]
    except KeyError as error:
        raise BackboneError(
            f"{path}: a CTranslate2 model, but not a Whisper (it has no encoder/{error.args[0]})"
        ) from error
    return _filled(state, str(path))


def from_hugging_face(name: str) -> WhisperEncoder:
    """Whisper's encoder with the weights of a folder or name of Hugging Face.

    Raises:
        BackboneError: see `hub.read_model`.
    """
    model = hub.read_model(name, WhisperModel)
    theirs = model.get_encoder().state_dict()
    parts = {"conv1": "conv1", "conv2": "conv2"}
    state = {"positions": theirs["embed_positions.weight"]}
    for i in range(model.config.encoder_layers):
        mine, other = f"blocks.{i}.", f"layers.{i}."
        parts |= {
            mine + "norm1": other + "self_attn_layer_norm",
            mine + "out": other + "self_attn.out_proj",
            mine + "norm2": other + "final_layer_norm",
            mine + "up": other + "fc1",
            mine + "down": other + "fc2",
        }
        q, k, v = (other + f"self_attn.{letter}_proj." for letter in "qkv")
        bias = theirs[q + "bias"]
        state[mine + "qkv.weight"] = torch.cat([theirs[part + "weight"] for part in (q, k, v)])
        # Keys have no bias: it would cancel in the softmax.
        state[mine + "qkv.bias"] = torch.cat([bias, torch.zeros_like(bias), theirs[v + "bias"]])
    for mine, other in parts.items():
        for kind in (".weight", ".bias"):
            state[mine + kind] = theirs[other + kind]
    return _filled(state, name, model.config.encoder_attention_heads)
