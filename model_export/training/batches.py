"""What each step of a run trains on.

Step k's batch is a function of (seed, k) alone: nothing is carried from one step to the next, so a run that was
stopped goes on with the very batches that it would have had, whatever was prepared ahead, and every rank knows the
whole batch but hears only its share.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model_export.manifest import Row
from model_export.training import distributed
from model_export.training.config import Config
from model_export.training.sources import Indices, Source
from model_export.training.texts import Pool


class BalancedDraw:
    """Draws clips so that every (corpus, emotion) comes equally often, or as often as its corpus' weight says."""

    def __init__(self, rows: Sequence[Row], clips: Indices, corpus_weight: Mapping[str, float]) -> None:
        cells: dict[tuple[str, str], list[int]] = {}
        for clip in clips:
            cells.setdefault((rows[clip].corpus, rows[clip].emotion), []).append(int(clip))
        self.cells = [np.array(members, dtype=np.int64) for members in cells.values()]
        weights = np.array([corpus_weight.get(corpus, 1.0) for corpus, _ in cells])
        self.shares = weights / weights.sum()

    def __call__(self, count: int, rng: np.random.Generator) -> Indices:
        """Positions of `count` clips: each cell comes its share of `count` times, rounded up or down at random."""
        order = rng.permutation(len(self.cells))
        # Systematic sampling (Madow 1949): evenly spaced marks on the line of the cells' shares.
        marks = (rng.random() + np.arange(count)) / count
        ends = np.cumsum(self.shares[order])
        turns = order[np.minimum(np.searchsorted(ends, marks, side="right"), len(order) - 1)]
        return np.array([rng.choice(self.cells[cell]) for cell in rng.permutation(turns)], dtype=np.int64)


def drawn(
    draw: BalancedDraw, pool: Pool, places: npt.NDArray[np.float32], config: Config, rng: np.random.Generator
) -> tuple[Indices, Indices]:
    """Positions of a batch's clips and of its captions: one beside each clip, then some from anywhere."""
    clips = draw(config.optimisation.batch, rng)
    own = [pool.beside(int(clip), places[clip], rng) for clip in clips]
    more = pool.sampler.anywhere(config.captions.extra, rng)
    return clips, np.concatenate([own, more]).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Batch:
    """One step: this rank's share of the clips as they are heard, and all clips and captions by their positions.

    The first `len(clips)` captions are the clips' own.
    """

    step: int
    heard: tuple[Tensor, ...]
    clips: Indices
    captions: Indices


class Batches:
    """The batches of a run, prepared in the background."""

    def __init__(
        self, source: Source, draw: BalancedDraw, places: npt.NDArray[np.float32], pool: Pool, config: Config
    ) -> None:
        self.source, self.draw, self.places, self.pool, self.config = source, draw, places, pool, config

    def at(self, step: int) -> Batch:
        """The batch of a step."""
        config = self.config
        rng = np.random.default_rng((config.seed, step))
        clips, captions = drawn(self.draw, self.pool, self.places, config, rng)
        heard = self.source.draw(
            clips[distributed.share(len(clips))], np.random.default_rng((config.seed, step, distributed.rank()))
        )
        return Batch(step, heard, clips, captions)

    def between(self, first: int, last: int) -> Iterator[Batch]:
        """The batches of steps `first` to `last`, both included."""
        ahead = self.config.data.batches_ahead
        waiting: deque[Future[Batch]] = deque()
        with ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(self.config.threads,)) as worker:
            try:
                for step in range(first, last + 1):
                    while len(waiting) < ahead and step + len(waiting) <= last:
                        waiting.append(worker.submit(self.at, step + len(waiting)))
                    yield waiting.popleft().result()
            finally:
                worker.shutdown(cancel_futures=True)
