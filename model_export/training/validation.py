"""How well a run does on speakers that it never hears: Kendall's tau-b of the affect read-out against the labels."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model_export.evaluation.clips import AXES
from model_export.evaluation.measures import tau
from model_export.manifest import Row
from model_export.towers import Towers
from model_export.training import distributed
from model_export.training.sources import Indices, Source

Floats = npt.NDArray[np.float32]


def embed_clips(
    model: Towers, source: Source, clips: Indices, device: torch.device, batch: int = 32
) -> tuple[Floats, Floats]:
    """Embedding [n, dim] and affect [n, 2] of the first window of every clip; the ranks share the work."""
    embeddings: list[Tensor] = [torch.empty(0, model.read_out.in_features)]
    affects: list[Tensor] = [torch.empty(0, 2)]
    own = clips[distributed.share(len(clips))]
    model.eval()
    with torch.inference_mode():
        for start in range(0, len(own), batch):
            heard = tuple(tensor.to(device) for tensor in source.plain(own[start : start + batch]))
            embedding = source.embed(model.audio, heard)
            embeddings.append(embedding.cpu())
            affects.append(model.affect(embedding).cpu())
    shares = distributed.everyones((torch.cat(embeddings).numpy(), torch.cat(affects).numpy()))
    return np.concatenate([e for e, _ in shares]), np.concatenate([a for _, a in shares])


def corpus_tau(rows: Sequence[Row], affect: Floats) -> dict[str, float]:
    """Kendall's tau-b of valence and arousal against the labels, mean over the corpora.

    Corpora whose labels are all alike have no order and are left out; predictions that are all alike, or not numbers,
    count 0.
    """
    corpora = np.array([row.corpus for row in rows])
    labels = np.array([row.affect for row in rows])
    taus: dict[str, list[float]] = {name: [] for name in AXES}
    for corpus in np.unique(corpora):
        here = corpora == corpus
        for axis, name in enumerate(AXES):
            if len(np.unique(labels[here, axis])) > 1:
                read = affect[here, axis]
                orders = np.isfinite(read).all() and len(np.unique(read)) > 1
                taus[name].append(tau(read, labels[here, axis]) if orders else 0.0)
    return {name: float(np.mean(values)) for name, values in taus.items()}
