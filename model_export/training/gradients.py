"""Gradients of a loss over more embeddings than fit into memory at once, in the way of GradCache.

The loss ranks every clip against every caption, so it cannot be summed over parts of a batch. Instead (Gao et al.
2021, arXiv 2101.06983) each part is embedded without a graph, the loss of all embeddings gives the gradient of each,
and each part is embedded once more, with a graph, to take its embeddings' gradient back to the weights. Dropout is
the same both times, because each part has its own seed.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Part = Callable[[], Tensor]


def _embed(part: Part, seed: int) -> Tensor:
    torch.manual_seed(seed)  # of every device
    return part()


def backward(
    audio: Sequence[Part], text: Sequence[Part], objective: Callable[[Tensor, Tensor], Tensor], seed: int
) -> Tensor:
    """Add the gradient of `objective(audio embeddings, text embeddings)` to the weights; returns the loss' value.

    Each part gives the embeddings [k, dim] of some clips or captions when it is called. `seed` fixes all that is
    random in them; parts k and k + 1 get seeds `seed + k` and `seed + k + 1`.
    """
    parts = [*audio, *text]
    if len(audio) == len(text) == 1:
        loss = objective(_embed(audio[0], seed), _embed(text[0], seed + 1))
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()
    with torch.no_grad():
        embedded = [_embed(part, seed + k) for k, part in enumerate(parts)]
    for embedding in embedded:
        embedding.requires_grad_()
    loss = objective(torch.cat(embedded[: len(audio)]), torch.cat(embedded[len(audio) :]))
    loss.backward()  # type: ignore[no-untyped-call]
    for k, (part, embedding) in enumerate(zip(parts, embedded, strict=True)):
        _embed(part, seed + k).backward(embedding.grad)  # type: ignore[no-untyped-call]
    return loss.detach()
