"""Peaks of a stream of sound."""

import numpy as np
import pytest

from encoders.audio import SAMPLE_RATE
from service.peaks import Peaks


def peaks_of(samples: np.ndarray, piece: int) -> Peaks:
    peaks = Peaks()
    for begin in range(0, samples.size, piece):
        peaks.push(samples[begin : begin + piece].astype(np.float32))
    return peaks


def test_the_loudest_sample_of_each_part_is_found() -> None:
    samples = np.zeros(4 * SAMPLE_RATE)
    samples[100], samples[SAMPLE_RATE + 50], samples[-1] = 0.25, -0.75, 0.5
    assert peaks_of(samples, 1000).columns(4) == [0.25, 0.75, 0.0, 0.5]


@pytest.mark.parametrize("piece", [1, 7, 16, 333, 16_000, 10**9])
def test_it_does_not_matter_how_the_sound_is_cut_into_pieces(piece: int) -> None:
    samples = np.random.default_rng(1).normal(scale=0.1, size=5003)
    assert peaks_of(samples, piece).columns(50) == peaks_of(samples, 5003).columns(50)


def test_a_long_sound_takes_no_more_memory_and_keeps_its_shape() -> None:
    peaks = Peaks()
    held = peaks._peaks.nbytes
    for second in range(1200):
        peaks.push(np.full(SAMPLE_RATE, second / 1200, np.float32))
    assert peaks._peaks.nbytes == held
    assert peaks._rest.size < SAMPLE_RATE
    assert peaks.seconds == 1200
    columns = peaks.columns(120)
    assert columns == pytest.approx([(10 * part + 9) / 1200 for part in range(120)], abs=0.002)


def test_a_short_sound_fills_all_columns_and_none_is_flat() -> None:
    assert peaks_of(np.full(40, 0.5), 40).columns(2000) == [0.5] * 2000
    assert Peaks().columns(3) == [0.0, 0.0, 0.0]


def test_what_is_beyond_full_scale_is_full_scale() -> None:
    assert peaks_of(np.array([0.1, 30_000.0]), 2).columns(1) == [1.0]
