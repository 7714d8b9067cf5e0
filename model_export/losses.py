"""The losses of training: Rank-N-Contrast of EmotionRankCLAP (arXiv 2505.23732) and what it is compared with.

Cross-modal Rank-N-Contrast, for anchors i and candidates j with similarity S [n, m] (already divided by the
temperature) and affect distance d [n, m]:

    L = mean over i, j of  -log [ exp(S_ij) / sum over {k : d_ik >= d_ij} of exp(S_ik) ]

Every candidate is in turn the positive, against all that lie at least as far from the anchor in the valence-arousal
plane; so similarity must fall in the order of affect (Zha et al., NeurIPS 2023, arXiv 2210.01189, section 3). Beside
it: the symmetric cross-entropy of CLIP (arXiv 2103.00020, figure 3), the supervised contrast SupCon (arXiv 2004.11362,
equation 2) across the modalities, and the alignment of pairs. `Objective` puts them together as a `LossConfig` says.

All arithmetic is in float32 or better, whatever the embeddings come in and whatever autocast is on. Memory is that of
a few [n, m] matrices, on the device of the embeddings.
"""

import math
from dataclasses import dataclass
from typing import Final, Literal

import torch
from torch import Tensor, nn

from model_export.errors import TrainingError

TIE: Final = 1e-5
"""Neighbouring distances that differ by no more are equal: the same pair of labels may give sums that differ in the
last bit."""

TEMPERATURES: Final = (0.01, 10.0)
"""A temperature, set or learned, stays strictly between these."""

_LEAST: Final = 1e-8  # of a squared discrepancy: keeps the gradient of its root finite

_SPREAD: Final = 1.0  # of ratings, in units of 1..7 squared: few raters often agree by chance

Groups = tuple[Tensor, Tensor]
"""The group of every clip [n] and of every caption [m], integers; a negative one is no group."""


@dataclass(frozen=True, slots=True)
class LossConfig:
    """The objective of a run.

    `similarity` is of unit embeddings; `norm` of the distance between places; `within` weighs the terms of one
    modality against itself (a clip or caption is then no candidate of its own), `alignment` 1 - cosine of the pairs,
    `gap` how differently a batch's clips and their captions spread (`discrepancy`), `affect` the squared error of the
    affect read-out (which the training loop adds). With `rating_spread` every term counts by how far the raters of its
    clip agree (`rating_weights`).

    Raises:
        TrainingError: a value that is unknown or out of range.
    """

    kind: Literal["rnc", "cross_entropy", "sup_con"] = "rnc"
    similarity: Literal["cosine", "negative_l2"] = "cosine"
    norm: Literal["l2", "l1"] = "l2"
    temperature: float = 0.2
    learn_temperature: bool = False
    within: float = 0.0
    alignment: float = 0.5
    gap: float = 0.0
    affect: float = 1.0
    rating_spread: bool = False

    def __post_init__(self) -> None:
        for name, known in (
            ("kind", ("rnc", "cross_entropy", "sup_con")),
            ("similarity", ("cosine", "negative_l2")),
            ("norm", ("l2", "l1")),
        ):
            if (value := getattr(self, name)) not in known:
                raise TrainingError(f"loss.{name} is {value!r}; choose one of {', '.join(known)}")
        low, high = TEMPERATURES
        if not low < self.temperature < high:
            raise TrainingError(f"loss.temperature is {self.temperature}; it must lie between {low} and {high}")
        for name in ("within", "alignment", "gap", "affect"):
            if not 0 <= (weight := getattr(self, name)) < math.inf:
                raise TrainingError(f"loss.{name} is {weight}; a weight is a number of 0 or more")
        if self.kind == "cross_entropy" and self.within:
            raise TrainingError("loss.within needs kind rnc or sup_con: cross-entropy has no pairs within a modality")


