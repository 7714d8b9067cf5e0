"""The encoders: unit vectors and affect that depend on the input alone."""

import json
import os
import subprocess
import sys
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from encoders import bundle
from encoders.affect import HIGH, LOW, Affect
from encoders.audio import SAMPLE_RATE, decode
from encoders.encoder import MAX_PROMPT_CHARS, EncodedSegment, Encoder, pool
from encoders.errors import (
    AudioInvalid,
    AudioNotFound,
    AudioSilent,
    AudioTooLong,
    AudioTooShort,
    AudioTruncated,
    BundleInvalid,
    PromptError,
)
from tests.sounds import media, speech, voice

PROMPTS = [
    "an angry, furious voice",
    "sad",
    "someone who is bored and indifferent, speaking slowly and quietly to nobody in particular",
    "a calm voice",
    "Überrascht?! 😀",
    "happy " * 80,
]


def _unit(vectors: npt.NDArray[np.float32]) -> bool:
    return bool(np.allclose(np.linalg.norm(vectors, axis=-1), 1, atol=1e-5))


def test_a_waveform_becomes_a_unit_vector_and_affect_on_the_scale(encoder: Encoder) -> None:
    encoded = encoder.embed_samples(voice(2))
    assert encoded.embedding.shape == (1, encoder.bundle.info.embedding_dim)
    assert encoded.affect.shape == (1, 2)
    assert encoded.embedding.dtype == encoded.affect.dtype == np.float32
    assert _unit(encoded.embedding)
    assert ((encoded.affect >= LOW) & (encoded.affect <= HIGH)).all()


def test_prompts_become_unit_vectors_and_affect_on_the_scale(encoder: Encoder) -> None:
    encoded = encoder.embed_prompts(PROMPTS)
    assert encoded.embedding.shape == (len(PROMPTS), encoder.bundle.info.embedding_dim)
    assert encoded.affect.shape == (len(PROMPTS), 2)
    assert encoded.embedding.dtype == encoded.affect.dtype == np.float32
    assert _unit(encoded.embedding)
    assert ((encoded.affect >= LOW) & (encoded.affect <= HIGH)).all()


def test_no_prompts_are_no_rows(encoder: Encoder) -> None:
    encoded = encoder.embed_prompts([])
    assert encoded.embedding.shape == (0, encoder.bundle.info.embedding_dim)
    assert encoded.affect.shape == (0, 2)


def test_a_prompts_vector_does_not_depend_on_what_is_beside_it(encoder: Encoder) -> None:
    many = [f"{prompt} {number}" for number in range(40) for prompt in PROMPTS[:4]]
    together = encoder.embed_prompts(many)
    for row in range(0, len(many), 13):
        alone = encoder.embed_prompts([many[row]])
        assert np.abs(alone.embedding[0] - together.embedding[row]).max() < 1e-5
        assert np.abs(alone.affect[0] - together.affect[row]).max() < 1e-4


def test_a_short_prompt_is_not_encoded_as_long_as_the_longest(
    encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes: list[tuple[int, ...]] = []

    class Watched:
        def run(self, names: list[str], inputs: dict[str, np.ndarray]) -> object:
            shapes.append(inputs["input_ids"].shape)
            return real.run(names, inputs)

    real = encoder._text
    monkeypatch.setattr(encoder, "_text", Watched())
    encoder.embed_prompts(["calm", "furious " * 100, "sad", "tense and loud"])
    assert sum(rows for rows, _ in shapes) == 4
    assert shapes[-1][0] == 1, "the long one is alone"
    assert all(length < 16 for _, length in shapes[:-1])


def test_space_around_a_prompt_does_not_matter(encoder: Encoder) -> None:
    encoded = encoder.embed_prompts(["a calm voice", "  a calm voice\n"])
    assert np.allclose(encoded.embedding[0], encoded.embedding[1], atol=1e-6)


def test_different_prompts_differ(encoder: Encoder) -> None:
    encoded = encoder.embed_prompts(["a furious voice", "a bored voice"])
    assert encoded.embedding[0] @ encoded.embedding[1] < 0.999


def test_a_long_prompt_is_cut_and_not_refused(encoder: Encoder) -> None:
    long = "calm and quiet " * 60
    assert len(long) <= MAX_PROMPT_CHARS
    encoded = encoder.embed_prompts([long, long + "furious"])
    assert np.allclose(encoded.embedding[0], encoded.embedding[1], atol=1e-6)


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("", "empty"),
        (" \n\t ", "empty"),
        ("x" * (MAX_PROMPT_CHARS + 1), r"1,001 characters; at most 1,000"),
        ("\ud800 voice", "not valid Unicode"),
        ("\u200b", "no words"),
    ],
)
def test_prompts_that_cannot_be_used(encoder: Encoder, prompt: str, words: str) -> None:
    with pytest.raises(PromptError, match=words):
        encoder.embed_prompts(["a fine prompt", prompt])


