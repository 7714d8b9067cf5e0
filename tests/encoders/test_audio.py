"""Any common sound file becomes the same mono 16 kHz waveform."""

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from encoders.audio import SAMPLE_RATE, Samples, decode, is_silent, stream
from tests.sounds import media, voice

SPEECH = voice(2)

# what is encoded; the closeness (correlation) that its codec leaves; samples that it may be longer (codec frames
# that no header trims)
KINDS: dict[str, tuple[dict[str, object], float, int]] = {
    "wav, 8 bit": ({"codec": "pcm_u8"}, 0.999, 0),
    "wav, 16 bit": ({}, 0.9999, 0),
    "wav, 24 bit, 48 kHz, stereo": ({"codec": "pcm_s24le", "rate": 48_000, "channels": 2}, 0.9999, 0),
    "wav, 32 bit, 44.1 kHz": ({"codec": "pcm_s32le", "rate": 44_100}, 0.9999, 0),
    "wav, float, 96 kHz": ({"codec": "pcm_f32le", "rate": 96_000}, 0.9999, 0),
    "wav, double, 192 kHz": ({"codec": "pcm_f64le", "rate": 192_000}, 0.9999, 0),
    "wav, 8 kHz": ({"rate": 8_000}, 0.999, 0),
    "wav, 11.025 kHz": ({"rate": 11_025}, 0.999, 2),
    "wav, 22.05 kHz": ({"rate": 22_050}, 0.9999, 2),
    "wav, telephone": ({"codec": "pcm_mulaw", "rate": 8_000}, 0.999, 0),
    "wav, 8 channels": ({"channels": 8, "rate": 48_000}, 0.9999, 0),
    "wav, 12 channels": ({"channels": 12}, 0.9999, 0),
    "aiff, 44.1 kHz": ({"container": "aiff", "rate": 44_100}, 0.9999, 0),
    "flac": ({"container": "flac"}, 0.9999, 0),
    "flac, 24 bit, 8 channels": (
        {"container": "flac", "rate": 96_000, "channels": 8, "sample_format": "s32"},
        0.9999,
        0,
    ),
    "mp3, 192 kbit/s": ({"container": "mp3", "rate": 44_100, "bit_rate": 192_000, "channels": 2}, 0.9999, 0),
    "mp3, 64 kbit/s": ({"container": "mp3", "rate": 44_100, "bit_rate": 64_000}, 0.999, 0),
    "mp3, 16 kHz": ({"container": "mp3", "rate": 16_000, "bit_rate": 64_000}, 0.99, 0),
    "opus": ({"container": "ogg", "rate": 48_000}, 0.999, 0),
    "opus, 5.1": ({"container": "ogg", "rate": 48_000, "channels": 6}, 0.999, 0),
    "vorbis": ({"container": "ogg", "codec": "vorbis", "rate": 44_100, "channels": 2}, 0.999, 400),
    "m4a": ({"container": "m4a", "rate": 44_100, "bit_rate": 160_000}, 0.98, 400),
    "m4a, 7.1": ({"container": "m4a", "rate": 48_000, "channels": 8, "bit_rate": 640_000}, 0.95, 400),
    "m4a, lossless": ({"container": "m4a", "codec": "alac", "rate": 48_000, "channels": 2}, 0.9999, 0),
    "webm, as browsers record": ({"container": "webm", "rate": 48_000}, 0.999, 0),
    "webm with a picture": ({"container": "webm", "rate": 48_000, "video": True}, 0.999, 0),
    "mp4 with a picture": ({"container": "mp4", "rate": 48_000, "video": True, "bit_rate": 160_000}, 0.98, 400),
    "mov, 5.1, with a picture": (
        {"container": "mov", "codec": "pcm_s24le", "rate": 48_000, "channels": 6, "video": True},
        0.9999,
        0,
    ),
    "mkv": ({"container": "mkv", "codec": "flac", "rate": 48_000}, 0.9999, 0),
}


def _lag(a: Samples, b: Samples) -> int:
    """By how many samples `a` is behind `b`."""
    size = a.size + b.size
    cross = np.fft.irfft(np.fft.rfft(a, size) * np.conj(np.fft.rfft(b, size)), size)
    best = int(np.argmax(cross))
    return best if best < size // 2 else best - size


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file_gives_the_same_sound(kind: str) -> None:
    how, close, longer = KINDS[kind]
    samples = decode(media(SPEECH, **how))  # type: ignore[arg-type]
    assert samples.dtype == np.float32
    assert samples.ndim == 1
    assert 0 <= samples.size - SPEECH.size <= longer
    assert _lag(samples, SPEECH) == 0
    assert np.corrcoef(samples[: SPEECH.size], SPEECH)[0, 1] > close
    assert np.std(samples) == pytest.approx(np.std(SPEECH), rel=0.15)  # AAC thins the LFE channel


def test_adts_has_no_header_that_says_what_to_skip() -> None:
    samples = decode(media(SPEECH, container="adts", rate=44_100, bit_rate=160_000))
    assert _lag(samples, SPEECH) == round(1024 / 44_100 * SAMPLE_RATE)


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000, 192_000])
def test_no_tail_is_lost(rate: int) -> None:
    speech = voice(1.037)
    speech[-800:] = 0.5 * np.sin(np.arange(800) / 4)
    samples = decode(media(speech, rate=rate, codec="pcm_f32le"))
    assert abs(samples.size - speech.size) <= 2
    assert np.std(samples[-800:-80]) == pytest.approx(np.std(speech[-800:-80]), rel=0.1)


