"""Windows cover a clip, whatever pieces it comes in."""

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoders.audio import SAMPLE_RATE, Samples
from encoders.windows import Window, cut
from tests.sounds import voice

LOUD = np.random.default_rng(0).uniform(-0.5, 0.5, 20 * SAMPLE_RATE).astype(np.float32)


def _pieces(samples: Samples, sizes: list[int]) -> Iterator[Samples]:
    place = 0
    for size in sizes:
        yield samples[place : place + size]
        place += size
    yield samples[place:]


@given(
    length=st.integers(SAMPLE_RATE // 40, 12 * SAMPLE_RATE),
    win=st.floats(0.4, 5),
    share=st.floats(0.25, 1),
    sizes=st.lists(st.integers(0, SAMPLE_RATE), max_size=14),
)
def test_windows_cover_the_clip_and_do_not_depend_on_its_pieces(
    length: int, win: float, share: float, sizes: list[int]
) -> None:
    clip = LOUD[:length]
    hop = win * share
    windows = list(cut(_pieces(clip, sizes), win, hop))
    size, step = round(win * SAMPLE_RATE), round(hop * SAMPLE_RATE)
    starts = [round(window.start * SAMPLE_RATE) for window in windows]
    ends = [round(window.end * SAMPLE_RATE) for window in windows]

    for window, start, end in zip(windows, starts, ends, strict=True):
        assert np.array_equal(window.samples, clip[start:end])
        assert window.samples.size == min(size, length)
    assert starts[0] == 0
    assert ends[-1] == length
    assert all(a < b for a, b in itertools.pairwise(starts))
    assert starts[:-1] == [step * number for number in range(len(starts) - 1)]
    # nothing is left out between two windows
    assert all(start <= end for end, start in zip(ends, starts[1:], strict=False))


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.5, [(0, 0.5)]),
        (4, [(0, 4)]),
        (4.5, [(0, 4), (0.5, 4.5)]),
        (6, [(0, 4), (2, 6)]),
        (7, [(0, 4), (2, 6), (3, 7)]),
    ],
)
def test_the_last_window_ends_with_the_clip(seconds: float, expected: list[tuple[float, float]]) -> None:
    clip = LOUD[: int(seconds * SAMPLE_RATE)]
    assert [(window.start, window.end) for window in cut([clip], 4, 2)] == expected


def test_silent_windows_are_left_out() -> None:
    clip = np.concatenate([voice(4), np.zeros(8 * SAMPLE_RATE, np.float32), voice(4)])
    assert [(window.start, window.end) for window in cut([clip], 4, 4)] == [(0, 4), (12, 16)]


def test_a_silent_clip_and_an_empty_one_have_no_windows() -> None:
    assert list(cut([np.zeros(5 * SAMPLE_RATE, np.float32)], 4, 2)) == []
    assert list(cut([], 4, 2)) == []


def test_windows_come_while_the_clip_is_still_read() -> None:
    taken = 0

    def endless() -> Iterator[Samples]:
        nonlocal taken
        while True:
            taken += 1
            yield LOUD[:SAMPLE_RATE]

    windows = cut(endless(), 4, 2)
    for number in range(100):
        window: Window = next(windows)
        assert window.start == 2 * number
        assert taken <= 2 * number + 5
        assert window.samples.base is None  # a view would keep the whole of what is held alive


@pytest.mark.parametrize(("win", "hop"), [(4, 0), (4, 5), (0, 0), (-1, -2)])
def test_windows_that_cannot_be_are_refused(win: float, hop: float) -> None:
    with pytest.raises(ValueError, match="hop_dur"):
        list(cut([LOUD], win, hop))
