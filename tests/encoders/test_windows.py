"""Windows cover a clip, whatever pieces it comes in."""

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoders.audio import SAMPLE_RATE, Samples
from encoders.windows import Window, cut
from tests.sounds import speech, voice

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
    windows = list(cut(lambda: _pieces(clip, sizes), win, hop))
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
    assert [(window.start, window.end) for window in cut(lambda: [clip], 4, 2)] == expected


def test_silent_windows_are_left_out() -> None:
    clip = np.concatenate([LOUD[: 4 * SAMPLE_RATE], np.zeros(8 * SAMPLE_RATE, np.float32), LOUD[: 4 * SAMPLE_RATE]])
    assert [(window.start, window.end) for window in cut(lambda: [clip], 4, 4)] == [(0, 4), (12, 16)]


def test_a_silent_clip_and_an_empty_one_have_no_windows() -> None:
    assert list(cut(lambda: [np.zeros(5 * SAMPLE_RATE, np.float32)], 4, 2)) == []
    assert list(cut(lambda: [], 4, 2)) == []


def quiet(seconds: float) -> Samples:
    return (0.01 * LOUD[: round(seconds * SAMPLE_RATE)]).astype(np.float32)


def test_a_long_clip_has_windows_where_somebody_speaks() -> None:
    clip = np.concatenate([quiet(6), speech(9), quiet(10), speech(1.5), quiet(6)])
    windows = list(cut(lambda: [clip], 4, 2))
    first = [window for window in windows if window.end < 20]
    (second,) = [window for window in windows if window.end > 20]
    assert 5.2 < first[0].start < 6
    assert 15 <= first[-1].end < 16
    assert all(window.end - window.start == 4 for window in first)
    assert [later.start - earlier.start for earlier, later in itertools.pairwise(first[:-1])] == [2, 2, 2]
    assert 24.2 < second.start < 25
    assert 26.5 <= second.end < 27.3
    for window in windows:
        start, end = round(window.start * SAMPLE_RATE), round(window.end * SAMPLE_RATE)
        assert np.array_equal(window.samples, clip[start:end])


def test_a_clip_of_one_window_is_whole_whatever_is_in_it() -> None:
    clip = np.concatenate([quiet(1), speech(1), quiet(2)])
    assert [(window.start, window.end) for window in cut(lambda: [clip], 4, 2)] == [(0, 4)]


def test_a_voice_that_the_detector_loses_is_kept_by_its_loudness() -> None:
    clip = np.concatenate([speech(2), voice(20, level=float(speech(2).std()))])
    windows = sorted((window.start, window.end) for window in cut(lambda: [clip], 4, 2))
    assert windows[0][0] == 0
    assert windows[-1][1] == 22
    assert all(later[0] <= earlier[1] for earlier, later in itertools.pairwise(windows))
    assert len(set(windows)) == len(windows)


def test_windows_come_while_the_clip_is_still_read() -> None:
    taken = 0

    def endless() -> Iterator[Samples]:
        nonlocal taken
        while True:
            taken += 1
            yield speech(1)

    windows = cut(endless, 4, 2)
    for number in range(30):
        window: Window = next(windows)
        assert window.start == 2 * number
        assert taken <= 2 * number + 7
        assert window.samples.base is None  # a view would keep the whole of what is held alive


@pytest.mark.parametrize(("win", "hop"), [(4, 0), (4, 5), (0, 0), (-1, -2)])
def test_windows_that_cannot_be_are_refused(win: float, hop: float) -> None:
    with pytest.raises(ValueError, match="hop_dur"):
        list(cut(lambda: [LOUD], win, hop))
