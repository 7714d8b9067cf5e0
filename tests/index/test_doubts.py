"""Low confidence is said where the recording gives reason to it, and only there."""

import numpy as np
import pytest

from encoders.encoder import Encoder
from index.describe import Description, describe
from index.prompts import PromptBank
from tests import sounds


def described(encoder: Encoder, bank: PromptBank, samples: sounds.Samples) -> Description:
    return describe(encoder, bank, sounds.media(samples))


def chords(seconds: float) -> sounds.Samples:
    """Make plucked chords, mono at 16 kHz."""
    time = np.arange(round(seconds * sounds.RATE)) / sounds.RATE
    tone = sum(np.sin(2 * np.pi * pitch * time) for pitch in (220.0, 277.2, 329.6, 440.0))
    return (0.05 * tone * np.exp(-3 * (time % 0.5))).astype(np.float32)


def noise(seconds: float, level: float) -> sounds.Samples:
    return np.random.default_rng(0).normal(0, level, round(seconds * sounds.RATE)).astype(np.float32)


@pytest.mark.parametrize("seconds", [2.5, 7.0])
def test_plain_speech_is_not_doubted(encoder: Encoder, bank: PromptBank, seconds: float) -> None:
    found = described(encoder, bank, sounds.speech(seconds))
    assert found.doubts == ()
    assert 0.7 * seconds < found.voiced <= seconds
    quiet = described(encoder, bank, sounds.speech(seconds) * np.float32(0.05))
    assert quiet.doubts == ()


@pytest.mark.parametrize("seconds", [2.5, 7.0])
def test_noise_and_music_are_hardly_any_voice(encoder: Encoder, bank: PromptBank, seconds: float) -> None:
    for sound in (noise(seconds, 0.05), chords(seconds)):
        found = described(encoder, bank, sound)
        assert "little-voice" in [doubt.code for doubt in found.doubts]
        assert found.summary.startswith("Hard to tell (hardly any voice in it")


def test_a_word_is_short(encoder: Encoder, bank: PromptBank) -> None:
    assert [doubt.code for doubt in described(encoder, bank, sounds.speech(0.6)).doubts][:1] == ["short"]


def test_a_voice_in_noise_is_noisy(encoder: Encoder, bank: PromptBank) -> None:
    speech = sounds.speech(5.0)
    loud = float(speech.std())
    assert [doubt.code for doubt in described(encoder, bank, speech + noise(5.0, loud)).doubts] == ["noisy"]
    assert described(encoder, bank, speech + noise(5.0, loud / 30)).doubts == ()


def test_much_silence_around_speech_is_no_reason(encoder: Encoder, bank: PromptBank) -> None:
    silence = np.zeros(60 * sounds.RATE, np.float32)
    assert described(encoder, bank, np.concatenate([silence, sounds.speech(6.0), silence])).doubts == ()
