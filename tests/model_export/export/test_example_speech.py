"""Example speech: decoded as a library hears it, drawn evenly; made voices whose order is known."""

from pathlib import Path

import numpy as np
import pytest
import torch

from model_export.errors import CorpusError
from model_export.export import example_speech, validation_speech
from model_export.manifest import Row
from tests.model_export.conftest import small_towers
from tests.sounds import media, speech, voice


def row(path: Path, emotion: str = "anger", speaker: str = "c-1", valence: float = 2.0) -> Row:
    return Row(path=path, corpus="c", speaker=speaker, emotion=emotion, valence=valence, arousal=6.0)


def speak(path: Path, seconds: float = 0.6, seed: int = 0) -> Path:
    sound = voice(seconds, pitch=100 + 20 * seed, seed=seed) if seconds < 4 else speech(seconds)
    path.write_bytes(media(sound))
    return path


def test_made_voices_are_the_same_every_time_and_differ_from_each_other() -> None:
    voices, again = example_speech.made_voices(12), example_speech.made_voices(12)
    for one, other in zip(voices.windows, again.windows, strict=True):
        np.testing.assert_array_equal(one[0], other[0])
    assert len({windows[0].tobytes() for windows in voices.windows}) == 12
    assert ((voices.labels >= 1) & (voices.labels <= 7)).all()
    assert all(np.isfinite(windows[0]).all() and np.abs(windows[0]).max() <= 1 for windows in voices.windows)


def test_effort_brightens_a_made_voice() -> None:
    voices = example_speech.made_voices(40)

    def centroid(samples: np.ndarray) -> float:
        power = np.abs(np.fft.rfft(samples)) ** 2
        return float((np.fft.rfftfreq(samples.size, 1 / 16_000) * power).sum() / power.sum())

    brightness = [centroid(windows[0]) for windows in voices.windows]
    assert np.corrcoef(brightness, voices.labels[:, 1])[0, 1] > 0.7


def test_rows_are_drawn_evenly_from_every_emotion(tmp_path: Path) -> None:
    rows = [row(tmp_path / f"{n}.wav", emotion="anger" if n < 90 else "fear") for n in range(100)]
    chosen = example_speech.evenly(rows, 20)
    assert sorted(r.emotion for r in chosen) == ["anger"] * 10 + ["fear"] * 10
    assert chosen == example_speech.evenly(rows, 20)
    assert example_speech.evenly(rows, 100) == rows


def test_a_long_clip_has_the_windows_that_a_library_cuts(tmp_path: Path) -> None:
    rows = [row(speak(tmp_path / "short.wav")), row(speak(tmp_path / "long.wav", 6.0), valence=5.0)]
    speech = example_speech.from_rows(rows)
    assert [[window.size for window in windows] for windows in speech.windows] == [[9600], [64_000, 64_000]]
    assert speech.labels.tolist() == [[2.0, 6.0], [5.0, 6.0]]
    assert speech.origin == "2 clips of c"


def test_clips_that_cannot_be_used_are_all_named(tmp_path: Path) -> None:
    (tmp_path / "torn.wav").write_bytes(b"RIFF")
    (tmp_path / "quiet.wav").write_bytes(media(np.zeros(16_000, np.float32)))
    rows = [row(speak(tmp_path / "good.wav")), *(row(tmp_path / f"{n}.wav") for n in ("torn", "quiet", "gone"))]
    with pytest.raises(CorpusError, match=r"3 of 4 clips(?s:.*)torn\.wav(?s:.*)quiet\.wav(?s:.*)gone\.wav"):
        example_speech.from_rows(rows)


def test_only_the_runs_validation_speakers_are_calibrated_on(tmp_path: Path) -> None:
    rows = [row(tmp_path / "a.wav"), row(tmp_path / "b.wav", speaker="c-2")]
    unlabelled = row(tmp_path / "c.wav", speaker="c-2", valence=float("nan"))
    test = Row(tmp_path / "d.wav", "c", "c-2", "anger", 2.0, 6.0, split="test")
    cut = Row(tmp_path / "e.wav", "c", "c-2", "anger", 2.0, 6.0, complete=False)
    kept = validation_speech.unheard([*rows, unlabelled, test, cut], {"validation_speakers": ["c-2", "c-9"]})
    assert kept == [rows[1]]
    with pytest.raises(CorpusError, match=r"none of the 1 clips.*c-2, c-9.*manifests that it was trained on"):
        validation_speech.unheard(rows[:1], {"validation_speakers": ["c-2", "c-9"]})
    with pytest.raises(CorpusError, match="names none"):
        validation_speech.unheard(rows, {})


def test_a_clip_is_read_as_the_mean_of_its_windows_and_not_cut_to_the_scale(tmp_path: Path) -> None:
    model = small_towers(seed=1)
    with torch.no_grad():
        model.read_out.bias.copy_(torch.tensor([3.0, 0.0]))
    rows = [row(speak(tmp_path / "short.wav")), row(speak(tmp_path / "long.wav", 6.0, seed=1))]
    heard = validation_speech.hear(model, rows)
    read = heard.affect
    assert read.shape == (2, 2)
    np.testing.assert_allclose(np.linalg.norm(heard.embedding, axis=1), 1, atol=1e-5)
    assert (read[:, 0] > 7).all()
    windows = example_speech.windows_of(rows[1].path)
    with torch.inference_mode():
        each = model.affect(model.audio(torch.from_numpy(np.stack(windows)), torch.tensor([64_000, 64_000]))).numpy()
    np.testing.assert_allclose(read[1], each.mean(axis=0), atol=1e-4)
