"""What cannot be used is refused with an error of its own that names the input; nothing hangs or crashes."""

import os
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from encoders.audio import Samples, decode, stream
from encoders.errors import (
    AudioEmpty,
    AudioError,
    AudioInvalid,
    AudioNotFound,
    AudioNoTrack,
    AudioSilent,
    AudioTooLong,
    AudioTooShort,
    AudioTruncated,
    AudioUnreadable,
)
from tests.sounds import film, media, voice

SPEECH = voice(3)
ROOT = Path(__file__).resolve().parents[2]


def _with(sound: Samples, value: float) -> Samples:
    changed = sound.copy()
    changed[20_000] = value
    return changed


def _half(container: str, **how: object) -> bytes:
    data = media(SPEECH, container, **how)  # type: ignore[arg-type]
    return data[: len(data) // 2]


BAD: dict[str, tuple[bytes, type[AudioError], str]] = {
    "empty": (b"", AudioEmpty, "no bytes"),
    "text": (b"RIFF is what this text is not.\n" * 40, AudioUnreadable, "no sound or video file"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(400), AudioUnreadable, "no sound or video file"),
    "a few bytes": (b"RI", AudioUnreadable, "no sound or video file"),
    "only a header": (media(SPEECH)[: media(SPEECH).index(b"data") + 8], AudioTruncated, "of the 3.0 s"),
    "half a header": (media(SPEECH)[:30], AudioUnreadable, "no sound or video file"),
    "video without sound, mp4": (film(), AudioNoTrack, "no sound track"),
    "video without sound, webm": (film(container="webm"), AudioNoTrack, "no sound track"),
    "cut-off wav": (_half("wav"), AudioTruncated, "1.5 s can be read of the 3.0 s"),
    "cut-off flac": (_half("flac"), AudioTruncated, "of the 3.0 s"),
    "cut-off mp3": (_half("mp3", rate=44_100, bit_rate=128_000), AudioTruncated, "of the 3.0 s"),
    "cut-off webm": (_half("webm", rate=48_000), AudioTruncated, "of the 3.0 s"),
    "cut-off webm with a picture": (_half("webm", rate=48_000, video=True), AudioTruncated, "of the 3.0 s"),
    "cut-off m4a": (_half("m4a", rate=44_100), AudioTruncated, "index"),
    "cut-off aiff": (_half("aiff"), AudioTruncated, "of the 3.0 s"),
    "silence": (media(np.zeros(32_000)), AudioSilent, "silent"),
    "near silence": (media(voice(2, level=2e-4), codec="pcm_f32le"), AudioSilent, "silent"),
    "50 ms": (media(voice(0.05)), AudioTooShort, "50 ms"),
    "no samples": (media(voice(0.001))[:-32], AudioTooShort, "0 ms"),
    "NaN": (media(_with(SPEECH, np.nan), codec="pcm_f32le"), AudioInvalid, "NaN"),
    "infinity": (media(_with(SPEECH, np.inf), codec="pcm_f32le"), AudioInvalid, "infinity"),
    "minus infinity, 96 kHz": (
        media(_with(SPEECH, -np.inf), codec="pcm_f64le", rate=96_000),
        AudioInvalid,
        "infinity",
    ),
    "astronomical": (media(_with(SPEECH, 1e30), codec="pcm_f32le"), AudioInvalid, "full scale"),
}


@pytest.mark.parametrize("what", BAD)
def test_each_bad_input_has_its_own_error_that_names_it(what: str) -> None:
    data, error, words = BAD[what]
    with pytest.raises(error, match=words) as caught:
        decode(data, name="holiday.wav")
    assert type(caught.value) is error
    assert str(caught.value).startswith("holiday.wav")


def test_a_path_names_itself(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("no sound")
    (tmp_path / "empty.wav").touch()
    with pytest.raises(AudioUnreadable, match=r"text\.wav"):
        decode(tmp_path / "text.wav")
    with pytest.raises(AudioEmpty, match=r"empty\.wav"):
        decode(tmp_path / "empty.wav")


def test_paths_that_are_no_readable_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, words in (
        (tmp_path / "nothing.wav", "not there"),
        (tmp_path / "nothing" / "in.wav", "not there"),
        (tmp_path, "folder"),
        (tmp_path / "pipe", "no ordinary file"),
        (tmp_path / ("x" * 400), "cannot be opened"),
        (Path("a\0b.wav"), "cannot be opened"),
    ):
        with pytest.raises(AudioNotFound, match=words):
            decode(path)


def test_a_file_that_says_it_is_too_long_is_refused_at_once(tmp_path: Path) -> None:
    eight_hours = 8 * 3600 * 32_000
    head = media(voice(1))[:44]
    data = head[:4] + (eight_hours + 36).to_bytes(4, "little") + head[8:]
    place = data.index(b"fmt ")
    data = data[: place + 24] + b"data" + eight_hours.to_bytes(4, "little")
    path = tmp_path / "day.wav"
    path.write_bytes(data)
    os.truncate(path, len(data) + eight_hours)  # sparse: nothing is written
    begun = time.perf_counter()
    with pytest.raises(AudioTooLong, match=r"day\.wav.*14,400 s.*28,800 s"):
        decode(path)
    assert time.perf_counter() - begun < 1


@pytest.mark.parametrize("container", ["flac", "mp3", "ogg", "m4a", "webm"])
def test_declared_lengths_are_believed_before_anything_is_decoded(container: str) -> None:
    data = media(voice(6), container, rate=48_000)
    with pytest.raises(AudioTooLong, match=r"6 s long|7 s long"):
        next(stream(data, max_duration=5))


def test_a_length_that_is_not_declared_is_counted() -> None:
    pieces = stream(media(voice(8), "adts", rate=44_100), max_duration=5)
    assert sum(next(pieces).size for _ in range(5)) == 5 * 16_000
    with pytest.raises(AudioTooLong, match="longer than that"):
        next(pieces)


def test_streamed_wav_without_a_length_is_read() -> None:
    data = media(SPEECH)
    place = data.index(b"data") + 4
    for size in (0, 0x7FFF_F000, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF):
        assert decode(data[:place] + size.to_bytes(4, "little") + data[place + 4 :]).size == SPEECH.size


def test_mp3_without_a_length_is_read_and_so_is_the_half_of_one() -> None:
    data = media(SPEECH, "mp3", rate=44_100, bit_rate=128_000)
    headless = data[data.index(b"\xff\xfb", data.index(b"Info")) :]
    assert decode(headless).size == pytest.approx(SPEECH.size, abs=1_600)
    assert decode(headless[: len(headless) // 2]).size == pytest.approx(SPEECH.size / 2, abs=1_600)


def test_a_torn_packet_does_not_spoil_the_rest() -> None:
    data = bytearray(media(SPEECH, "mp3", rate=44_100, bit_rate=128_000))
    data[20_000:20_100] = bytes(100)
    assert decode(bytes(data)).size == pytest.approx(SPEECH.size, abs=2_000)


def test_a_badly_damaged_file_is_refused() -> None:
    data = bytearray(media(SPEECH, "m4a", rate=44_100))
    rng = np.random.default_rng(0)
    data[2_000:20_000] = rng.integers(0, 256, 18_000, np.uint8).tobytes()
    with pytest.raises((AudioTruncated, AudioUnreadable), match="damaged"):
        decode(bytes(data))


def test_sound_whose_rate_and_channels_change_on_the_way() -> None:
    first, second = (
        media(voice(2, seed=1), "adts", rate=44_100),
        media(voice(2, seed=2), "adts", rate=22_050, channels=2),
    )
    assert decode(first + second).size == pytest.approx(4 * 16_000, abs=3_000)


def test_chained_ogg_is_read_or_refused() -> None:
    same = media(SPEECH, "ogg", rate=48_000)
    assert decode(same + same).size == pytest.approx(2 * SPEECH.size, abs=2_000)
    with pytest.raises(AudioUnreadable, match="Ogg"):
        decode(same + media(SPEECH, "ogg", rate=48_000, channels=2))


@pytest.mark.parametrize(
    ("offset", "size", "value", "words"),
    [
        (2, 2, 0xFFFF, "."),  # channels
        (2, 2, 0, "."),
        (2, 2, 100, "100 channels"),
        (4, 4, 0xFFFF_FFFF, "."),  # samples a second
        (4, 4, 2_000_000_000, "2,000,000,000 samples"),
        (4, 4, 100, "100 samples"),
        (4, 4, 0, "."),
        (14, 2, 0, "."),  # bits
        (14, 2, 999, "."),
    ],
)
def test_absurd_headers_are_refused(offset: int, size: int, value: int, words: str) -> None:
    data = media(SPEECH)
    place = data.index(b"fmt ") + 8 + offset
    with pytest.raises(AudioUnreadable, match=words):
        decode(data[:place] + value.to_bytes(size, "little") + data[place + size :])


@pytest.mark.parametrize(
    "playlist",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile://{0}\n#EXT-X-ENDLIST\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{0}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '{0}'\n",
        "ffconcat version 1.0\nfile 'file:{0}'\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 9 RTP/AVP 0\n",
        '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet mimeType="audio/wav">'
        "<Representation><BaseURL>file://{0}</BaseURL></Representation></AdaptationSet></Period></MPD>",
    ],
)
@pytest.mark.parametrize("suffix", [".wav", ".m3u8", ".mpd", ".ffconcat"])
def test_playlists_reach_no_other_file(tmp_path: Path, playlist: str, suffix: str) -> None:
    secret = tmp_path / "secret.wav"
    secret.write_bytes(media(SPEECH))
    path = tmp_path / f"list{suffix}"
    path.write_text(playlist.format(secret))
    with pytest.raises(AudioUnreadable):
        decode(path)


def test_names_that_libav_would_take_for_addresses_are_plain_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("concat:a.wav", "-", "pipe:0", "image%03d.wav", "data:x.wav"):
        Path(name).write_bytes(media(SPEECH))
        assert decode(Path(name)).size == SPEECH.size


def test_studio_channel_orders_do_not_kill_the_process() -> None:
    """PyAV frees such a layout twice. A process of its own, since the failure is an abort."""
    code = """
import gc, struct
from tests.sounds import media, voice
from encoders.audio import decode
speech = voice(1)
data = media(speech, "mov", codec="pcm_s16le", layout="5.1", rate=48_000)
place = data.index(b"chan") + 8
for tag in (121, 122, 123, 124, 125):  # MPEG 5.1 A, B, C, D, ...
    for _ in range(10):
        changed = data[:place] + struct.pack(">HH", tag, 6) + data[place + 4 :]
        assert abs(decode(changed) - speech).max() < 0.05
        gc.collect()
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_ambisonic_sound_is_read() -> None:
    data = bytearray(media(SPEECH, "webm", layout="5.1", rate=48_000))
    data[data.index(b"OpusHead") + 18] = 2  # channel mapping family: first-order ambisonics and a stereo pair
    assert decode(bytes(data)).size == SPEECH.size


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    for data, error, _ in BAD.values():
        with pytest.raises(error):
            decode(data)
    assert av.logging.get_level() is None
    assert capfd.readouterr() == ("", "")


_WHOLE = [
    media(voice(0.6), container, **how)
    for container, how in (
        ("wav", {}),
        ("wav", {"codec": "pcm_f32le", "channels": 2}),
        ("flac", {"rate": 44_100}),
        ("mp3", {"rate": 44_100}),
        ("ogg", {"rate": 48_000}),
        ("m4a", {"rate": 44_100}),
        ("mp4", {"rate": 48_000, "video": True}),
        ("webm", {"rate": 48_000, "video": True}),
        ("mov", {"codec": "pcm_s16le", "layout": "5.1", "rate": 48_000}),
    )
]


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(
    whole=st.sampled_from(_WHOLE),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=8),
    early=st.booleans(),
    cut=st.floats(0, 1),
)
def test_damaged_bytes_give_sound_or_an_audio_error(
    whole: bytes, changes: list[tuple[float, int]], early: bool, cut: float
) -> None:
    data = bytearray(whole)
    for place, value in changes:
        data[int(place * (min(len(data), 600 if early else len(data)) - 1))] = value
    try:
        samples = decode(bytes(data[: int(len(data) * min(1, cut + 0.5))]))
    except AudioError:
        return
    assert samples.dtype == np.float32
    assert np.isfinite(samples).all()
