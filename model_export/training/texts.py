"""The captions of a run: which there are, where they lie, and their embeddings."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self, cast

import numpy as np
import numpy.typing as npt
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from model_export import captions
from model_export.backbones.text import MAX_TOKENS
from model_export.captions import Caption, Sampler, column
from model_export.captions.grammar import banned_in
from model_export.manifest import Row
from model_export.towers import TextTower, Towers
from model_export.training.cache import fingerprint, kept_array
from model_export.training.config import CaptionConfig
from model_export.training.sources import Indices


@dataclass(frozen=True, slots=True)
class Pool:
    """Every caption of a run: first the grammar's, which are drawn by their place, then the clips' own.

    `places` is [captions, 3], valence, arousal and dominance on 1..7; `own` gives for each clip the positions of its
    own captions, none where it has none.
    """

    captions: list[Caption]
    places: npt.NDArray[np.float32]
    own: list[Indices]
    sampler: Sampler

    @classmethod
    def of(cls, rows: Sequence[Row], places: npt.NDArray[np.float32], config: CaptionConfig, seed: int) -> Self:
        """The captions of a run over rows at these places [rows, 3]; a clip's own captions have its place."""
        leave_out = frozenset(config.leave_out)
        banned = banned_in(leave_out)
        grammar = captions.pool(seed, config.pool, leave_out)
        where = [np.array([(*caption.affect, caption.dominance) for caption in grammar], dtype=np.float32)]
        everything, own = list(grammar), []
        for clip, written in enumerate(column.own(rows) if config.source == "column" else [[]] * len(rows)):
            theirs = [caption for caption in written if not (banned and banned.search(caption.text.lower()))]
            own.append(np.arange(len(everything), len(everything) + len(theirs), dtype=np.int64))
            where.append(np.tile(places[clip], (len(theirs), 1)))
            everything += theirs
        return cls(everything, np.concatenate(where), own, Sampler(grammar, config.spread))

    def beside(self, clip: int, place: npt.NDArray[np.float32], rng: np.random.Generator) -> int:
        """One of the clip's own captions, else one of the grammar's near its place."""
        if len(self.own[clip]):
            return int(rng.choice(self.own[clip]))
        return self.sampler.near(place.astype(np.float64), rng)


class Texts(Protocol):
    """The captions as the text tower takes them."""

    def embed(self, tower: TextTower, chosen: Indices) -> Tensor:
        """Unit embeddings [n, dim] of the captions at these positions."""
        ...


@dataclass(frozen=True, slots=True)
class FrozenTexts:
    """`Texts` of a frozen encoder: its vectors [captions, width] are computed once."""

    vectors: Tensor

    def embed(self, tower: TextTower, chosen: Indices) -> Tensor:
        """Unit embeddings [n, dim]."""
        return tower.project(self.vectors[torch.from_numpy(chosen).to(self.vectors.device)])


@dataclass(frozen=True, slots=True)
class LiveTexts:
    """`Texts` of an encoder that is trained: token ids go through it at every step."""

    tokens: list[list[int]]
    padding: int
    device: torch.device

    def embed(self, tower: TextTower, chosen: Indices) -> Tensor:
        """Unit embeddings [n, dim]."""
        ids, mask = padded([self.tokens[i] for i in chosen], self.padding)
        return cast(Tensor, tower(ids.to(self.device), mask.to(self.device)))


def texts_of(model: Towers, pool: Pool, folder: Path, device: torch.device) -> Texts:
    """The pool's captions for the model's text tower; a frozen encoder's vectors are kept in `folder`."""
    tokens, padding = tokenise(model.tokenizer, [caption.text for caption in pool.captions])
    encoder = model.text.encoder
    if any(weight.requires_grad for weight in encoder.parameters()):
        return LiveTexts(tokens, padding, device)
    key = hashlib.sha256((fingerprint(encoder) + repr(tokens)).encode()).hexdigest()[:16]
    vectors = kept_array(folder / f"text-{key}.npy", lambda: sentence_vectors(encoder, tokens, padding, device).cpu())
    return FrozenTexts(vectors.to(device))


def tokenise(tokenizer: Path, texts: Sequence[str]) -> tuple[list[list[int]], int]:
    """Token ids of texts, at most 128 each, and the id that pads them."""
    made = Tokenizer.from_file(str(tokenizer))
    padding = (made.padding or {}).get("pad_id", 0)
    made.enable_truncation(MAX_TOKENS)
    made.no_padding()
    return [encoded.ids for encoded in made.encode_batch(list(texts))], padding


def padded(tokens: Sequence[list[int]], padding: int) -> tuple[Tensor, Tensor]:
    """Token ids and attention mask, int64 [n, longest]."""
    longest = max(map(len, tokens))
    ids = torch.tensor([row + [padding] * (longest - len(row)) for row in tokens])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in tokens])
    return ids, mask


def sentence_vectors(
    encoder: nn.Module, tokens: Sequence[list[int]], padding: int, device: torch.device, batch: int = 256
) -> Tensor:
    """The encoder's vectors of texts: float32 [n, width]."""
    order = sorted(range(len(tokens)), key=lambda i: len(tokens[i]))
    vectors: list[Tensor] = [torch.empty(0)] * len(tokens)
    encoder.eval()
    with torch.inference_mode():
        for start in range(0, len(order), batch):
            part = order[start : start + batch]
            ids, mask = padded([tokens[i] for i in part], padding)
            for index, vector in zip(part, encoder(ids.to(device), mask.to(device)), strict=True):
                vectors[index] = vector
    return torch.stack(vectors).float().clone()


def embed_texts(model: Towers, texts: Sequence[str], device: torch.device) -> Tensor:
    """Unit embeddings [n, dim] of any texts, in evaluation mode."""
    tokens, padding = tokenise(model.tokenizer, texts)
    model.eval()
    with torch.inference_mode():
        return model.text.project(sentence_vectors(model.text.encoder, tokens, padding, device)).cpu()