@pytest.mark.parametrize(
    "how",
    [
        {"container": "flac"},
        {"codec": "pcm_s24le"},
        {"codec": "pcm_f32le", "channels": 2},
        {"container": "mp3", "bit_rate": 192_000, "rate": 48_000},
        {"container": "ogg", "bit_rate": 96_000, "rate": 48_000},
        {"container": "webm", "bit_rate": 96_000, "rate": 48_000},
    ],
)
def test_one_clip_in_several_kinds_of_file_is_one_place(encoder: Encoder, how: dict[str, object]) -> None:
    clip = voice(4, seed=3)
    vector, affect = encoder.embed_clip(media(clip))
    other, other_affect = encoder.embed_clip(media(clip, **how))  # type: ignore[arg-type]
    assert vector @ other > 0.98
    assert affect == pytest.approx(other_affect, abs=0.3)


def test_the_same_bytes_give_the_same_vector_from_several_threads(encoder: Encoder) -> None:
    files = [media(voice(1.5, seed=seed), container="mp3", rate=44_100) for seed in range(4)]
    alone = [encoder.embed_clip(file)[0] for file in files]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda file: encoder.embed_clip(file)[0], files * 4))
    for number, vector in enumerate(together):
        assert vector @ alone[number % 4] > 0.9999


def test_one_thread_or_two_give_the_same_vector(encoder: Encoder) -> None:
    two = Encoder.load(threads=2)
    assert (encoder.embed_samples(voice(2)).embedding @ two.embed_samples(voice(2)).embedding.T)[0, 0] > 0.9999


def test_a_short_clip_is_one_segment_of_its_own_length(encoder: Encoder) -> None:
    win_dur = encoder.bundle.info.win_dur
    (segment,) = encoder.segments(media(voice(win_dur / 2)))
    assert (segment.start, segment.end) == (0, win_dur / 2)
    assert np.array_equal(segment.embedding, encoder.embed_samples(decode(media(voice(win_dur / 2)))).embedding[0])


def test_a_long_clip_has_a_segment_for_each_window_and_its_vector_is_their_mean(encoder: Encoder) -> None:
    info = encoder.bundle.info
    duration = info.win_dur + 2.5 * info.hop_dur
    clip = media(speech(duration))
    segments = list(encoder.segments(clip))
    assert [segment.start for segment in segments] == pytest.approx(
        [0, info.hop_dur, 2 * info.hop_dur, duration - info.win_dur]
    )
    assert segments[-1].end == pytest.approx(duration)
    vector, affect = encoder.embed_clip(clip)
    mean = np.mean([segment.embedding for segment in segments], axis=0)
    assert np.allclose(vector, mean / np.linalg.norm(mean), atol=1e-6)
    assert affect == pytest.approx(np.mean([segment.affect for segment in segments], axis=0))


def test_the_duration_counts_the_silence_at_the_end(encoder: Encoder) -> None:
    win_dur = encoder.bundle.info.win_dur
    quiet = np.zeros(round(2 * win_dur * SAMPLE_RATE), np.float32)
    segments: list[EncodedSegment] = []
    duration = 0.0

    def walk() -> Generator[EncodedSegment, None, None]:
        nonlocal duration
        duration = yield from encoder.segments(media(np.concatenate([voice(win_dur), quiet])))

    segments.extend(walk())
    assert duration == pytest.approx(3 * win_dur)
    assert segments[-1].end < duration