def test_channels_are_mixed_by_their_mean() -> None:
    one, other = voice(1, seed=1), voice(1, pitch=220, seed=2)
    pair = np.stack([one, other], axis=1).reshape(1, -1)
    wav = _wav(pair.tobytes(), channels=2)
    assert np.allclose(decode(wav), (one + other) / 2, atol=1e-6)


@pytest.mark.parametrize(
    ("codec", "container"),
    [
        ("pcm_s16le", "wav"),
        ("pcm_s32le", "wav"),
        ("pcm_f32le", "wav"),
        ("flac", "flac"),
        ("alac", "mov"),
        ("wavpack", "mkv"),
    ],
)
def test_sound_that_needs_no_mixing_is_what_mixing_would_give(codec: str, container: str) -> None:
    sound = np.concatenate([SPEECH, np.array([1, -1, 0.99999, 1e-9], np.float32), voice(3.7, level=0.3)])
    mixed = decode(media(sound, container, codec, channels=2))  # the mean of the same in both
    assert np.array_equal(decode(media(sound, container, codec)), mixed)


def test_the_place_of_a_loudspeaker_does_not_change_its_weight() -> None:
    loud = 0.5 * voice(1) / np.abs(voice(1)).max()
    silent = np.zeros_like(loud)
    for channel in range(6):
        six = np.stack([loud if channel == number else silent for number in range(6)], axis=1)
        assert np.allclose(decode(_wav(six.tobytes(), channels=6)), loud / 6, atol=1e-6)


def test_frequencies_that_16_khz_cannot_hold_do_not_fold_back() -> None:
    time = np.arange(2 * 48_000) / 48_000
    for frequency, expected in ((6_900, 0.5 / 2**0.5), (9_000, 0), (20_000, 0)):
        tone = (0.5 * np.sin(2 * np.pi * frequency * time)).astype(np.float32)
        samples = np.concatenate(list(stream(_wav(tone.tobytes(), rate=48_000))))
        assert np.std(samples[4_000:-4_000]) == pytest.approx(expected, abs=0.5 * 10 ** (-60 / 20))


def test_float_sound_beyond_full_scale_is_kept() -> None:
    assert np.abs(decode(_wav((voice(1) * 40).tobytes()))).max() > 4


def test_paths_bytes_and_open_files_give_the_same(tmp_path: Path) -> None:
    data = media(SPEECH, container="flac")
    misnamed = tmp_path / "speech.mp3"
    misnamed.write_bytes(data)
    file = io.BytesIO(data)
    file.seek(1_000)
    assert np.array_equal(decode(misnamed), decode(data))
    assert np.array_equal(decode(file), decode(data))
    assert not file.closed


def test_the_same_bytes_give_the_same_samples_again() -> None:
    data = media(SPEECH, container="mp3", rate=44_100)
    assert np.array_equal(decode(data), decode(data))


def test_a_stream_comes_in_pieces_of_a_second_before_the_file_is_read_through() -> None:
    data = media(np.tile(SPEECH, 30))

    class Counting(io.BytesIO):
        taken = 0

        def read(self, size: int | None = -1, /) -> bytes:
            part = super().read(size)
            self.taken += len(part)
            return part

    file = Counting(data)
    pieces = stream(file)
    first = next(pieces)
    assert file.taken < len(data) / 4
    sizes = [first.size, *(piece.size for piece in pieces)]
    assert max(sizes) <= SAMPLE_RATE
    assert sum(sizes) == 30 * SPEECH.size


def test_several_threads_may_decode_at_once() -> None:
    files = [media(voice(2, seed=seed), container="mp3", rate=44_100) for seed in range(8)]
    alone = [decode(file) for file in files]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(decode, files * 3))
    for number, samples in enumerate(together):
        assert np.array_equal(samples, alone[number % len(files)])


@pytest.mark.parametrize(
    ("samples", "silent"),
    [
        (np.zeros(16_000), True),
        (np.full(16_000, 0.3), True),  # a constant offset is no sound
        (voice(1, level=3e-4), True),
        (voice(1, level=3e-3), False),
        (np.concatenate([np.zeros(16_000), voice(0.1)]), False),
        (np.concatenate([voice(0.1), np.zeros(16_000)]), False),
        (np.concatenate([np.zeros(16_000), voice(0.1), np.zeros(16_000)]), False),
        (np.zeros(0), True),
        (voice(0.01), False),
    ],
)
def test_silence_is_nothing_over_60_db_below_full_scale(samples: Samples, silent: bool) -> None:
    assert is_silent(samples.astype(np.float32)) is silent


def _wav(data: bytes, channels: int = 1, rate: int = SAMPLE_RATE) -> bytes:
    """Put 32-bit float samples, packed, behind a WAV header."""

    def number(value: int, size: int = 4) -> bytes:
        return value.to_bytes(size, "little")

    form = number(3, 2) + number(channels, 2) + number(rate) + number(rate * channels * 4)
    form += number(channels * 4, 2) + number(32, 2)
    return b"".join([b"RIFF", number(36 + len(data)), b"WAVEfmt ", number(16), form, b"data", number(len(data)), data])
