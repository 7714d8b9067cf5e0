"""The two towers and the affect read-out that they share.

samples, lengths     -> front end, speech encoder -> each layer pooled over time -> learned mix of layers -> linear
                        -> unit embedding
input_ids, attention -> text encoder -> mean of tokens -> small MLP -> unit embedding
unit embedding       -> one linear map -> affect on 1..7, the same for both modalities; of sound, a second opinion may
                        have a say in it (`steadying`)

The layers are mixed by a learned softmax (Peters et al. 2018, "Deep contextualized word representations", section
3.2; Yang et al. 2021, "SUPERB") after each has been normalised and pooled, so that what a frozen speech encoder says
of a clip is computed once and kept.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from encoders.affect import HIGH, NEUTRAL
from model_export import backbones, pooling
from model_export.backbones import SpeechEncoder, TextEncoder
from model_export.errors import BackboneError

SPAN = HIGH - NEUTRAL  # the half-width of the scale
WIN_DUR, HOP_DUR = 4.0, 2.0  # seconds: the windows that a bundle asks for, and the most that validation hears


def read_affect(read_out: nn.Module, embedding: Tensor) -> Tensor:
    """(valence, arousal) on 1..7 of unit embeddings [batch, dim]: [batch, 2]."""
    affect: Tensor = NEUTRAL + SPAN * read_out(embedding)
    return affect


@dataclass(frozen=True, slots=True)
class TowerConfig:
    """What the towers are made of, and how much of it is trained.

    `audio` and `text` name a backbone: "whisper-tiny.en", "whisper-base" and "minilm" (packaged), a local folder, or a
    name at Hugging Face. Of the audio backbone the first `audio_blocks` blocks are kept (0: all). `train_audio` and
    `train_text` are "frozen", "last-N" (the last N blocks that are kept) or "all". `pooling` is one of
    `pooling.POOLINGS`; `dim` is the embedding's width.
    """

    audio: str = "whisper-tiny.en"
    audio_blocks: int = 0
    text: str = "minilm"
    train_audio: str = "last-3"
    train_text: str = "frozen"
    pooling: str = "statistics"
    dim: int = 512
    dropout: float = 0.2


class AudioTower(nn.Module):
    """samples [batch, n] at 16 kHz, lengths [batch] -> unit embedding [batch, dim]."""

    def __init__(self, encoder: SpeechEncoder, dim: int, dropout: float, pool: str = "statistics") -> None:
        super().__init__()
        self.encoder = encoder
        self.pool = pool
        features = encoder.width if pool == "mean" else 2 * encoder.width
        self.attention = pooling.Attention(encoder.width) if pool == "attentive" else None
        self.layer_weights = nn.Parameter(torch.zeros(encoder.states))
        self.statistics_norm = nn.LayerNorm(features)
        self.dropout = nn.Dropout(dropout)
        self.projection = nn.Linear(features, dim)

    def statistics(self, samples: Tensor, lengths: Tensor) -> Tensor:
        """What the encoder says of each clip, before anything of the head: [batch, layers, features].

        Each layer's states are normalised (layer norm without gain and offset) and pooled over time: mean and
        deviation, `features` = 2 * width, or the mean alone. With a frozen encoder these never change in training.

        Raises:
            BackboneError: what the pooling gives is learned, so that there are no such statistics.
        """
        if self.pool in pooling.LEARNED:
            raise BackboneError(
                f'pooling "{self.pool}" is learned, so there are no fixed statistics of a clip to keep; '
                'use pooling "statistics" or "mean", or train without kept features'
            )
        return self.pooled(*self.states(samples, lengths))

    def project(self, statistics: Tensor) -> Tensor:
        """Statistics [batch, layers, features], or [batch, 1, features] of the mix -> unit embedding [batch, dim]."""
        mixed = statistics[:, 0] if self.pool == "mixed" else (statistics * self._mix()[:, None]).sum(dim=1)
        return F.normalize(self.projection(self.dropout(self.statistics_norm(mixed))), dim=1)

    def forward(self, samples: Tensor, lengths: Tensor) -> Tensor:
        """Unit embedding [batch, dim]."""
        return self.project(self.pooled(*self.states(samples, lengths)))

    def train(self, mode: bool = True) -> Self:
        """Training or evaluation mode; what is frozen of the encoder stays in evaluation mode."""
        super().train(mode)
        backbones.settle(self.encoder)
        return self

    def _mix(self) -> Tensor:
        return torch.softmax(self.layer_weights, dim=0)

    def states(self, samples: Tensor, lengths: Tensor) -> tuple[list[Tensor], Tensor]:
        """Each layer's normalised states [batch, steps, width], and which steps are inside [batch, steps]."""
        states, inside = self.encoder(samples, lengths)
        return [F.layer_norm(state, state.shape[-1:]) for state in states], inside

    def pooled(self, states: list[Tensor], inside: Tensor) -> Tensor:
        """States of the layers -> what `project` takes."""
        weights = pooling.even(inside, states[0].dtype)
        if self.pool in pooling.LEARNED:
            mix = self._mix()
            mixed = torch.stack([share * state for share, state in zip(mix, states, strict=True)]).sum(dim=0)
            if self.attention is None:
                return pooling.mean_and_deviation(mixed, weights)[:, None]
            weights = self.attention(mixed, inside)
        pool = pooling.mean if self.pool == "mean" else pooling.mean_and_deviation
        return torch.stack([pool(state, weights) for state in states], dim=1)


