"""How long a build will take, from a look at the sizes of what is new and at the headers of a few recordings."""

import random
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from encoders.audio import SAMPLE_RATE
from encoders.containers import length
from encoders.encoder import Encoder
from encoders.errors import AudioError
from index.known import Found
from index.sources import Failure

_SAMPLE: Final = 32
_WORTH: Final = 1000  # new recordings, or
_WORTH_BYTES: Final = 100_000_000  # their bytes, from which on an estimate is worth its second


@dataclass
class Survey:
    """What lies ahead of a build: recordings in all, those that are new or changed, and these ones' bytes."""

    total: int = 0
    new: int = 0
    bytes: int = 0
    sample: list[Found] = field(default_factory=list, repr=False)


def survey(items: Iterable[Found | Failure]) -> Survey:
    """Count what a build will meet, and keep an even sample of what is new."""
    found = Survey()
    rng = random.Random(0)
    for item in items:
        found.total += 1
        if isinstance(item, Failure) or item.unchanged or item.seen is None:
            continue
        found.new += 1
        found.bytes += item.seen.size
        if len(found.sample) < _SAMPLE:
            found.sample.append(item)
        elif (place := rng.randrange(found.new)) < _SAMPLE:
            found.sample[place] = item
    return found


def seconds(ahead: Survey, encoder: Encoder, threads: int) -> float | None:
    """Estimate how many seconds a build will take; None for a short one, or where no header tells.

    It counts all sound as voice, so long recordings with much silence take less.
    """
    if ahead.new < _WORTH and ahead.bytes < _WORTH_BYTES:
        return None
    info = encoder.bundle.info
    windows = size = 0.0
    for found in ahead.sample:
        try:
            duration = length(found.recording.path, found.path)
        except AudioError:
            continue
        if duration is None or found.seen is None:
            continue
        size += found.seen.size
        windows += duration / info.win_dur if duration <= info.win_dur else 1 + (duration - info.win_dur) / info.hop_dur
    if not size:
        return None
    return ahead.bytes / size * windows * _window(encoder, info.win_dur) / threads


def _window(encoder: Encoder, win_dur: float) -> float:
    """Measure the seconds that one window takes on one thread."""
    samples = np.random.default_rng(0).normal(0, 0.1, round(win_dur * SAMPLE_RATE)).astype(np.float32)
    encoder.embed_samples(samples)
    started = time.perf_counter()
    encoder.embed_samples(samples)
    return time.perf_counter() - started