def affect_distance(a: Tensor, b: Tensor, norm: Literal["l2", "l1"] = "l2") -> Tensor:
    """Distances [n, m] between rows of a [n, axes] and b [m, axes]: valence, arousal and any further axis.

    An axis that is unknown (NaN) in one of the two is left out of that pair and the known ones stand for it: the sum
    is scaled by axes / known axes, as in scikit-learn's nan_euclidean_distances. NaN where no axis is known.
    """
    a, b = _full(a), _full(b)
    total = torch.zeros(len(a), len(b), dtype=torch.promote_types(a.dtype, b.dtype), device=a.device)
    known = torch.zeros_like(total)
    for left, right in zip(a.unbind(1), b.unbind(1), strict=True):
        apart = left[:, None] - right[None]
        known += ~apart.isnan()
        total += (apart.square() if norm == "l2" else apart.abs()).nan_to_num(nan=0.0)
    # Where all is known the factor is exactly 1, so that ties stay ties.
    total = total * (a.shape[1] / known)
    return total.sqrt() if norm == "l2" else total


def rank_n_contrast(similarity: Tensor, distance: Tensor, weight: Tensor | None = None) -> Tensor:
    """One direction of the loss, O(n m log m) time and O(n m) memory: rows are anchors, columns candidates.

    Each row is sorted farthest first; the denominator of a candidate is then the running log-sum-exp read at the end
    of its tie group. Ties share a denominator, so the loss cannot fall below mean(log(size of the tie group)). A group
    ends where the gap to the next nearer candidate exceeds TIE: unlike rounding to steps this cannot part two
    distances that differ in the last bit (a chain of gaps below TIE is one group, whatever its length).

    `weight` (anything that broadcasts to [n, m]) makes the mean a weighted one over the terms (i, j). No candidates at
    all, m = 0, give 0.
    """
    similarity = _full(similarity)
    if not similarity.numel():
        return similarity.sum()
    far_first, order = torch.sort(_full(distance), dim=1, descending=True)
    ranked = torch.gather(similarity, 1, order)
    running = torch.logcumsumexp(ranked, dim=1)
    last = torch.ones_like(far_first, dtype=torch.bool)
    last[:, :-1] = far_first[:, :-1] - far_first[:, 1:] > TIE
    size = far_first.shape[1]
    columns = torch.arange(size, device=order.device).expand_as(order)
    group_end = torch.where(last, columns, size).flip(1).cummin(dim=1).values.flip(1)
    terms = torch.gather(running, 1, group_end) - ranked
    return _mean(terms, None if weight is None else torch.gather(weight.expand_as(order), 1, order))


def cross_entropy(similarity: Tensor, weight: Tensor | None = None) -> Tensor:
    """Symmetric cross-entropy on similarities [n clips, m >= n captions]: a clip and its own caption are positives.

    The captions beyond n are further negatives of every clip. `weight` [n] is of the pairs.
    """
    similarity = _full(similarity)
    pairs = torch.arange(len(similarity), device=similarity.device)
    own = similarity[:, : len(similarity)]
    to_text = nn.functional.cross_entropy(similarity, pairs, reduction="none")
    to_audio = nn.functional.cross_entropy(own.T, pairs, reduction="none")
    return _mean((to_text + to_audio) / 2, weight)


def supervised_contrast(similarity: Tensor, positive: Tensor, weight: Tensor | None = None) -> Tensor:
    """One direction of SupCon: rows are anchors, `positive` [n, m] says which candidates belong to them.

    An anchor's loss is the mean over its positives of -log softmax; anchors without a positive are left out. `weight`
    (broadcast to [n, m]) makes both means weighted ones. Without any positive the loss is 0.
    """
    similarity = _full(similarity)
    share = positive.to(similarity.dtype)
    if weight is not None:
        share = share * weight
    total = share.sum(dim=1)
    if not (total > 0).any():
        return similarity.sum() * 0.0
    surprise = torch.logsumexp(similarity, dim=1, keepdim=True) - similarity
    losses = (share * surprise).sum(dim=1) / total.clamp(min=torch.finfo(total.dtype).tiny)
    # An anchor's weight is the mean weight of its positives.
    return _mean(losses, total / positive.sum(dim=1).clamp(min=1))


