"""WavLM, HuBERT and wav2vec 2.0: transformers over the waveform itself, run at the clips' own lengths.

Chen et al. 2021, "WavLM"; Hsu et al. 2021, "HuBERT"; Baevski et al. 2020, "wav2vec 2.0". The three share their shape:
strided convolutions, a projection, a convolution over positions, transformer blocks (norm after each part in the base
models, before it in the large ones); WavLM adds a gated relative position bias to the attention (section 3.1 there).

The modules and their weights are those of `transformers`; the pass through them is ours, so that

* padding changes nothing: every part heeds the mask. The base models normalise the first convolution over time (group
  norm with one channel a group), which in `transformers` lets a clip's padding into its features; here mean and
  deviation are taken over the clip alone. A clip by itself gives what `transformers` gives.
* it exports to ONNX with both axes dynamic;
* nothing is dropped or masked at random beyond plain dropout (no layer drop, no SpecAugment), in training neither.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize
from transformers import PreTrainedModel

from model_export.frontend import Wave, mask

FAMILIES = ("wavlm", "hubert", "wav2vec2")


class WaveEncoder(nn.Module):
    """Samples at 16 kHz -> the hidden states before the first block and after each block."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        config: Any = model.config
        parts: Any = model
        self.width, self.states = int(config.hidden_size), int(config.num_hidden_layers) + 1
        self.heads = int(config.num_attention_heads)
        self.norm_first = bool(config.do_stable_layer_norm)
        self.buckets = (
            (int(config.num_buckets), int(config.max_bucket_distance)) if config.model_type == "wavlm" else None
        )
        self.steps = list(zip(config.conv_kernel, config.conv_stride, strict=True))
        self.frontend = Wave()
        self.convolutions: nn.ModuleList = parts.feature_extractor.conv_layers
        self.projection: nn.Module = parts.feature_projection
        self.positions: nn.Module = parts.encoder.pos_conv_embed
        self.norm: nn.Module = parts.encoder.layer_norm
        self.dropout: nn.Module = parts.encoder.dropout
        self.blocks: nn.ModuleList = parts.encoder.layers
        if parametrize.is_parametrized(parts.encoder.pos_conv_embed.conv):
            # Weight norm only helped the pretraining; a plain weight exports.
            parametrize.remove_parametrizations(parts.encoder.pos_conv_embed.conv, "weight")

    def forward(self, samples: Tensor, lengths: Tensor) -> tuple[list[Tensor], Tensor]:
        """Samples [batch, n], lengths [batch] -> states [batch, steps, width] and mask [batch, steps].

        A step is 20 ms in all published models; the mask is true for the steps inside.
        """
        return self.encode(*self.frontend(samples, lengths))

    def encode(self, wave: Tensor, lengths: Tensor) -> tuple[list[Tensor], Tensor]:
        """As `forward`, from what the front end gives: zero mean, unit variance, zeros past the end."""
        features, frames = self._convolve(wave, lengths)
        inside = mask(frames, features.shape[1])
        keep = inside[:, :, None].to(features.dtype)
        x = self._project(features) * keep
        x = x + self._position(x, keep)
        if not self.norm_first:
            x = self.norm(x)
        x = self.dropout(x)
        padding = torch.where(inside, 0.0, -1e9)[:, None, None, :]
        relative = self._relative(x.shape[1], x.device) if self.buckets else None
        states = [x]
        for block in self.blocks:
            states.append(self._block(block, states[-1], padding, relative))
        return states, inside

    def _convolve(self, wave: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """[batch, samples] -> [batch, frames, channels] and the number of frames that see nothing but the clip."""
        field, stride = 1, 1
        for kernel, step in self.steps:
            field, stride = field + (kernel - 1) * stride, stride * step
        x, frames = F.pad(wave, (0, field))[:, None], lengths
        for layer, (kernel, step) in zip(self.convolutions, self.steps, strict=True):
            part: Any = layer
            x = part.conv(x)
            frames = ((frames - kernel) // step + 1).clamp(min=1)
            norm = getattr(part, "layer_norm", None)
            if isinstance(norm, nn.GroupNorm):
                x = _norm_over_time(norm, x, mask(frames, x.shape[2])[:, None].to(x.dtype))
            elif norm is not None:
                x = norm(x.transpose(1, 2)).transpose(1, 2)
            x = part.activation(x)
        return x.transpose(1, 2), frames

    def _project(self, features: Tensor) -> Tensor:
        part: Any = self.projection
        if hasattr(part, "layer_norm"):
            features = part.layer_norm(features)
        projected: Tensor = part.dropout(part.projection(features))
        return projected

    def _position(self, x: Tensor, keep: Tensor) -> Tensor:
        part: Any = self.positions
        x = x.transpose(1, 2)
        if getattr(part, "batch_norm", None) is not None:
            x = part.batch_norm(x) * keep.transpose(1, 2)
        moved: Tensor = part.activation(part.padding(part.conv(x))).transpose(1, 2)
        return moved

    def _block(self, block: nn.Module, x: Tensor, padding: Tensor, relative: Tensor | None) -> Tensor:
        part: Any = block
        if self.norm_first:
            x = x + part.dropout(self._attend(part.attention, part.layer_norm(x), padding, relative))
            x = x + part.feed_forward(part.final_layer_norm(x))
            adapter = getattr(part, "adapter_layer", None)
            return x if adapter is None else x + adapter(x)
        x = part.layer_norm(x + part.dropout(self._attend(part.attention, x, padding, relative)))
        done: Tensor = part.final_layer_norm(x + part.feed_forward(x))
        return done

    def _attend(self, part: Any, x: Tensor, padding: Tensor, relative: Tensor | None) -> Tensor:
        batch, frames, width = x.shape
        shape = (batch, frames, self.heads, width // self.heads)
        q, k, v = (project(x).view(shape).transpose(1, 2) for project in (part.q_proj, part.k_proj, part.v_proj))
        bias = padding
        if relative is not None:
            bias = padding + self._gate(part, x.view(shape).transpose(1, 2)) * relative
        # In single steps: the fused attention with a bias a head does not export with dynamic axes.
        shares = torch.softmax(q @ k.transpose(2, 3) / math.sqrt(width // self.heads) + bias, dim=3)
        attended = F.dropout(shares, part.dropout, part.training) @ v
        mixed: Tensor = part.out_proj(attended.transpose(1, 2).reshape(batch, frames, width))
        return mixed

    def _gate(self, part: Any, x: Tensor) -> Tensor:
        """How much the position counts for each query [batch, heads, frames, 1] (WavLM, equations 2-5)."""
        gates = part.gru_rel_pos_linear(x)
        batch, heads, frames, _ = gates.shape
        update, reset = torch.sigmoid(gates.view(batch, heads, frames, 2, 4).sum(dim=4)).chunk(2, dim=3)
        gate: Tensor = update * (reset * part.gru_rel_pos_const - 1.0) + 2.0
        return gate

    def _relative(self, frames: int, device: torch.device) -> Tensor:
        """The bias of each head for the distance from query to key [1, heads, frames, frames] (of the first block)."""
        assert self.buckets is not None
        half, furthest = self.buckets[0] // 2, self.buckets[1]
        exact = half // 2
        place = torch.arange(frames, device=device)
        distance = place[None, :] - place[:, None]
        far = distance.abs().clamp(min=exact).float()
        # Distances are exact up to a quarter of the buckets, logarithmic beyond.
        coarse = (
            (exact + torch.log(far / exact) / math.log(furthest / exact) * (half - exact)).long().clamp(max=half - 1)
        )
        bucket = torch.where(distance.abs() < exact, distance.abs(), coarse) + (distance > 0).long() * half
        first: Any = self.blocks[0]
        bias: Tensor = first.attention.rel_attn_embed(bucket).permute(2, 0, 1)[None]
        return bias


def _norm_over_time(norm: nn.GroupNorm, x: Tensor, keep: Tensor) -> Tensor:
    """Group norm, one channel a group, over the frames inside: x [batch, channels, frames], keep [batch, 1, frames]."""
    count = keep.sum(dim=2, keepdim=True)
    mean = (x * keep).sum(dim=2, keepdim=True) / count
    variance = ((x - mean) * keep).square().sum(dim=2, keepdim=True) / count
    return (x - mean) / (variance + norm.eps).sqrt() * norm.weight[:, None] + norm.bias[:, None]
