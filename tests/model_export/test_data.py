"""Balanced draws, and clips that are decoded or named."""

from pathlib import Path

import numpy as np
import pytest

from model_export import corpora, data
from model_export.errors import CorpusError
from model_export.manifest import Row


def row(corpus: str, speaker: int, emotion: str, gender: str = "female") -> Row:
    return Row(Path("x.wav"), corpus, f"{corpus}-{speaker}", emotion, 4.0, 4.0, gender=gender)


def test_every_corpus_and_emotion_comes_equally_often() -> None:
    rows = [row("a", 1, "anger")] * 90 + [row("a", 1, "calm")] * 5 + [row("b", 1, "anger")] * 5
    drawn = data.BalancedDraw(rows)(300, np.random.default_rng(0))
    counts = np.unique([(rows[i].corpus, rows[i].emotion) for i in drawn], axis=0, return_counts=True)[1]
    assert counts.tolist() == [100, 100, 100]


def test_clips_that_cannot_be_decoded_are_all_named(ravdess: Path) -> None:
    rows = corpora.prepare("ravdess", ravdess)[:4]
    rows[1].path.write_bytes(b"")
    rows[3].path.write_bytes(b"this is no sound" * 100)
    with pytest.raises(CorpusError) as caught:
        data.load(rows)
    assert rows[1].path.name in str(caught.value)
    assert rows[3].path.name in str(caught.value)
    rows[1].path.unlink()
    assert len(data.load([rows[0], rows[2]]).samples) == 2
