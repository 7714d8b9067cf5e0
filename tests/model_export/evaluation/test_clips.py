"""Measures against values known beforehand."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from encoders.encoder import Encoder
from model_export import corpora, evaluation
from model_export.errors import CorpusError
from model_export.manifest import Row


def test_concordance_is_one_for_equals_and_falls_with_an_offset() -> None:
    x = np.linspace(1, 7, 50, dtype=np.float32)
    assert evaluation.ccc(x, x) == pytest.approx(1.0)
    # Lin (1989): 2 s_xy / (s_x^2 + s_y^2 + (mean difference)^2)
    assert evaluation.ccc(x, x + 1) == pytest.approx(2 * x.var() / (2 * x.var() + 1), abs=1e-5)
    assert evaluation.ccc(x, -x) < 0


def test_no_gap_between_draws_of_one_distribution_and_a_large_one_between_two() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(2, 300, 16)).astype(np.float32)
    same = evaluation.modality_gap(one, other)
    apart = evaluation.modality_gap(one, other + 3)
    assert same["mmd"] < 0.1 < 0.7 < apart["mmd"]
    assert apart["centroid_distance"] == pytest.approx(12, abs=0.7)


def test_the_interval_holds_the_value_and_narrows_with_the_sample() -> None:
    rng = np.random.default_rng(1)
    widths = []
    for count in (50, 800):
        values = rng.normal(5, 1, size=count)

        def mean(picked: npt.NDArray[np.int64], values: npt.NDArray[np.float64] = values) -> float:
            return float(values[picked].mean())

        low, high = evaluation.interval(mean, count, rounds=300)
        assert low < values.mean() < high
        widths.append(high - low)
    assert widths[1] < widths[0] / 2


def test_levels_of_both_axes_are_graded_seven_times_alike() -> None:
    import csv

    with evaluation.GRADED.open(encoding="utf-8", newline="") as file:
        prompts = list(csv.DictReader(file))
    for axis in evaluation.AXES:
        counts = np.unique([int(p["level"]) for p in prompts if p["axis"] == axis], return_counts=True)
        assert counts[0].tolist() == list(range(1, 8))
        assert len(set(counts[1])) == 1


def test_no_graded_prompt_is_in_the_training_grammar() -> None:
    import csv

    from model_export import captions

    grammar = {caption.text for caption in captions.pool()}
    with evaluation.GRADED.open(encoding="utf-8", newline="") as file:
        assert not grammar & {prompt["text"] for prompt in csv.DictReader(file)}


def test_embeddings_of_the_command_line_and_of_the_encoder_score_alike(
    emodb: Path, encoder: Encoder, tmp_path: Path
) -> None:
    rows = corpora.prepare("emodb", emodb)
    clips = evaluation.embed(rows, encoder)
    names = np.array([row.path.name for row in reversed(rows)])
    np.savez(tmp_path / "out.npz", path=names, embedding=clips.embedding[::-1], affect=clips.affect[::-1])
    read = evaluation.from_file(rows, tmp_path / "out.npz")
    np.testing.assert_array_equal(read.embedding, clips.embedding)
    np.testing.assert_array_equal(read.affect, clips.affect)
    np.savez(tmp_path / "less.npz", path=names[:1], embedding=clips.embedding[:1], affect=clips.affect[:1])
    with pytest.raises(CorpusError, match="2 clips"):
        evaluation.from_file(rows, tmp_path / "less.npz")


def rows_of(corpus: str, speaker: str, count: int, complete: bool = True) -> list[Row]:
    return [
        Row(Path(f"{n}.wav"), corpus, speaker, "anger", 1 + n % 6, 2 + n % 5, complete=complete) for n in range(count)
    ]


def test_a_bundle_is_not_judged_on_speakers_it_was_trained_on_nor_on_clips_that_are_cut() -> None:
    provenance = {"corpora": ["a"], "validation_speakers": ["a-2"]}
    rows = rows_of("a", "a-1", 50) + rows_of("a", "a-2", 40) + rows_of("b", "b-1", 30) + rows_of("b", "b-2", 9, False)
    kept, left_out = evaluation.judged(rows, provenance)
    assert ({row.speaker for row in kept}, left_out) == ({"a-2", "b-1"}, 50)
    assert evaluation.judged(rows, {})[1] == 0


def test_too_few_clips_and_labels_without_an_order_are_refused() -> None:
    with pytest.raises(CorpusError, match="too few"):
        evaluation.judged(rows_of("a", "a-1", 50), {"corpora": ["a"], "validation_speakers": []})
    flat = [Row(Path("x.wav"), "a", "a-1", "anger", 4.0, float(n % 3 + 1)) for n in range(40)]
    with pytest.raises(CorpusError, match="one valence"):
        evaluation.judged(flat, {})


@pytest.mark.parametrize("content", [b"", b"no archive", None])
def test_a_file_that_holds_no_embeddings_is_refused_by_name(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "out.npz"
    if content is None:
        np.savez(path, text=np.array(["a calm voice"]))
    else:
        path.write_bytes(content)
    with pytest.raises(CorpusError, match=r"out\.npz"):
        evaluation.from_file(rows_of("a", "a-1", 3), path)