def test_silence_has_no_segment(encoder: Encoder) -> None:
    win_dur = encoder.bundle.info.win_dur
    quiet = np.zeros(round(3 * win_dur * SAMPLE_RATE), np.float32)
    segments = list(encoder.segments(media(np.concatenate([quiet, voice(win_dur)]))))
    assert segments[0].start > win_dur
    with pytest.raises(AudioSilent, match=r"quiet\.wav is silent"):
        list(encoder.segments(media(quiet), name="quiet.wav"))


@pytest.mark.parametrize("sound", [voice(0.05), np.zeros(800, np.float32)])
def test_a_sliver_of_sound_is_too_short_whether_silent_or_not(encoder: Encoder, sound: npt.NDArray[np.float32]) -> None:
    with pytest.raises(AudioTooShort, match=r"blip\.wav.*50 ms"):
        encoder.embed_clip(media(sound), name="blip.wav")


def test_what_the_decoder_refuses_the_encoder_refuses(encoder: Encoder) -> None:
    with pytest.raises(AudioNotFound):
        encoder.embed_clip(Path("nothing.wav"))
    with pytest.raises(AudioTooLong):
        encoder.embed_clip(media(voice(3)), max_duration=2)
    with pytest.raises(AudioTruncated):
        encoder.embed_clip(media(voice(9))[:100_000])


def test_waveforms_that_are_no_sound_are_refused(encoder: Encoder) -> None:
    broken = voice(1)
    broken[5] = np.nan
    with pytest.raises(AudioInvalid):
        encoder.embed_samples(broken)
    with pytest.raises(AudioTooShort):
        encoder.embed_samples(voice(0.1))


def test_pooling_one_segment_changes_nothing_and_none_is_an_error() -> None:
    vector = np.array([0.6, 0.8], np.float32)
    pooled, affect = pool([EncodedSegment(0, 1, vector, Affect(3, 5))])
    assert np.allclose(pooled, vector)
    assert affect == Affect(3, 5)
    with pytest.raises(ValueError, match="no segments"):
        pool([])


def test_pooling_does_not_depend_on_the_order() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((5, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    segments = [EncodedSegment(n, n + 1, v, Affect(n + 1.0, 7.0 - n)) for n, v in enumerate(vectors)]
    one, affect = pool(segments)
    other, other_affect = pool(segments[::-1])
    assert np.allclose(one, other, atol=1e-6)
    assert affect == pytest.approx(other_affect)
    assert _unit(one[None])


def _resealed(tmp_path: Path, encoder: Encoder, **replaced: bytes) -> Path:
    """Copy the bundle, some files replaced, and seal the copy."""
    for name in bundle.REQUIRED:
        data = replaced.get(name.partition(".")[0])
        (tmp_path / name).write_bytes(encoder.bundle.file(name).read_bytes() if data is None else data)
    bundle.seal(tmp_path, **encoder.bundle.info.model_dump(exclude={"format", "files"}))
    return tmp_path


def test_a_tokenizer_that_is_none_is_named(encoder: Encoder, tmp_path: Path) -> None:
    with pytest.raises(BundleInvalid, match=r"tokenizer\.json is no tokenizer"):
        Encoder.load(_resealed(tmp_path, encoder, tokenizer=json.dumps({"no": "tokenizer"}).encode()))


def test_a_model_with_other_inputs_is_named(encoder: Encoder, tmp_path: Path) -> None:
    text = encoder.bundle.file(bundle.TEXT).read_bytes()
    with pytest.raises(BundleInvalid, match=r"audio\.onnx has inputs"):
        Encoder.load(_resealed(tmp_path, encoder, audio=text))


def test_nothing_is_kept_under_the_home_folder_and_no_one_is_called(tmp_path: Path) -> None:
    """ONNX Runtime's telemetry makes files there as soon as a session opens. Only a fresh process shows it."""
    code = (
        "from encoders.encoder import Encoder; from tests.sounds import voice; import time;"
        "Encoder.load(threads=1).embed_samples(voice(1)); time.sleep(0.5)"
    )
    kept = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    environment = kept | {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    root = Path(__file__).resolve().parents[2]
    subprocess.run([sys.executable, "-c", code], cwd=root, env=environment, check=True)
    assert list(tmp_path.rglob("*")) == []
