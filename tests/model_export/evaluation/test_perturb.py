"""Conditions of the robustness evaluation and the codecs under them: what they promise about length, level and time."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from encoders.audio import SAMPLE_RATE, Samples
from model_export.codec import CODECS, round_trip, tempo
from model_export.evaluation import perturb
from model_export.evaluation.perturb import CONDITIONS
from tests.sounds import voice


def heard(name: str, samples: Samples, seed: int = 0) -> Samples:
    return CONDITIONS[name](samples, np.random.default_rng(seed))


def decibels(of: Samples, against: Samples) -> float:
    return float(10 * np.log10(np.mean(of.astype(np.float64) ** 2) / np.mean(against.astype(np.float64) ** 2)))


def delay(changed: Samples, samples: Samples) -> int:
    """Samples by which `changed` comes late."""
    return int(signal.correlate(changed, samples, "full").argmax()) - (samples.size - 1)


@pytest.mark.parametrize("name", CONDITIONS)
def test_a_condition_is_finite_repeatable_and_as_long_as_it_says(name: str) -> None:
    samples = voice(2.4)
    before = samples.copy()
    changed = heard(name, samples)
    assert np.array_equal(samples, before)
    assert changed.dtype == np.float32
    assert np.isfinite(changed).all()
    assert np.array_equal(changed, heard(name, samples))
    assert (name == "clean") == np.array_equal(changed, samples)
    seconds = {"speed 0.9": 2.4 / 0.9, "speed 1.1": 2.4 / 1.1, "cut to 2 s": 2.0}.get(name, 2.4)
    assert changed.size == pytest.approx(seconds * SAMPLE_RATE, abs=2)


@pytest.mark.parametrize("name", CONDITIONS)
@pytest.mark.parametrize("size", [1, 7, 480, 4801])
def test_a_condition_takes_short_and_silent_clips(name: str, size: int) -> None:
    for samples in (voice(0.4)[:size], np.zeros(size, np.float32)):
        changed = heard(name, samples)
        assert np.isfinite(changed).all()
        assert changed.size == pytest.approx(samples.size, rel=0.12, abs=1)


@settings(max_examples=30, deadline=None)
@given(
    kind=st.sampled_from(["white", "brown", "babble"]),
    snr=st.floats(-5.0, 40.0),
    level=st.floats(0.001, 0.3),
    seed=st.integers(0, 999),
    size=st.integers(4000, 9001),
)
def test_noise_is_as_loud_as_asked_and_another_for_another_seed(
    kind: perturb.Noise, snr: float, level: float, seed: int, size: int
) -> None:
    samples = voice(0.6, level=level)[:size]
    changed = perturb.noisy(samples, np.random.default_rng(seed), kind, snr)
    assert decibels(samples, changed - samples) == pytest.approx(snr, abs=0.05)
    assert not np.array_equal(changed, perturb.noisy(samples, np.random.default_rng(seed + 1), kind, snr))


def test_noises_differ_in_colour() -> None:
    samples = voice(3.0)

    def low_share(kind: perturb.Noise) -> float:
        noise = perturb.noisy(samples, np.random.default_rng(0), kind, 0.0) - samples
        power = np.abs(np.fft.rfft(noise)) ** 2
        return float(power[: len(power) // 16].sum() / power.sum())  # below 500 Hz

    assert low_share("white") == pytest.approx(1 / 16, abs=0.02)
    assert 0.3 < low_share("babble") < 0.9
    assert low_share("brown") > 0.85


@pytest.mark.parametrize(("seconds", "direct"), [(0.3, 6.0), (1.2, 0.0)])
def test_a_room_rings_as_long_as_asked_and_starts_with_the_speech(seconds: float, direct: float) -> None:
    click = np.zeros(2 * SAMPLE_RATE, np.float32)
    click[0] = 0.5
    rung = perturb.reverberant(click, np.random.default_rng(0), seconds, direct)
    assert int(np.abs(rung).argmax()) == 0
    assert decibels(rung[:1], rung[1:]) - 10 * np.log10(rung.size - 1) == pytest.approx(direct, abs=0.1)
    left = np.cumsum(rung[::-1].astype(np.float64) ** 2)[::-1]  # Schroeder's integral of the decay
    fall = 10 * np.log10(left[round(0.5 * seconds * SAMPLE_RATE)] / left[round(0.1 * seconds * SAMPLE_RATE)])
    assert fall == pytest.approx(-24.0, abs=2.0)  # 60 dB in `seconds`, so 24 in four tenths of them
    samples = voice(1.0)
    changed = perturb.reverberant(samples, np.random.default_rng(0), seconds, direct)
    assert decibels(changed, samples) == pytest.approx(0.0, abs=0.01)
    assert abs(delay(changed, samples)) <= 2


@pytest.mark.parametrize("name", CODECS)
def test_a_codec_leaves_time_level_and_most_of_the_wave(name: str) -> None:
    samples = voice(1.5)
    changed = round_trip(samples, CODECS[name])
    assert changed.size == samples.size
    assert not np.array_equal(changed, samples)
    assert delay(changed, samples) == 0
    assert decibels(changed, samples) == pytest.approx(0.0, abs=1.0)
    assert np.corrcoef(changed, samples)[0, 1] > 0.95


@pytest.mark.parametrize("factor", [0.88, 0.95, 1.05, 1.12])
def test_tempo_changes_the_length_and_not_the_pitch(factor: float) -> None:
    tone = (0.3 * np.sin(2 * np.pi * 220 * np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE)).astype(np.float32)
    changed = tempo(tone, factor)
    assert changed.size == round(tone.size / factor)
    spectrum = np.abs(np.fft.rfft(changed * np.hanning(changed.size)))
    assert spectrum.argmax() * SAMPLE_RATE / changed.size == pytest.approx(220, abs=1.5)
    assert decibels(changed, tone) == pytest.approx(0.0, abs=0.5)


def test_a_telephone_line_keeps_its_band_and_nothing_else() -> None:
    samples = np.random.default_rng(0).normal(0, 0.05, 2 * SAMPLE_RATE).astype(np.float32)
    hertz, before = signal.welch(samples, SAMPLE_RATE, nperseg=1024)
    _, after = signal.welch(heard("telephone", samples), SAMPLE_RATE, nperseg=1024)
    gain = 10 * np.log10(after / before)
    assert abs(gain[(hertz > 500) & (hertz < 3000)]).max() < 3
    assert gain[(hertz > 10) & (hertz < 100)].max() < -20
    assert gain[hertz > 4300].max() < -20


def test_quiet_is_quiet_loud_is_clipped_and_speed_moves_the_pitch() -> None:
    samples = voice(1.0)
    assert decibels(heard("20 dB quieter", samples), samples) == pytest.approx(-20.0, abs=0.1)
    clipped = heard("clipped by 12 dB", samples * np.float32(0.01))
    assert np.abs(clipped).max() == 1.0
    inside = np.abs(clipped) < 1.0
    assert 0.0 < 1 - inside.mean() < 0.5
    gain = 10 ** (12 / 20) / np.abs(samples).max()
    np.testing.assert_allclose(clipped[inside], samples[inside] * gain, rtol=1e-3, atol=1e-5)
    tone = np.sin(2 * np.pi * 200 * np.arange(SAMPLE_RATE) / SAMPLE_RATE).astype(np.float32)
    for name, hertz in (("speed 0.9", 180.0), ("speed 1.1", 220.0)):
        changed = heard(name, tone)
        assert np.abs(np.fft.rfft(changed)).argmax() * SAMPLE_RATE / changed.size == pytest.approx(hertz, abs=1.0)


def test_a_cut_is_a_piece_of_the_clip_and_leaves_short_ones_whole() -> None:
    ramp = np.arange(4 * SAMPLE_RATE, dtype=np.float32)
    starts = {float(heard("cut to 2 s", ramp, seed)[0]) for seed in range(5)}
    assert len(starts) == 5
    piece = heard("cut to 2 s", ramp, 1)
    assert (np.diff(piece) == 1).all()
    assert np.array_equal(heard("cut to 2 s", ramp[:SAMPLE_RATE]), ramp[:SAMPLE_RATE])


def test_the_unchanged_samples_come_first_and_every_condition_is_callable() -> None:
    assert next(iter(CONDITIONS)) == "clean"
    condition: Callable[[Samples, np.random.Generator], Samples] = CONDITIONS["clean"]
    assert condition(voice(0.3), np.random.default_rng(0)).size == round(0.3 * SAMPLE_RATE)
