"""Labelled clips: which count, how they are embedded, and what is read of what was embedded before."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from encoders.encoder import Encoder
from encoders.errors import OutputError
from model_export import corpora, evaluation
from model_export.errors import CorpusError
from model_export.evaluation.cache import Cache, Vector
from model_export.manifest import Row
from tests.model_export.conftest import speak


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


def test_official_test_rows_of_a_trained_corpus_are_fair_to_judge_and_unlabelled_rows_are_not() -> None:
    unheard = [replace(row, split="test1") for row in rows_of("a", "a-3", 35)]
    unlabelled = [replace(row, valence=math.nan) for row in rows_of("b", "b-1", 5)]
    kept, left_out = evaluation.judged(rows_of("a", "a-1", 50) + unheard + unlabelled, {"corpora": ["a"]})
    assert ({row.speaker for row in kept}, len(kept), left_out) == ({"a-3"}, 35, 50)


def test_speakers_that_a_bundle_names_as_trained_on_are_left_out_whatever_the_manifest_says() -> None:
    provenance = {"corpora": ["a"], "training_speakers": ["a-1"], "validation_speakers": ["a-2"]}
    claimed = [replace(row, split="test") for row in rows_of("a", "a-1", 50)]
    never_heard, unknown = rows_of("a", "a-3", 20), rows_of("a", "a-unknown", 7)
    rows = claimed + rows_of("a", "a-2", 40) + never_heard + unknown + rows_of("b", "b-unknown", 30)
    kept, left_out = evaluation.judged(rows, provenance)
    assert ({row.speaker for row in kept}, left_out) == ({"a-2", "a-3", "b-unknown"}, 57)
    del provenance["training_speakers"]
    kept, left_out = evaluation.judged(rows, provenance)
    assert ({row.speaker for row in kept}, left_out) == ({"a-1", "a-2", "b-unknown"}, 27)


@pytest.fixture
def saved(tmp_path: Path) -> tuple[list[Row], dict[str, npt.NDArray[np.generic]], Path]:
    """Three rows, the arrays that `embed audio` would write of them, and where."""
    rows = rows_of("a", "a-1", 3)
    arrays = {"path": np.array([row.path.name for row in rows]), "embedding": np.eye(3), "affect": np.ones((3, 2))}
    return rows, arrays, tmp_path / "out.npz"


def test_two_clips_of_one_name_in_different_folders_are_refused(
    saved: tuple[list[Row], dict[str, npt.NDArray[np.generic]], Path],
) -> None:
    rows, arrays, path = saved
    np.savez(path, allow_pickle=False, **arrays)
    twice = [replace(rows[0], path=Path("day/0.wav")), *rows[1:], replace(rows[0], path=Path("night/0.wav"))]
    with pytest.raises(CorpusError, match=r"day/0\.wav and night/0\.wav"):
        evaluation.from_file(twice, path)
    assert len(evaluation.from_file([*rows, rows[0]], path).rows) == 4, "one clip may be listed twice"


def test_embeddings_by_another_bundle_are_refused(
    saved: tuple[list[Row], dict[str, npt.NDArray[np.generic]], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    rows, arrays, path = saved
    np.savez(path, allow_pickle=False, **arrays, fingerprint=np.array("a" * 64))
    assert len(evaluation.from_file(rows, path, "a" * 64).rows) == 3
    with pytest.raises(CorpusError, match=r"out\.npz: made by another bundle \(fingerprint aaaaaaaaaaaa"):
        evaluation.from_file(rows, path, "b" * 64)
    assert not capsys.readouterr().err


def test_embeddings_from_before_fingerprints_are_taken_with_a_warning(
    saved: tuple[list[Row], dict[str, npt.NDArray[np.generic]], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    rows, arrays, path = saved
    np.savez(path, allow_pickle=False, **arrays)
    assert len(evaluation.from_file(rows, path, "b" * 64).rows) == 3
    assert "out.npz does not say which bundle" in capsys.readouterr().err


def test_a_corpus_is_embedded_once_and_only_a_changed_file_again(emodb: Path, encoder: Encoder, tmp_path: Path) -> None:
    rows, cache = corpora.prepare("emodb", emodb), tmp_path / "kept"
    first = evaluation.embed(rows, encoder, cache, threads=2)
    made = Cache.open(cache, encoder.bundle.fingerprint)
    assert len(made.vectors) == len(rows)
    # What is kept is what is given: a mark put into the archive comes back, so nothing was encoded again.
    for key, vector in made.vectors.items():
        made.vectors[key] = Vector(-vector.embedding, vector.affect)
    made.changed = True
    made.save()
    again = evaluation.embed(rows, encoder, cache)
    np.testing.assert_array_equal(again.embedding, -first.embedding)
    np.testing.assert_array_equal(again.affect, first.affect)
    speak(rows[0].path.with_suffix(".wav"), seed=77)
    changed = [replace(rows[0], path=rows[0].path.with_suffix(".wav")), *rows[1:]]
    third = evaluation.embed(changed, encoder, cache)
    assert (third.embedding[0] @ first.embedding[0], third.embedding[1] @ first.embedding[1]) > (0, -1)
    np.testing.assert_array_equal(third.embedding[1:], -first.embedding[1:])
    assert [path.name for path in cache.iterdir()] == [f"{encoder.bundle.fingerprint[:32]}.npz"]


def test_clips_that_cannot_be_embedded_are_all_named_and_the_others_kept(
    emodb: Path, encoder: Encoder, tmp_path: Path
) -> None:
    rows = corpora.prepare("emodb", emodb)
    broken = [replace(row, path=tmp_path / f"gone-{n}.wav") for n, row in enumerate(rows[:2])]
    with pytest.raises(CorpusError, match=r"2 of 5 clips.*\n.*gone-0\.wav.*\n.*gone-1\.wav"):
        evaluation.embed([*broken, *rows], encoder, tmp_path / "kept")
    assert len(Cache.open(tmp_path / "kept", encoder.bundle.fingerprint).vectors) == 3


def test_a_damaged_cache_and_one_that_cannot_be_written_are_named(
    emodb: Path, encoder: Encoder, tmp_path: Path
) -> None:
    rows = corpora.prepare("emodb", emodb)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="file"):
        evaluation.embed(rows[:1], encoder, tmp_path / "file" / "cache")
    (tmp_path / f"{encoder.bundle.fingerprint[:32]}.npz").write_bytes(b"torn")
    with pytest.raises(CorpusError, match=r"not a cache.*delete it"):
        evaluation.embed(rows[:1], encoder, tmp_path)
