"""The cross-modal Rank-N-Contrast loss of EmotionRankCLAP (arXiv 2505.23732), and the alignment of pairs beside it.

For anchors i and candidates j with similarity S [n, m] (already divided by the temperature) and affect distance d [n,
m]:

    L = mean over i, j of  -log [ exp(S_ij) / sum over {k : d_ik >= d_ij} of exp(S_ik) ]

Every candidate is in turn the positive, against all that lie at least as far from the anchor in the valence-arousal
plane; so similarity must fall in the order of affect. Rank-N-Contrast: Zha et al., NeurIPS 2023 (arXiv 2210.01189),
section 3.
"""

import torch
from torch import Tensor

# Distances are compared in steps of this size: one pair of labels may give sums that differ in the last bit.
TIE = 1e-5


def affect_distance(a: Tensor, b: Tensor) -> Tensor:
    """Euclidean distances [n, m] between rows of a [n, axes] and b [m, axes]: valence, arousal and any further axis."""
    return (a[:, None] - b[None]).square().sum(dim=-1).sqrt()


def rank_n_contrast(similarity: Tensor, distance: Tensor) -> Tensor:
    """One direction of the loss, O(n m log m): rows are anchors, columns candidates.

    Each row is sorted farthest first; the denominator of a candidate is then the running log-sum-exp read at the end
    of its tie group. Ties share a denominator, so the loss cannot fall below mean(log(size of the tie group)).
    """
    steps, order = torch.sort(torch.round(distance / TIE), dim=1, descending=True, stable=True)
    ranked = torch.gather(similarity, 1, order)
    running = torch.logcumsumexp(ranked, dim=1)
    last = torch.ones_like(steps, dtype=torch.bool)
    last[:, :-1] = steps[:, 1:] < steps[:, :-1]
    size = steps.shape[1]
    columns = torch.arange(size, device=steps.device).expand_as(steps)
    group_end = torch.where(last, columns, size).flip(1).cummin(dim=1).values.flip(1)
    return (torch.gather(running, 1, group_end) - ranked).mean()


def cross_modal_rnc(audio: Tensor, text: Tensor, audio_place: Tensor, text_place: Tensor, temperature: float) -> Tensor:
    """Mean of audio-to-text and text-to-audio Rank-N-Contrast on unit embeddings [n, dim] and [m, dim].

    The places [n, axes] and [m, axes] are on any common scale. The captions of a batch need not be one a clip: further
    captions are further candidates.
    """
    similarity = audio @ text.T / temperature
    distance = affect_distance(audio_place, text_place)
    return (rank_n_contrast(similarity, distance) + rank_n_contrast(similarity.T, distance.T)) / 2


def pair_alignment(audio: Tensor, text: Tensor) -> Tensor:
    """1 - cosine of the pairs: closes the modality gap.

    Rank-N-Contrast alone leaves one, since it ignores a constant added to a row of similarities.
    """
    return 1.0 - (audio * text).sum(dim=1).mean()
