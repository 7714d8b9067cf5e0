"""Changes to the sound that leave its length, level and order sound, as a configuration says."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model_export import augment
from model_export.augment import AugmentConfig
from model_export.errors import TrainingError
from tests.sounds import voice

RATE = 16_000
PLAIN: dict[str, Any] = {name: 0.0 for name in AugmentConfig.__slots__ if name.endswith("_probability")}


def tone(hertz: float, seconds: float) -> np.ndarray[Any, np.dtype[np.float32]]:
    return (0.3 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def loudest_hertz(samples: np.ndarray[Any, np.dtype[np.float32]]) -> float:
    return float(np.abs(np.fft.rfft(samples * np.hanning(len(samples)))).argmax() * RATE / len(samples))


@settings(max_examples=50, deadline=None)
@given(
    length=st.integers(5000, 60_000),
    seconds=st.floats(0.2, 2.5),
    seed=st.integers(0, 999),
    apart=st.sampled_from([0.0, 1.0]),
)
def test_a_crop_is_as_long_as_asked_or_as_long_as_there_is(
    length: int, seconds: float, seed: int, apart: float
) -> None:
    samples = np.sin(np.arange(length) / 20).astype(np.float16)
    config = AugmentConfig(apart_probability=apart)
    part = augment.crop(samples, seconds, np.random.default_rng(seed), config)
    wanted = round(seconds * RATE)
    assert len(part) <= wanted
    assert len(part) >= min(wanted, int(length / (1 + config.speed)) - 2) - apart * 2
    assert np.isfinite(part).all()


def test_without_a_change_of_speed_a_crop_is_a_piece_of_the_clip() -> None:
    ramp = np.linspace(0.0, 1.0, 20_000).astype(np.float16)
    part = augment.crop(ramp, 0.5, np.random.default_rng(1), AugmentConfig(**PLAIN))
    assert len(part) == 8000
    assert part[-1] - part[0] == pytest.approx(7999 / 19_999, abs=2e-3)


@pytest.mark.parametrize(("tempo", "pitch"), [(0.12, 0.0), (0.0, 0.12), (0.12, 0.12)])
@pytest.mark.parametrize("seed", range(3))
def test_speed_and_pitch_move_apart_each_within_its_range(tempo: float, pitch: float, seed: int) -> None:
    config = AugmentConfig(**{**PLAIN, "apart_probability": 1.0, "tempo": tempo, "pitch": pitch})
    heard = augment.crop(tone(400.0, 3.0), 2.0, np.random.default_rng(seed), config)
    assert len(heard) == 2 * RATE
    rng = np.random.default_rng(seed)
    rng.random()
    _, moved = rng.uniform(-tempo, tempo), rng.uniform(-pitch, pitch)
    assert loudest_hertz(heard) == pytest.approx(400 * (1 + moved), abs=2.0)


@pytest.mark.parametrize("seed", range(3))
def test_a_change_of_tempo_alone_changes_how_many_beats_are_heard(seed: int) -> None:
    beats = tone(300.0, 4.0) * (np.arange(4 * RATE) % (RATE // 4) < RATE // 8)
    config = AugmentConfig(**{**PLAIN, "apart_probability": 1.0, "pitch": 0.0})
    heard = augment.crop(beats.astype(np.float32), 3.0, np.random.default_rng(seed), config)
    rng = np.random.default_rng(seed)
    rng.random()
    speed = 1 + rng.uniform(-0.12, 0.12)
    envelope = np.abs(heard)[: len(heard) // 160 * 160].reshape(-1, 160).mean(1)
    # 100 frames a second; padded so that a beat is read to 0.02 Hz.
    spectrum = np.abs(np.fft.rfft((envelope - envelope.mean()) * np.hanning(len(envelope)), 5000))
    assert spectrum[100:].argmax() * 0.02 + 2.0 == pytest.approx(4 * speed, abs=0.12)


def test_a_crop_through_a_codec_is_near_the_crop_and_as_loud() -> None:
    samples = voice(2.5, level=0.02).astype(np.float16)
    for seed in range(6):
        bare = augment.crop(samples, 1.5, np.random.default_rng(seed), AugmentConfig(**PLAIN))
        config = AugmentConfig(**{**PLAIN, "codec_probability": 1.0})
        coded = augment.crop(samples, 1.5, np.random.default_rng(seed), config)
        assert coded.shape == bare.shape
        assert not np.array_equal(coded, bare)
        assert np.corrcoef(bare, coded)[0, 1] > 0.9
        assert coded.std() == pytest.approx(bare.std(), rel=0.15)
        again = augment.crop(samples, 1.5, np.random.default_rng(seed), config)
        assert np.array_equal(coded, again)


@pytest.mark.parametrize("seed", range(4))
def test_distortion_keeps_shape_silence_and_reason(seed: int) -> None:
    samples, lengths = augment.batch([voice(0.5, seed=1), voice(1.0, seed=2), voice(0.8, seed=3)])
    config = AugmentConfig(clipping_probability=0.5)
    changed = augment.distort(samples, lengths, torch.Generator().manual_seed(seed), config)
    assert changed.shape == samples.shape
    assert torch.isfinite(changed).all()
    for before, after, length in zip(samples, changed, lengths, strict=True):
        assert not after[length:].any()
        ratio = float(after.square().mean() / before.square().mean())
        assert 0.02 < ratio < 20
    again = augment.distort(samples, lengths, torch.Generator().manual_seed(seed), config)
    torch.testing.assert_close(again, changed)


def test_with_all_probabilities_and_the_gain_at_zero_nothing_changes() -> None:
    samples, lengths = augment.batch([voice(0.5, seed=1), voice(0.7, seed=2)])
    config = AugmentConfig(**PLAIN, gain_db=0.0)
    changed = augment.distort(samples, lengths, torch.Generator().manual_seed(0), config)
    torch.testing.assert_close(changed, samples, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("decibels", [5.0, 20.0])
def test_noise_has_the_power_asked_for(decibels: float) -> None:
    samples, lengths = augment.batch([voice(1.0, seed=1), voice(1.0, seed=2)])
    config = AugmentConfig(
        **{**PLAIN, "noise_probability": 1.0}, noise_db=(decibels,) * 2, noise_low_hertz=20, gain_db=0.0
    )
    changed = augment.distort(samples, lengths, torch.Generator().manual_seed(0), config)
    for before, after, length in zip(samples, changed, lengths, strict=True):
        noise = (after - before)[:length]
        ratio = 10 * math.log10(float(before[:length].square().mean() / noise.square().mean()))
        assert ratio == pytest.approx(decibels, abs=0.3)


def test_clipping_flattens_the_peaks_and_leaves_the_rest() -> None:
    samples, lengths = augment.batch([voice(1.0, seed=1)])
    config = AugmentConfig(**{**PLAIN, "clipping_probability": 1.0}, clipping=(0.4, 0.4), gain_db=0.0)
    changed = augment.distort(samples, lengths, torch.Generator().manual_seed(0), config)
    bound = 0.4 * samples.abs().max()
    torch.testing.assert_close(changed, samples.clamp(-bound, bound), atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize(
    ("choices", "named"),
    [
        ({"noise_probability": 1.5}, "noise_probability is 1.5"),
        ({"noise_probability": math.nan}, "noise_probability is nan"),
        ({"low_pass_hertz": (7000.0, 2800.0)}, "low_pass_hertz"),
        ({"gain_db": math.nan}, "gain_db is nan"),
        ({"pitch": 0.5}, "pitch is 0.5"),
        ({"speed": -0.1}, "speed is -0.1"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_name(choices: dict[str, Any], named: str) -> None:
    with pytest.raises(TrainingError, match=named):
        AugmentConfig(**choices)
