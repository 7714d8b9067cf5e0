"""The two towers and the affect read-out that they share.

samples, lengths     -> LogMel -> Whisper encoder -> mean and deviation of mixed layers -> linear -> unit embedding
input_ids, attention -> sentence encoder -> mean of tokens                  -> small MLP -> unit embedding
unit embedding       -> one linear map -> affect on 1..7, the same for both modalities
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from encoders.affect import HIGH, NEUTRAL
from model_export.backbones import TextEncoder, WhisperEncoder, sentence_encoder, whisper
from model_export.frontend import LogMel

SPAN = HIGH - NEUTRAL  # the half-width of the scale
WIN_DUR, HOP_DUR = 4.0, 2.0  # seconds: the windows that a bundle asks for, and the most that validation hears


def read_affect(read_out: nn.Module, embedding: Tensor) -> Tensor:
    """(valence, arousal) on 1..7 of unit embeddings [batch, dim]: [batch, 2]."""
    affect: Tensor = NEUTRAL + SPAN * read_out(embedding)
    return affect


class AudioTower(nn.Module):
    """samples [batch, n] at 16 kHz, lengths [batch] -> unit embedding [batch, dim]."""

    def __init__(self, encoder: WhisperEncoder, dim: int, dropout: float) -> None:
        super().__init__()
        self.frontend = LogMel()
        self.encoder = encoder
        states = len(encoder.blocks) + 1
        self.layer_weights = nn.Parameter(torch.zeros(states))
        self.layer_norms = nn.ModuleList(nn.LayerNorm(encoder.width, elementwise_affine=False) for _ in range(states))
        self.statistics_norm = nn.LayerNorm(2 * encoder.width)
        self.dropout = nn.Dropout(dropout)
        self.projection = nn.Linear(2 * encoder.width, dim)

    def statistics(self, samples: Tensor, lengths: Tensor) -> Tensor:
        """Mean and standard deviation over time of the weighted mean of all layers: [batch, 2 * width]."""
        mel, frames = self.frontend(samples, lengths)
        states, inside = self.encoder(mel, frames)
        weights = torch.softmax(self.layer_weights, dim=0)
        mixed = sum(w * norm(state) for w, norm, state in zip(weights, self.layer_norms, states, strict=True))
        assert isinstance(mixed, Tensor)
        keep = inside[:, :, None].to(mixed.dtype)
        count = keep.sum(dim=1).clamp(min=1.0)
        mean = (mixed * keep).sum(dim=1) / count
        variance = ((mixed - mean[:, None]).square() * keep).sum(dim=1) / count
        return torch.cat([mean, (variance + 1e-6).sqrt()], dim=1)

    def forward(self, samples: Tensor, lengths: Tensor) -> Tensor:
        """Unit embedding [batch, dim]."""
        pooled = self.dropout(self.statistics_norm(self.statistics(samples, lengths)))
        return F.normalize(self.projection(pooled), dim=1)


class TextTower(nn.Module):
    """Token ids and mask [batch, tokens] -> unit embedding [batch, dim]; the encoder itself stays frozen."""

    def __init__(self, encoder: TextEncoder, dim: int, dropout: float) -> None:
        super().__init__()
        self.encoder = encoder.requires_grad_(False)
        self.projection = nn.Sequential(
            nn.LayerNorm(encoder.width),
            nn.Dropout(dropout),
            nn.Linear(encoder.width, dim),
            nn.GELU(),
            nn.Linear(dim, dim),
        )

    def project(self, pooled: Tensor) -> Tensor:
        """From the frozen encoder's sentence vectors [batch, width]: training computes those once for every caption."""
        return F.normalize(self.projection(pooled), dim=1)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Unit embedding [batch, dim]."""
        return self.project(self.encoder(input_ids, attention_mask))


class Towers(nn.Module):
    """Both towers and the shared read-out."""

    def __init__(self, audio: AudioTower, text: TextTower, dim: int) -> None:
        super().__init__()
        self.audio = audio
        self.text = text
        self.read_out = nn.Linear(dim, 2)

    def affect(self, embedding: Tensor) -> Tensor:
        """(valence, arousal) on 1..7 of unit embeddings [batch, dim]: [batch, 2]."""
        return read_affect(self.read_out, embedding)


class Exported(nn.Module):
    """One tower with the read-out: the module that becomes an ONNX file."""

    def __init__(self, tower: AudioTower | TextTower, towers: Towers) -> None:
        super().__init__()
        self.tower = tower
        self.read_out = towers.read_out

    def forward(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """Embedding [batch, dim] and affect [batch, 2]."""
        embedding = self.tower(first, second)
        return embedding, read_affect(self.read_out, embedding)


def build(dim: int = 512, dropout: float = 0.2, train_from_block: int = 1) -> Towers:
    """Towers over the packaged Whisper tiny.en and MiniLM; audio blocks from `train_from_block` on are trainable."""
    encoder = whisper()
    encoder.freeze_below(train_from_block)
    return Towers(AudioTower(encoder, dim, dropout), TextTower(sentence_encoder(), dim, dropout), dim)
