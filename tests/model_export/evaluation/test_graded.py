"""Graded prompts: the figures against brute force, and files that are refused."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoders.encoder import Encoder
from model_export.errors import CorpusError
from model_export.evaluation import Embedded, graded


@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_the_best_of_a_resampled_library_are_those_of_its_copies_in_order(seed: int, top: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.uniform(1, 7, size=9).astype(np.float32)
    order = np.array([rng.permutation(9) for _ in range(3)])
    copies = np.bincount(rng.integers(9, size=9), minlength=9)
    written_out = [np.repeat(values[row], copies[row])[:top].mean() for row in order]
    np.testing.assert_allclose(graded.mean_of_best(order, values, copies, top), written_out, rtol=1e-5)


def test_a_library_without_any_of_the_ranked_clips_has_no_mean() -> None:
    assert np.isnan(graded.mean_of_best(np.array([[0]]), np.ones(2, np.float32), np.array([0, 2]), 1)[0])


def test_clips_that_lie_at_their_prompts_are_found_in_order(encoder: Encoder, worded: Embedded) -> None:
    scores = graded.graded_scores(worded, encoder, graded.read()[::2], rounds=50)
    for axis in ("valence", "arousal"):
        found = scores[axis]
        assert found["tau"] > 0.5
        assert found["interval"][0] < found["tau"] < found["interval"][1]
        assert 0 < found["interval_clips"][0] < found["interval_clips"][1] < 1
        assert found["tau"] > found["tau_each"] > 0.3, "single clips scatter more than their means"
        assert found["top_1"]["tau"] > 0.4
        assert found["prompts"] == sum(prompt.axis == axis for prompt in graded.read()[::2])
        assert found["label_by_level"]["7"] > found["label_by_level"]["1"] + 1


def test_prompts_that_find_the_same_ten_clips_tie_in_whatever_order_they_come(
    encoder: Encoder, worded: Embedded
) -> None:
    spread = np.argsort([row.valence for row in worded.rows])[:: len(worded.rows) // 10][:10]
    ten = Embedded([worded.rows[n] for n in spread], worded.embedding[spread], worded.affect[spread])
    scores = graded.graded_scores(ten, encoder, graded.read()[::7], rounds=2)
    for axis in ("valence", "arousal"):
        assert np.isnan(scores[axis]["tau"]), "all means are one number"
        assert not np.isnan(scores[axis]["top_1"]["tau"])


@given(st.integers(0, 2**32 - 1))
def test_a_mean_does_not_depend_on_the_order_of_the_clips(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.uniform(1, 7, size=(10, 2)).astype(np.float32)
    means = graded.best_mean(labels, np.array([rng.permutation(10) for _ in range(20)]))
    assert (means == means[0]).all()
    np.testing.assert_allclose(means[0], labels.mean(axis=0), rtol=1e-6)


def test_clips_without_any_order_leave_the_interval_about_zero(encoder: Encoder, worded: Embedded) -> None:
    shuffled = graded.graded_scores(
        Embedded(worded.rows, np.random.default_rng(0).permutation(worded.embedding), worded.affect),
        encoder,
        graded.read()[::2],
        rounds=50,
    )
    assert shuffled["valence"]["interval"][0] < 0.2
    assert shuffled["valence"]["tau"] < 0.35


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("axis,text\nvalence,bad\n", "level"),
        ("axis,level,text\nvalence,one,bad\n", "line 2"),
        ("axis,level,text\nvalence,9,bad\n", "line 2"),
        ("axis,level,text\ndominance,1,bad\n", "line 2"),
        ("axis,level,text\nvalence,1,bad\nvalence,7,good\narousal,1,tired\n", "arousal has fewer than two"),
        ("axis,level,text\nvalence,1\n", "line 2"),
    ],
)
def test_prompts_that_cannot_be_graded_are_refused_by_name(content: str, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(CorpusError, match=complaint) as refusal:
        graded.read(path)
    assert "mine.csv" in str(refusal.value)


def test_a_file_of_prompts_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"none\.csv"):
        graded.read(tmp_path / "none.csv")