def pair_alignment(audio: Tensor, text: Tensor, weight: Tensor | None = None) -> Tensor:
    """1 - cosine of the pairs of unit embeddings [n, dim], weighted by `weight` [n]: closes the modality gap.

    Rank-N-Contrast alone leaves one, since it ignores a constant added to a row of similarities.
    """
    return _mean(1.0 - (_full(audio) * _full(text)).sum(dim=1), weight)


def discrepancy(audio: Tensor, text: Tensor) -> Tensor:
    """The maximum mean discrepancy of two sets of embeddings, [n, dim] and [m, dim]: the gap that evaluation measures.

    Kernel, bandwidth and estimate are those of `evaluation.gap`; the bandwidth is a constant to the gradient.
    """
    pooled = torch.cat([_full(audio), _full(text)])
    squares = torch.cdist(pooled, pooled).square()
    apart = squares.detach()
    apart = apart[apart > 0]
    if not apart.numel():
        return squares.sum()
    kernel = torch.exp(squares / (-2 * apart.median()))
    n = len(audio)
    squared = kernel[:n, :n].mean() + kernel[n:, n:].mean() - 2 * kernel[:n, n:].mean()
    return squared.clamp(min=_LEAST).sqrt()


def rating_weights(spread: Tensor) -> Tensor:
    """Weights [n] of clips from the standard deviations [n, axes] of their ratings, in units of the scale 1..7.

    In proportion to 1 / (1 + sd^2), sd^2 the mean over the known axes, with mean 1 over the clips given; the 1 keeps a
    clip whose few raters agree by chance from counting many times over. A clip whose spread is unknown (NaN) counts 1.
    """
    precision = 1.0 / (_SPREAD + _full(spread).square().nanmean(dim=1))
    return (precision / precision.nanmean()).nan_to_num(nan=1.0)


