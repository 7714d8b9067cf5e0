"""The front end agrees with Whisper's and does not notice padding or level."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import WhisperFeatureExtractor

from model_export.frontend import HOP, LogMel, level, slaney_mels, trim
from tests.sounds import voice


def whispers_own() -> WhisperFeatureExtractor:
    return WhisperFeatureExtractor()  # type: ignore[no-untyped-call]


def speech(seconds: float, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(voice(seconds, seed=seed))[None]


def test_the_mel_filters_are_whispers() -> None:
    theirs = whispers_own().mel_filters.T
    np.testing.assert_allclose(slaney_mels(), theirs, atol=1e-6)


def test_the_log_mel_is_whispers_away_from_the_ends() -> None:
    samples = speech(2.0)
    mel, frames = LogMel()(samples, torch.tensor([samples.shape[1]]))
    levelled = level(*trim(samples, torch.tensor([samples.shape[1]])))
    theirs = whispers_own()(levelled[0].numpy(), sampling_rate=16_000, return_tensors="pt").input_features
    inner = slice(3, int(frames[0]) - 6)
    assert float((mel[0, :, inner] - theirs[0, :, inner]).abs().max()) < 1e-3


@settings(max_examples=12, deadline=None)
@given(seconds=st.floats(0.35, 2.0), padding=st.integers(0, 20_000), seed=st.integers(0, 50))
def test_padding_changes_nothing(seconds: float, padding: int, seed: int) -> None:
    samples = speech(seconds, seed)
    length = torch.tensor([samples.shape[1]])
    alone, frames = LogMel()(samples, length)
    # What lies in the padding must not matter either.
    padded, same = LogMel()(torch.cat([samples, torch.randn(1, padding)], dim=1), length)
    assert frames == same
    torch.testing.assert_close(padded[:, :, : alone.shape[2]], alone, atol=1e-4, rtol=0)
    assert not padded[:, :, int(frames) :].any()


@pytest.mark.parametrize("gain", [0.01, 0.3, 3.0])
def test_level_does_not_matter(gain: float) -> None:
    samples = speech(1.0)
    length = torch.tensor([samples.shape[1]])
    plain, _ = LogMel()(samples, length)
    loud, _ = LogMel()(samples * gain, length)
    torch.testing.assert_close(loud, plain, atol=2e-4, rtol=0)


def test_silence_around_speech_is_dropped() -> None:
    samples = speech(1.0)
    quiet = torch.zeros(1, 8000)
    around = torch.cat([quiet, samples, quiet], dim=1)
    kept, length = trim(around, torch.tensor([around.shape[1]]))
    _alone, alone_length = trim(samples, torch.tensor([samples.shape[1]]))
    assert abs(int(length) - int(alone_length)) <= 2 * 400
    assert int(length) < around.shape[1] - 15_000 + 2 * HOP
    assert kept.shape == around.shape


def test_digital_silence_stays_finite() -> None:
    mel, _ = LogMel()(torch.zeros(1, 8000), torch.tensor([8000]))
    assert torch.isfinite(mel).all()
