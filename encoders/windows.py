"""Windows: the stretches of a clip that are encoded one by one.

A clip up to `win_dur` is one window of its own length. A longer one is cut every `hop_dur`, and the last
window is moved back to end with the clip, so that no window is a sliver and no sound is left out. Windows in
which nothing can be heard are left out. Cutting is streaming: it holds about two windows of sound, whatever the
clip's length.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from encoders.audio import SAMPLE_RATE, Samples, is_silent

SEGMENTATION: Final = "audible-1"
FORMER: Final = "audible-1"


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of a clip: where it starts and ends (seconds), and its samples (mono, 16 kHz)."""

    start: float
    end: float
    samples: Samples


def cut(chunks: Iterable[Samples], win_dur: float, hop_dur: float) -> Iterator[Window]:
    """Cut a clip that comes in `chunks` (mono, 16 kHz, any sizes) into windows; durations in seconds.

    Raises ValueError unless 0 < hop_dur <= win_dur.
    """
    if not 0 < hop_dur <= win_dur:
        raise ValueError(f"windows need 0 < hop_dur <= win_dur, got {hop_dur} and {win_dur}")
    size, hop = round(win_dur * SAMPLE_RATE), max(1, round(hop_dur * SAMPLE_RATE))
    held = np.zeros(0, np.float32)
    first = 0  # the clip's sample that `held` begins with
    start = 0  # where the next window begins
    for chunk in chunks:
        held = np.concatenate([held, chunk])
        # Strictly longer: a window that may be the last waits until the clip goes on.
        while first + held.size > start + size:
            yield from _heard(held, first, start, start + size)
            start += hop
            # The last window may have to reach back to one window before the end of the clip.
            keep = min(start, first + held.size - size)
            held, first = held[keep - first :], keep
    end = first + held.size
    yield from _heard(held, first, max(0, end - size), end)


def _heard(held: Samples, first: int, start: int, end: int) -> Iterator[Window]:
    samples = held[start - first : end - first]
    if not is_silent(samples):
        yield Window(start / SAMPLE_RATE, end / SAMPLE_RATE, samples.copy())
