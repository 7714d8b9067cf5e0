"""Windows: the stretches of a clip that are encoded one by one.

A clip up to `win_dur` is one window of its own length, unless nothing can be heard in it. Of a longer one the voiced
stretches are taken (`encoders.voice`), each by itself: up to `win_dur` it is one window, a longer one is cut every
`hop_dur`, and its last window is moved back to end with it, so that no window is a sliver and no voice is left out.
Where much of a long clip is as loud as its voice and yet none, or there is no voice at all (music, whispering, a
voice unlike any that the detector knows), all the rest that can be heard is cut too, in a second reading.

Cutting is streaming: some windows of sound are held, whatever the clip's length, and the windows do not depend on
the sizes of the pieces in which the clip comes.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final

import numpy as np

from encoders.audio import SAMPLE_RATE, Samples, is_silent
from encoders.voice import Voices

# The name of this way of cutting; libraries keep it. Another threshold, model or rule needs another name.
SEGMENTATION: Final = "voice-1"
# The way before there was any name: everything audible.
FORMER: Final = "audible-1"


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of a clip: where it starts and ends (seconds), and its samples (mono, 16 kHz)."""

    start: float
    end: float
    samples: Samples


def cut(
    read: Callable[[], Iterable[Samples]], win_dur: float, hop_dur: float, voices: Voices | None = None
) -> Iterator[Window]:
    """Cut a clip into windows; durations in seconds. There are none where nothing can be heard.

    `read` gives the clip from its beginning (mono, 16 kHz, in pieces of any sizes). It is called again where the rest
    has to be cut too; the windows of that come after the others, so that not all are in the order of time. `voices`
    (new ones) hear the clip whatever its length, for those who want to know its signs of voice.

    Raises ValueError unless 0 < hop_dur <= win_dur.
    """
    if not 0 < hop_dur <= win_dur:
        raise ValueError(f"windows need 0 < hop_dur <= win_dur, got {hop_dur} and {win_dur}")
    size, hop = round(win_dur * SAMPLE_RATE), max(1, round(hop_dur * SAMPLE_RATE))
    rest = iter(read())
    begun, held = [np.zeros(0, np.float32)], 0
    while held <= size:
        chunk = next(rest, None)
        if chunk is None:
            if voices is not None:
                deque(voices.stretches(begun), maxlen=0)
            yield from _heard(np.concatenate(begun), 0)
            return
        begun.append(chunk)
        held += chunk.size
    voices = voices or Voices()
    taken: list[tuple[int, int]] = []
    cutter: _Cutter | None = None
    for part in voices.stretches(chain(begun, rest)):
        cutter = cutter or _Cutter(size, hop, part.start)
        yield from cutter.push(part.samples)
        if part.last:
            yield from cutter.finish()
            taken.append(cutter.stretch)
            cutter = None
    if voices.doubtful():
        yield from _others(_audible(read(), size, hop), taken)


def _audible(chunks: Iterable[Samples], size: int, hop: int) -> Iterator[Window]:
    cutter = _Cutter(size, hop, 0)
    for chunk in chunks:
        yield from cutter.push(chunk)
    yield from cutter.finish()


def _others(windows: Iterable[Window], taken: list[tuple[int, int]]) -> Iterator[Window]:
    """Yield the windows of which at least half lies outside the stretches that were taken (samples)."""
    starts, ends = np.array(taken, np.float64).reshape(-1, 2).T / SAMPLE_RATE
    for window in windows:
        common = np.minimum(ends, window.end) - np.maximum(starts, window.start)
        if common.clip(min=0).sum() <= (window.end - window.start) / 2:
            yield window


class _Cutter:
    """Cuts one stretch of a clip, from its sample `start` on."""

    def __init__(self, size: int, hop: int, start: int) -> None:
        self._size, self._hop = size, hop
        self._held = np.zeros(0, np.float32)
        self._first = self._start = start  # the clip's samples that `_held` begins with, and the next window
        self._begin = start

    @property
    def stretch(self) -> tuple[int, int]:
        return self._begin, self._first + self._held.size

    def push(self, samples: Samples) -> Iterator[Window]:
        self._held = np.concatenate([self._held, samples])
        end = self._first + self._held.size
        # Strictly longer: a window that may be the last waits until the stretch goes on.
        while end > self._start + self._size:
            yield from self._window(self._start, self._start + self._size)
            self._start += self._hop
            # The last window may have to reach back to one window before the end of the stretch.
            keep = min(self._start, end - self._size)
            self._held, self._first = self._held[keep - self._first :], keep

    def finish(self) -> Iterator[Window]:
        end = self._first + self._held.size
        yield from self._window(max(self._begin, end - self._size), end)

    def _window(self, start: int, end: int) -> Iterator[Window]:
        yield from _heard(self._held[start - self._first : end - self._first], start)


def _heard(samples: Samples, start: int) -> Iterator[Window]:
    if not is_silent(samples):
        yield Window(start / SAMPLE_RATE, (start + samples.size) / SAMPLE_RATE, samples.copy())