class Objective(nn.Module):
    """The training objective without the affect read-out.

    With `learn_temperature` it has one parameter, so it must be given to the optimiser and moved to the device. Its
    logarithm moves between those of TEMPERATURES along a sigmoid; the parameter is 0 at the configured temperature, so
    weight decay pulls towards that.
    """

    def __init__(self, config: LossConfig) -> None:
        super().__init__()
        self.config = config
        self.shift = nn.Parameter(torch.zeros(())) if config.learn_temperature else None

    @property
    def temperature(self) -> Tensor:
        """The temperature that holds now."""
        set_at = torch.tensor(self.config.temperature)
        if self.shift is None:
            return set_at
        low, high = (math.log(bound) for bound in TEMPERATURES)
        start = torch.logit((set_at.log() - low) / (high - low)).to(self.shift.device)
        return torch.exp(low + (high - low) * torch.sigmoid(start + self.shift.float()))

    def forward(
        self,
        audio: Tensor,
        text: Tensor,
        audio_place: Tensor,
        text_place: Tensor,
        groups: Groups | None = None,
        weights: Tensor | None = None,
    ) -> Tensor:
        """The loss of unit embeddings audio [n, dim] and text [m, dim], m >= n: the first n captions are the clips'.

        The places [n, axes] and [m, axes] are on one scale; further captions are further candidates. `groups` is
        needed by sup_con: clips and captions of one group are positives, and each clip with its own caption. `weights`
        [n] of the clips (mean about 1) are needed, and looked at, with `rating_spread`.

        Raises:
            ValueError: groups or weights that are needed are not given.
            TrainingError: a clip and a caption have no axis in common that is labelled.
        """
        config = self.config
        if config.rating_spread and weights is None:
            raise ValueError("rating_spread needs the weights of the clips")
        clip = _full(weights) if config.rating_spread and weights is not None else None
        with torch.autocast(audio.device.type, enabled=False):
            audio, text = _full(audio), _full(text)
            if config.kind == "rnc":
                loss = self._ranking(audio, text, audio_place, text_place, clip)
            elif config.kind == "cross_entropy":
                loss = cross_entropy(self.similarity(audio, text), clip)
            elif groups is None:
                raise ValueError("sup_con needs the groups of clips and captions")
            else:
                loss = self._grouping(audio, text, groups, clip)
            if config.alignment:
                loss = loss + config.alignment * pair_alignment(audio, text[: len(audio)], clip)
            if config.gap:
                loss = loss + config.gap * discrepancy(audio, text[: len(audio)])
        return loss

    def similarity(self, a: Tensor, b: Tensor) -> Tensor:
        """Similarities [n, m] of unit embeddings, divided by the temperature."""
        cosine = a @ b.T
        if self.config.similarity == "negative_l2":
            # The clamp keeps the gradient finite where two embeddings are the same.
            cosine = -(2.0 - 2.0 * cosine).clamp(min=1e-6).sqrt()
        return cosine / self.temperature.to(cosine.device)

    def _ranking(
        self, audio: Tensor, text: Tensor, audio_place: Tensor, text_place: Tensor, clip: Tensor | None
    ) -> Tensor:
        distance = affect_distance(audio_place, text_place, self.config.norm)
        if not torch.isfinite(distance).all():
            raise TrainingError("a clip or caption of the batch has no valence and arousal (NaN); leave it out")
        similarity = self.similarity(audio, text)
        of_row, of_column = (None, None) if clip is None else (clip[:, None], clip[None])
        loss = rank_n_contrast(similarity, distance, of_row) + rank_n_contrast(similarity.T, distance.T, of_column)
        if self.config.within:
            both = None if of_row is None or of_column is None else _off_diagonal(of_row * of_column)
            for embedding, place, weight in ((audio, audio_place, both), (text, text_place, None)):
                own = _off_diagonal(affect_distance(place, place, self.config.norm))
                others = _off_diagonal(self.similarity(embedding, embedding))
                loss = loss + self.config.within * rank_n_contrast(others, own, weight)
        return loss / 2

    def _grouping(self, audio: Tensor, text: Tensor, groups: Groups, clip: Tensor | None) -> Tensor:
        of_audio, of_text = groups
        positive = _same(of_audio, of_text)
        positive.fill_diagonal_(True)
        similarity = self.similarity(audio, text)
        of_row, of_column = (None, None) if clip is None else (clip[:, None], clip[None])
        loss = supervised_contrast(similarity, positive, of_row)
        loss = loss + supervised_contrast(similarity.T, positive.T, of_column)
        if self.config.within:
            both = None if of_row is None or of_column is None else _off_diagonal(of_row * of_column)
            for embedding, group, weight in ((audio, of_audio, both), (text, of_text, None)):
                others = _off_diagonal(self.similarity(embedding, embedding))
                loss = loss + self.config.within * supervised_contrast(
                    others, _off_diagonal(_same(group, group)), weight
                )
        return loss / 2


def _full(values: Tensor) -> Tensor:
    """Float32, or float64 where it is that already."""
    return values if values.dtype == torch.float64 else values.float()


def _mean(terms: Tensor, weight: Tensor | None) -> Tensor:
    return terms.mean() if weight is None else (terms * weight).sum() / weight.sum()


def _same(a: Tensor, b: Tensor) -> Tensor:
    return (a[:, None] == b[None]) & (a[:, None] >= 0)


def _off_diagonal(square: Tensor) -> Tensor:
    """A matrix [n, n] without its diagonal: [n, n - 1]."""
    n = len(square)
    if n < 2:
        return square[:, :0]
    return square.reshape(-1)[1:].view(n - 1, n + 1)[:, :-1].reshape(n, n - 1)
