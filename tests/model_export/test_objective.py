"""The objective of training against plain loops over its definition."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model_export.errors import TrainingError
from model_export.losses import TEMPERATURES, LossConfig, Objective, pair_alignment, rating_weights


class Example:
    """A batch of float64: n clips, m captions, places with ties, groups (some captions are in none) and weights."""

    def __init__(self, n: int, extra: int, seed: int) -> None:
        rng = torch.Generator().manual_seed(seed)
        m = n + extra
        self.n, self.m = n, m
        self.audio = torch.nn.functional.normalize(torch.randn(n, 6, generator=rng, dtype=torch.float64), dim=1)
        self.text = torch.nn.functional.normalize(torch.randn(m, 6, generator=rng, dtype=torch.float64), dim=1)
        self.audio_place = torch.randint(1, 5, (n, 2), generator=rng).double()
        self.text_place = torch.randint(1, 5, (m, 2), generator=rng).double()
        self.audio_group = torch.randint(0, 3, (n,), generator=rng)
        self.text_group = torch.cat([self.audio_group, torch.randint(-1, 3, (extra,), generator=rng)])
        self.weights = torch.rand(n, generator=rng, dtype=torch.float64) + 0.2

    def inputs(self, weighted: bool = False) -> tuple[Any, ...]:
        """What `Objective` is called with."""
        groups = (self.audio_group, self.text_group)
        weights = self.weights if weighted else None
        return self.audio, self.text, self.audio_place, self.text_place, groups, weights

    def loss(self, weighted: bool = False, **choices: Any) -> float:
        """The loss under a configuration, without alignment unless that is chosen."""
        config = LossConfig(**{"alignment": 0.0, **choices}, rating_spread=weighted)
        return float(Objective(config)(*self.inputs(weighted)))

    def clip_weights(self, weighted: bool) -> list[float]:
        """The weights as numbers, ones when nothing is weighted."""
        return self.weights.tolist() if weighted else [1.0] * self.n


examples = st.builds(Example, n=st.integers(1, 6), extra=st.integers(0, 5), seed=st.integers(0, 10_000))


def similarity_of(kind: str, a: Tensor, b: Tensor, temperature: float = 0.2) -> float:
    if kind == "cosine":
        return float(torch.dot(a, b)) / temperature
    return -float(torch.linalg.vector_norm(a - b)) / temperature


def distance_of(norm: str, a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().sum()) if norm == "l1" else math.dist(a.tolist(), b.tolist())


def surprise(scores: list[float], positive: float) -> float:
    return math.log(sum(math.exp(score) for score in scores)) - positive


def weighted_mean(terms: list[tuple[float, float]]) -> float:
    return sum(weight * term for weight, term in terms) / sum(weight for weight, _ in terms) if terms else 0.0


Side = tuple[Tensor, Tensor, list[float]]  # embeddings, places or groups, weights


def ranking(rows: Side, columns: Side, kind: str, norm: str, heat: float, own: bool = False) -> float:
    """One direction by its definition; with `own` the anchor itself is no candidate."""
    terms = []
    for i, (anchor, place, weight) in enumerate(zip(*rows, strict=True)):
        others = [j for j in range(len(columns[0])) if not (own and j == i)]
        score = {j: similarity_of(kind, anchor, columns[0][j], heat) for j in others}
        far = {j: distance_of(norm, place, columns[1][j]) for j in others}
        for j in others:
            farther = [score[k] for k in others if far[k] >= far[j] - 1e-9]
            terms.append((weight * columns[2][j], surprise(farther, score[j])))
    return weighted_mean(terms)


def grouping(rows: Side, columns: Side, own: bool = False) -> float:
    terms = []
    for i, (anchor, group, weight) in enumerate(zip(*rows, strict=True)):
        others = [j for j in range(len(columns[0])) if not (own and j == i)]
        score = {j: similarity_of("cosine", anchor, columns[0][j]) for j in others}
        same = [j for j in others if group == columns[1][j] and group >= 0]
        if same:
            total = sum(columns[2][j] for j in same)
            mean = sum(columns[2][j] * surprise(list(score.values()), score[j]) for j in same) / total
            terms.append((weight * total / len(same), mean))
    return weighted_mean(terms)


@settings(max_examples=50, deadline=None)
@given(
    batch=examples,
    kind=st.sampled_from(["cosine", "negative_l2"]),
    norm=st.sampled_from(["l1", "l2"]),
    heat=st.sampled_from([0.1, 0.2, 2.0]),
    within=st.sampled_from([0.0, 0.7]),
    weighted=st.booleans(),
)
def test_ranking_agrees_with_the_definition(
    batch: Example, kind: str, norm: str, heat: float, within: float, weighted: bool
) -> None:
    clips = (batch.audio, batch.audio_place, batch.clip_weights(weighted))
    texts = (batch.text, batch.text_place, [1.0] * batch.m)
    expected = ranking(clips, texts, kind, norm, heat) + ranking(texts, clips, kind, norm, heat)
    expected += within * ranking(clips, clips, kind, norm, heat, own=True)
    expected += within * ranking(texts, texts, kind, norm, heat, own=True)
    found = batch.loss(weighted, similarity=kind, norm=norm, temperature=heat, within=within)
    assert found == pytest.approx(expected / 2, rel=1e-6)


@settings(max_examples=30, deadline=None)
@given(batch=examples, weighted=st.booleans())
def test_cross_entropy_agrees_with_the_definition(batch: Example, weighted: bool) -> None:
    scores = [[similarity_of("cosine", a, t) for t in batch.text] for a in batch.audio]
    terms = []
    for i, weight in enumerate(batch.clip_weights(weighted)):
        # All captions are candidates of a clip; clips alone are candidates of a caption.
        terms.append((weight, surprise(scores[i], scores[i][i])))
        terms.append((weight, surprise([row[i] for row in scores], scores[i][i])))
    assert batch.loss(weighted, kind="cross_entropy") == pytest.approx(weighted_mean(terms))


@settings(max_examples=40, deadline=None)
@given(batch=examples, within=st.sampled_from([0.0, 0.5]), weighted=st.booleans())
def test_sup_con_agrees_with_the_definition(batch: Example, within: float, weighted: bool) -> None:
    clips = (batch.audio, batch.audio_group, batch.clip_weights(weighted))
    texts = (batch.text, batch.text_group, [1.0] * batch.m)
    expected = grouping(clips, texts) + grouping(texts, clips)
    expected += within * (grouping(clips, clips, own=True) + grouping(texts, texts, own=True))
    assert batch.loss(weighted, kind="sup_con", within=within) == pytest.approx(expected / 2)


@settings(max_examples=20, deadline=None)
@given(batch=examples)
def test_with_a_group_for_each_pair_and_no_further_captions_sup_con_is_cross_entropy(batch: Example) -> None:
    batch.text, batch.text_place = batch.text[: batch.n], batch.text_place[: batch.n]
    batch.audio_group = batch.text_group = torch.arange(batch.n)
    assert batch.loss(kind="sup_con") == pytest.approx(batch.loss(kind="cross_entropy"))


@settings(max_examples=20, deadline=None)
@given(batch=examples)
def test_a_clip_and_its_own_caption_are_positives_even_in_no_group(batch: Example) -> None:
    batch.audio_group = torch.full((batch.n,), -1)
    batch.text_group = torch.full((batch.m,), -1)
    pairs = batch.loss(kind="cross_entropy")
    assert batch.loss(kind="sup_con") == pytest.approx(pairs)


@settings(max_examples=20, deadline=None)
@given(batch=examples, kind=st.sampled_from(["rnc", "cross_entropy", "sup_con"]), weighted=st.booleans())
def test_alignment_is_added_by_its_weight_and_a_common_factor_of_the_weights_changes_nothing(
    batch: Example, kind: str, weighted: bool
) -> None:
    gap = pair_alignment(batch.audio, batch.text[: batch.n], batch.weights if weighted else None)
    bare = batch.loss(weighted, kind=kind)
    assert batch.loss(weighted, kind=kind, alignment=0.3) == pytest.approx(bare + 0.3 * float(gap))
    batch.weights = batch.weights * 3
    assert batch.loss(weighted, kind=kind) == pytest.approx(bare)


@pytest.mark.parametrize(("n", "expected"), [(32, 2.55), (64, 3.21), (128, 3.88), (256, 4.56)])
def test_without_ties_equal_similarities_give_the_mean_of_log_m_and_with_them_the_floor(
    n: int, expected: float
) -> None:
    same = torch.ones(n, 1)
    places = torch.rand(2, n, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 6 + 1
    objective = Objective(LossConfig(alignment=0.0))
    loss = float(objective(same, same, *places))
    assert loss == pytest.approx(sum(math.log(m) for m in range(1, n + 1)) / n, abs=1e-3)
    assert loss == pytest.approx(expected, abs=0.006)
    one_place = torch.full((n, 2), 4.0)
    assert float(objective(same, same, one_place, one_place)) == pytest.approx(math.log(n), abs=1e-4)


@pytest.mark.parametrize("kind", ["rnc", "cross_entropy", "sup_con"])
@pytest.mark.parametrize("similarity", ["cosine", "negative_l2"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_embeddings_and_autocast_are_computed_in_float32(
    kind: Any, similarity: Any, dtype: torch.dtype
) -> None:
    batch = Example(5, 4, 1)
    audio, text = batch.audio.to(dtype).requires_grad_(), batch.text.to(dtype)
    places = (batch.audio_place.float(), batch.text_place.float())
    objective = Objective(LossConfig(kind=kind, similarity=similarity))
    groups = (batch.audio_group, batch.text_group)
    expected = objective(audio.detach().float(), text.float(), *places, groups)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = objective(audio, text, *places, groups)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, expected)
    loss.backward()
    assert audio.grad is not None
    assert audio.grad.dtype == dtype
    assert torch.isfinite(audio.grad).all()


@pytest.mark.parametrize("kind", ["rnc", "cross_entropy", "sup_con"])
@pytest.mark.parametrize("similarity", ["cosine", "negative_l2"])
def test_the_gradient_is_that_of_finite_differences(kind: Any, similarity: Any) -> None:
    batch = Example(3, 2, 5)
    within = 0.0 if kind == "cross_entropy" else 0.5
    objective = Objective(LossConfig(kind=kind, similarity=similarity, within=within, rating_spread=True))
    rest = batch.inputs(weighted=True)[2:]
    pair = (batch.audio.requires_grad_(), batch.text.requires_grad_())
    assert torch.autograd.gradcheck(lambda audio, text: objective(audio, text, *rest), pair)


def test_identical_embeddings_have_a_finite_gradient_under_negative_l2() -> None:
    same = torch.tensor([[1.0, 0.0], [1.0, 0.0]], requires_grad=True)
    places = torch.tensor([[1.0, 1.0], [7.0, 7.0]])
    Objective(LossConfig(similarity="negative_l2", within=1.0))(same, same, places, places).backward()
    assert same.grad is not None
    assert torch.isfinite(same.grad).all()


@pytest.mark.parametrize("at", [0.02, 0.2, 5.0])
def test_a_learned_temperature_starts_as_set_is_learned_and_stays_in_its_bounds(at: float) -> None:
    batch = Example(6, 4, 2)
    fixed = Objective(LossConfig(temperature=at))
    learned = Objective(LossConfig(temperature=at, learn_temperature=True))
    assert list(fixed.parameters()) == []
    assert learned.temperature.item() == pytest.approx(at, rel=1e-4)
    assert learned(*batch.inputs()).item() == pytest.approx(float(fixed(*batch.inputs())), rel=1e-4)
    optimiser = torch.optim.SGD(learned.parameters(), lr=0.05)
    before = learned(*batch.inputs()).item()
    for _ in range(20):
        optimiser.zero_grad()
        learned(*batch.inputs()).backward()
        optimiser.step()
    assert learned(*batch.inputs()).item() < before
    low, high = TEMPERATURES
    for far in (-1e3, 1e3):
        assert learned.shift is not None
        learned.shift.data.fill_(far)
        assert low * 0.999 <= learned.temperature.item() <= high * 1.001


@settings(max_examples=40, deadline=None)
@given(spread=st.lists(st.floats(0.0, 3.0) | st.just(math.nan), min_size=1, max_size=12))
def test_clips_whose_raters_agree_count_more_and_unknown_spread_counts_one(spread: list[float]) -> None:
    weights = rating_weights(torch.tensor(spread)[:, None].expand(-1, 2)).tolist()
    known = [(sd, weight) for sd, weight in zip(spread, weights, strict=True) if not math.isnan(sd)]
    assert all(weight == 1.0 for sd, weight in zip(spread, weights, strict=True) if math.isnan(sd))
    if known:
        assert sum(weight for _, weight in known) / len(known) == pytest.approx(1.0, rel=1e-5)
    for sd, weight in known:
        for other, less in known:
            assert weight / less == pytest.approx((1 + other**2) / (1 + sd**2), rel=1e-4)


def test_an_axis_of_unknown_spread_leaves_the_other_to_speak() -> None:
    weights = rating_weights(torch.tensor([[1.0, math.nan], [1.0, 1.0], [2.0, 2.0]]))
    assert float(weights[0]) == pytest.approx(float(weights[1]))


@pytest.mark.parametrize(
    ("choices", "named"),
    [
        ({"kind": "infonce"}, "loss.kind is 'infonce'"),
        ({"similarity": "dot"}, "loss.similarity is 'dot'"),
        ({"norm": "l3"}, "loss.norm is 'l3'"),
        ({"temperature": 0.0}, "loss.temperature is 0.0"),
        ({"temperature": math.nan}, "loss.temperature is nan"),
        ({"alignment": -1.0}, "loss.alignment is -1.0"),
        ({"affect": math.inf}, "loss.affect is inf"),
        ({"kind": "cross_entropy", "within": 0.5}, "loss.within needs kind"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_name(choices: dict[str, Any], named: str) -> None:
    with pytest.raises(TrainingError, match=named):
        LossConfig(**choices)


def test_what_a_loss_needs_must_be_given() -> None:
    batch = Example(3, 1, 0)
    four = batch.inputs()[:4]
    with pytest.raises(ValueError, match="groups"):
        Objective(LossConfig(kind="sup_con"))(*four)
    with pytest.raises(ValueError, match="weights"):
        Objective(LossConfig(rating_spread=True))(*four)
    batch.audio_place[1] = math.nan
    with pytest.raises(TrainingError, match="no valence and arousal"):
        Objective(LossConfig())(*batch.inputs())
