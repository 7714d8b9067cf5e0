"""Batches are functions of seed and step; draws are even, or as uneven as asked for."""

from pathlib import Path

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from model_export import data
from model_export.manifest import Row
from model_export.training.batches import BalancedDraw, Batches
from model_export.training.config import Config
from model_export.training.setup import read
from model_export.training.sources import Waveforms
from model_export.training.texts import Pool


def row(corpus: str, emotion: str) -> Row:
    return Row(Path("x.wav"), corpus, f"{corpus}-1", emotion, 4.0, 4.0)


ROWS = [row("a", "anger")] * 90 + [row("a", "calm")] * 5 + [row("b", "anger")] * 5
EVERY = np.arange(len(ROWS))


def counts(drawn: np.ndarray[tuple[int], np.dtype[np.int64]]) -> list[int]:
    cells = [("a", "anger"), ("a", "calm"), ("b", "anger")]
    return [sum((ROWS[i].corpus, ROWS[i].emotion) == cell for i in drawn) for cell in cells]


def test_every_corpus_and_emotion_comes_equally_often() -> None:
    assert counts(BalancedDraw(ROWS, EVERY, {})(300, np.random.default_rng(0))) == [100, 100, 100]


@given(count=st.integers(1, 60), weight=st.floats(0.05, 4), seed=st.integers(0, 99))
def test_a_corpus_comes_as_often_as_its_weight_says(count: int, weight: float, seed: int) -> None:
    drawn = counts(BalancedDraw(ROWS, EVERY, {"b": weight})(count, np.random.default_rng(seed)))
    for number, share in zip(drawn, np.array([1, 1, weight]) / (2 + weight), strict=True):
        assert abs(number - share * count) < 1 + 1e-9


def made(config: Config) -> tuple[Batches, list[Row]]:
    rows = [row for named in read(config).values() for row in named]
    places = data.places(rows)
    pool = Pool.of(rows, places, config.captions, config.seed)
    draw = BalancedDraw(rows, np.arange(len(rows)), {})
    return Batches(Waveforms.of(rows, config), draw, places, pool, config), rows


def test_a_batch_depends_on_seed_and_step_alone(config: Config) -> None:
    batches, _ = made(config)
    ahead = list(batches.between(3, 6))
    assert [batch.step for batch in ahead] == [3, 4, 5, 6]
    again, _ = made(config)
    for batch in reversed(ahead):
        same = again.at(batch.step)
        for one, other in zip(batch.heard, same.heard, strict=True):
            assert torch.equal(one, other)
        assert np.array_equal(batch.captions, same.captions)
        assert np.array_equal(batch.clips, same.clips)
    assert not np.array_equal(ahead[0].captions, ahead[1].captions)
    samples, lengths = ahead[0].heard
    assert len(samples) == len(lengths) == len(ahead[0].clips) == 8
    assert len(ahead[0].captions) == 8 + 7


def test_clips_from_disk_are_those_in_memory(config: Config) -> None:
    rows = [row for named in read(config).values() for row in named]
    in_memory, on_disk = data.load(rows, 1), data.OnDisk(rows)
    assert len(on_disk) == len(in_memory)
    assert all(np.array_equal(one, other) for one, other in zip(in_memory, on_disk, strict=True))
    assert np.array_equal(on_disk[2:5][1], in_memory[3])


def test_a_clips_caption_lies_near_it(config: Config) -> None:
    batches, _ = made(config)
    found = []
    for batch in batches.between(1, 20):
        own = batches.pool.places[batch.captions[: len(batch.clips)], :2]
        found.append(np.abs(own - batches.places[batch.clips, :2]).mean())
    assert np.mean(found) < 0.8, "a caption drawn anywhere is more than 2 away"