class TextTower(nn.Module):
    """Token ids and mask [batch, tokens] -> unit embedding [batch, dim]."""

    def __init__(self, encoder: TextEncoder, dim: int, dropout: float) -> None:
        super().__init__()
        self.encoder = encoder
        self.projection = nn.Sequential(
            nn.LayerNorm(encoder.width),
            nn.Dropout(dropout),
            nn.Linear(encoder.width, dim),
            nn.GELU(),
            nn.Linear(dim, dim),
        )

    def project(self, pooled: Tensor) -> Tensor:
        """From sentence vectors [batch, width]: a frozen encoder's are computed once for every caption."""
        return F.normalize(self.projection(pooled), dim=1)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Unit embedding [batch, dim]."""
        return self.project(self.encoder(input_ids, attention_mask))

    def train(self, mode: bool = True) -> Self:
        """Training or evaluation mode; what is frozen of the encoder stays in evaluation mode."""
        super().train(mode)
        backbones.settle(self.encoder)
        return self


class Towers(nn.Module):
    """Both towers, the shared read-out, and the file `tokenizer.json` that the text tower's token ids come from."""

    def __init__(self, audio: AudioTower, text: TextTower, dim: int, tokenizer: Path) -> None:
        super().__init__()
        self.audio = audio
        self.text = text
        self.read_out = nn.Linear(dim, 2)
        self.tokenizer = tokenizer

    def affect(self, embedding: Tensor) -> Tensor:
        """(valence, arousal) on 1..7 of unit embeddings [batch, dim]: [batch, 2]."""
        return read_affect(self.read_out, embedding)


class Exported(nn.Module):
    """One tower with the read-out: the module that becomes an ONNX file.

    An audio tower's affect goes through `opinion(affect, states, inside)` where there is one.
    """

    def __init__(self, tower: AudioTower | TextTower, towers: Towers, opinion: nn.Module | None = None) -> None:
        super().__init__()
        self.tower = tower
        self.read_out = towers.read_out
        self.opinion = opinion

    def forward(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """Embedding [batch, dim] and affect [batch, 2]."""
        if self.opinion is None or isinstance(self.tower, TextTower):
            embedding = self.tower(first, second)
            return embedding, read_affect(self.read_out, embedding)
        states, inside = self.tower.states(first, second)
        embedding = self.tower.project(self.tower.pooled(states, inside))
        return embedding, self.opinion(read_affect(self.read_out, embedding), states, inside)


def build(config: TowerConfig) -> Towers:
    """The towers over pretrained backbones, in training mode, with gradients where the config wants them.

    Raises:
        BackboneError: a backbone cannot be had, or the config asks for what does not exist.
    """
    _check(config)
    speech = backbones.speech(config.audio)
    backbones.keep_first(speech, config.audio_blocks, f"the audio backbone {config.audio}")
    backbones.train_only(speech, config.train_audio, f"the audio backbone {config.audio}")
    text, tokenizer = backbones.text(config.text)
    backbones.train_only(text, config.train_text, f"the text backbone {config.text}")
    audio_tower = AudioTower(speech, config.dim, config.dropout, config.pooling)
    text_tower = TextTower(text, config.dim, config.dropout)
    return Towers(audio_tower, text_tower, config.dim, tokenizer).train()


def _check(config: TowerConfig) -> None:
    if config.pooling not in pooling.POOLINGS:
        raise BackboneError(f'there is no pooling "{config.pooling}"; there are {", ".join(pooling.POOLINGS)}')
    if config.dim < 1:
        raise BackboneError(f"an embedding of width {config.dim} holds nothing; dim is at least 1")
    if not 0 <= config.dropout < 1:
        raise BackboneError(f"dropout {config.dropout} is no share; it is at least 0 and under 1")
