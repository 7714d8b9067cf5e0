"""Balanced draws, and changes to the sound that leave its length and scale sound."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model_export import augment, corpora, data
from model_export.errors import CorpusError
from model_export.manifest import Row
from tests.sounds import voice


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


@settings(max_examples=50, deadline=None)
@given(length=st.integers(5000, 60_000), seconds=st.floats(0.2, 2.5), seed=st.integers(0, 999))
def test_a_crop_is_as_long_as_asked_or_as_long_as_there_is(length: int, seconds: float, seed: int) -> None:
    samples = np.sin(np.arange(length) / 20).astype(np.float16)
    part = augment.crop(samples, seconds, np.random.default_rng(seed))
    wanted = round(seconds * 16_000)
    assert len(part) <= wanted
    assert len(part) >= min(wanted, int(length / (1 + augment.SPEED)) - 2)
    assert np.isfinite(part).all()


def test_without_a_change_of_speed_a_crop_is_a_piece_of_the_clip() -> None:
    ramp = np.linspace(0.0, 1.0, 20_000).astype(np.float16)
    part = augment.crop(ramp, 0.5, np.random.default_rng(1), speed_probability=0.0)
    assert len(part) == 8000
    assert part[-1] - part[0] == pytest.approx(7999 / 19_999, abs=2e-3)


@pytest.mark.parametrize("seed", range(6))
def test_distortion_keeps_shape_silence_and_reason(seed: int) -> None:
    crops = [voice(0.5, seed=1), voice(1.0, seed=2), voice(0.8, seed=3)]
    samples, lengths = augment.batch([c.astype(np.float32) for c in crops])
    changed = augment.distort(samples, lengths, torch.Generator().manual_seed(seed))
    assert changed.shape == samples.shape
    assert torch.isfinite(changed).all()
    for before, after, length in zip(samples, changed, lengths, strict=True):
        assert not after[length:].any()
        ratio = float(after.square().mean() / before.square().mean())
        assert 0.02 < ratio < 20
    again = augment.distort(samples, lengths, torch.Generator().manual_seed(seed))
    torch.testing.assert_close(again, changed)
