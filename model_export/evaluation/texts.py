"""The captions that clips are held against: spread evenly over the plane, or one beside each clip.

Both come from the training grammar (`captions.pool`): they say how well the two modalities meet, not how well the
bundle understands new wordings (for that there are the graded prompts and the unseen words).
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from model_export import captions
from model_export.captions import Caption, Sampler
from model_export.data import dominance
from model_export.manifest import Row


def even(count: int, seed: int) -> list[Caption]:
    """At most `count` distinct captions, drawn evenly over the cells of the plane."""
    pool, sampler = _pool(seed)
    return [pool[index] for index in np.unique(sampler.anywhere(count, np.random.default_rng(seed)))]


def beside(rows: Sequence[Row], seed: int) -> list[Caption]:
    """A caption for each clip, drawn near its affect and dominance."""
    pool, sampler = _pool(seed)
    rng = np.random.default_rng(seed)
    return [pool[sampler.near(np.array([*row.affect, dominance(row)]), rng)] for row in rows]


@lru_cache(maxsize=1)
def _pool(seed: int) -> tuple[list[Caption], Sampler]:
    pool = captions.pool(seed)
    return pool, Sampler(pool)
