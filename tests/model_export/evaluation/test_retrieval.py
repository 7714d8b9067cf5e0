"""Cross-modal retrieval against its definitions, by brute force."""

import itertools

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_export.evaluation import retrieval

RANKINGS = st.lists(st.booleans(), min_size=1, max_size=12)


def precision_at_hits(ranking: tuple[bool, ...] | list[bool]) -> float:
    """Average precision: the mean over the matches of the share of matches down to each."""
    hits = [rank for rank, hit in enumerate(ranking, start=1) if hit]
    return sum(number / rank for number, rank in enumerate(hits, start=1)) / len(hits) if hits else 0.0


@given(RANKINGS)
def test_average_precision_is_that_of_the_definition(ranking: list[bool]) -> None:
    assert retrieval.average_precision(np.array([ranking]))[0] == pytest.approx(precision_at_hits(ranking))


@pytest.mark.parametrize(("count", "matches"), [(1, 1), (4, 1), (5, 2), (6, 3), (6, 6)])
def test_chance_is_the_mean_over_all_orders(count: int, matches: int) -> None:
    orders = set(itertools.permutations([True] * matches + [False] * (count - matches)))
    many = np.array([float(matches)])
    expected = np.mean([precision_at_hits(order) for order in orders])
    assert retrieval.precision_by_chance(many, count)[0] == pytest.approx(expected)
    for k in (1, 2, 5, 10):
        share = np.mean([any(order[:k]) for order in orders])
        assert retrieval.recall_by_chance(many, count, k)[0] == pytest.approx(share)


def cloud(seed: int, count: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, 4)).astype(np.float32), rng.uniform(1, 7, size=(count, 2)).astype(np.float32)


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.floats(0.5, 3))
def test_scores_are_those_of_one_query_at_a_time(seed: int, radius: float) -> None:
    (queries, wanted), (found, places) = cloud(seed, 7), cloud(seed + 1, 15)
    rankings = []
    for query, place in zip(queries, wanted, strict=True):
        order = sorted(range(15), key=lambda clip, query=query: -float(query @ found[clip]))  # type: ignore[misc]
        rankings.append([bool(np.hypot(*(place - places[clip])) <= radius) for clip in order])
    judged = [ranking for ranking in rankings if any(ranking)]
    scores = retrieval.one_way(queries, wanted, found, places, radius)
    assert (scores["queries"], scores["unmatched"]) == (len(judged), 7 - len(judged))
    if judged:
        assert scores["map"] == pytest.approx(np.mean([precision_at_hits(r) for r in judged]), abs=6e-4)
        for k in retrieval.DEPTHS:
            assert scores["recall"][str(k)] == pytest.approx(np.mean([any(r[:k]) for r in judged]), abs=6e-4)
    else:
        assert scores["map"] is None


def test_blocks_of_queries_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    (clips, labels), (captions, places) = cloud(0, 50), cloud(1, 20)
    whole = retrieval.retrieval_scores(clips, labels, captions, places, 1.0)
    monkeypatch.setattr(retrieval, "_BLOCK", 1)
    assert retrieval.retrieval_scores(clips, labels, captions, places, 1.0) == whole


def test_embeddings_that_are_the_places_themselves_rank_above_chance_both_ways() -> None:
    _, labels = cloud(0, 200)
    _, places = cloud(1, 60)

    def upon_the_circle(affect: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        # The nearer two places, the greater the product: -|a-b|^2 = 2ab - aa - bb, with bb the same for all targets.
        centred = (affect - 4) / 6
        height = np.sqrt(1 - (centred**2).sum(axis=1, keepdims=True))
        return np.hstack([centred, height]).astype(np.float32)

    scores = retrieval.retrieval_scores(upon_the_circle(labels), labels, upon_the_circle(places), places, 1.0)
    for way in ("text_to_audio", "audio_to_text"):
        assert scores[way]["map"] > 0.8 > 0.3 > scores[way]["map_by_chance"]
        assert scores[way]["recall"]["1"] > 0.9 > scores[way]["recall_by_chance"]["1"]
