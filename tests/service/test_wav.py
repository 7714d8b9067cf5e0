"""Sound as the bytes of a WAV file."""

import numpy as np

from encoders.audio import SAMPLE_RATE, decode
from service.wav import wav
from tests.sounds import voice


def test_what_is_written_is_read_again() -> None:
    sound = voice(0.5)
    np.testing.assert_allclose(decode(wav(sound, SAMPLE_RATE)), sound, atol=1e-4)


def test_what_is_louder_than_a_file_can_hold_is_cut_off() -> None:
    sound = voice(0.5)
    loud = 3 * sound / np.abs(sound).max()
    np.testing.assert_allclose(decode(wav(loud, SAMPLE_RATE)), np.clip(loud, -1, 1), atol=1e-4)
