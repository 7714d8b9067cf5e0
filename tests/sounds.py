"""Sounds and media files for the tests: made, not stored, and the same on every run."""

import io
import math
from collections.abc import Mapping
from fractions import Fraction
from functools import cache
from typing import Final

import av
import numpy as np
import numpy.typing as npt

from encoders.affect import Affect
from service.demo.speech import VOICES, speak

Samples = npt.NDArray[np.float32]

RATE: Final = 16_000

_CODECS: Final[Mapping[str, str]] = {
    "wav": "pcm_s16le",
    "flac": "flac",
    "mp3": "libmp3lame",
    "ogg": "libopus",
    "opus": "libopus",
    "m4a": "aac",
    "mp4": "aac",
    "mov": "aac",
    "webm": "libopus",
    "mkv": "libopus",
    "adts": "aac",
    "aiff": "pcm_s16be",
}
_MUXERS: Final[Mapping[str, str]] = {"m4a": "ipod", "mkv": "matroska"}
# (centre Hz, width Hz) of three formants, about those of an open vowel
_FORMANTS: Final = ((700.0, 130.0), (1220.0, 160.0), (2600.0, 240.0))


def voice(seconds: float, pitch: float = 120.0, level: float = 0.1, seed: int = 0) -> Samples:
    """Make voice-like sound, mono at 16 kHz: glottal harmonics through formants, breath, syllables.

    `pitch` in Hz, `level` the RMS of the whole; peaks stay inside -1..1. Other seeds give other intonations.
    """
    return _voice(seconds, pitch, level, seed).copy()


@cache
def _voice(seconds: float, pitch: float, level: float, seed: int) -> Samples:
    rng = np.random.default_rng(seed)
    count = round(seconds * RATE)
    time = np.arange(count) / RATE
    phases = rng.uniform(0, 2 * np.pi, 4)
    drift = 0.08 * np.sin(2 * np.pi * 0.7 * time + phases[0]) + 0.03 * np.sin(2 * np.pi * 2.3 * time + phases[1])
    f0 = pitch * (1 + drift)
    cycle = 2 * np.pi * np.cumsum(f0) / RATE
    sound = np.zeros(count)
    for harmonic in range(1, int(4_000 / pitch) + 1):
        frequency = harmonic * f0
        gain = sum(1 / (1 + ((frequency - centre) / width) ** 2) for centre, width in _FORMANTS)
        sound += gain / harmonic**0.5 * np.sin(harmonic * cycle)
    sound += 0.02 * rng.standard_normal(count)
    rhythm = 0.5 - 0.5 * np.cos(2 * np.pi * 3.7 * time + phases[2])
    sound *= 0.15 + 0.85 * rhythm**2
    sound *= level / max(float(np.sqrt(np.mean(sound**2))), 1e-9)
    return (0.98 * np.tanh(sound / 0.98)).astype(np.float32)


def speech(seconds: float) -> Samples:
    """Make speech that a detector of voice takes for speech (`voice` it does not), mono at 16 kHz, without pauses."""
    reading = _reading()
    return np.tile(reading, math.ceil(seconds * RATE / reading.size))[: round(seconds * RATE)]


@cache
def _reading() -> Samples:
    spoken, rate = speak(
        "I told you never to come back here and yet you stand before me as if nothing had happened at all and we "
        "talked about it for hours do you remember and in the end nobody knew what to say",
        VOICES[0],
        Affect(4, 5),
    )
    heard = np.flatnonzero(np.abs(spoken) > 0.01)
    frame = av.AudioFrame.from_ndarray(spoken[None, heard[0] : heard[-1]], format="fltp", layout="mono")
    frame.sample_rate = rate
    resampler = av.AudioResampler("fltp", "mono", RATE)
    parts = [piece.to_ndarray()[0] for piece in [*resampler.resample(frame), *resampler.resample(None)]]
    return np.concatenate(parts).astype(np.float32)


def media(
    samples: npt.ArrayLike,
    container: str = "wav",
    codec: str | None = None,
    rate: int = RATE,
    channels: int = 1,
    sample_format: str | None = None,
    bit_rate: int | None = None,
    layout: str | None = None,
    video: bool = False,
) -> bytes:
    """Encode mono 16 kHz `samples` as a media file and return its bytes.

    `container` is wav, flac, mp3, ogg, m4a, mp4, mov, webm, mkv, adts or aiff; `codec` defaults to the usual
    one there. The sound is resampled to `rate` and repeated in every channel (`layout` instead of `channels`
    names a channel layout). `video` adds a small moving picture.
    """
    sound = np.asarray(samples, dtype=np.float32)
    out = io.BytesIO()
    with av.open(out, "w", format=_MUXERS.get(container, container)) as target:
        stream = target.add_stream(codec or _CODECS[container], rate=rate)
        assert isinstance(stream, av.AudioStream)
        stream.layout = layout or {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}.get(channels, f"{channels}c")
        if sample_format:
            stream.format = sample_format
        if bit_rate:
            stream.bit_rate = bit_rate
        picture = _picture(target) if video else None
        stream.codec_context.options = {"strict": "experimental"}  # FFmpeg's own Vorbis encoder
        stream.codec_context.open()
        resampler = av.AudioResampler(stream.format, stream.layout, rate, stream.frame_size or None)
        # Packed: PyAV cannot fill planar frames of eight channels and more.
        many = np.repeat(sound if rate == RATE else _resampled(sound, rate), stream.layout.nb_channels)
        frame = av.AudioFrame.from_ndarray(many[None], format="flt", layout=stream.layout.name)
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            target.mux(stream.encode(piece))
        target.mux(stream.encode(None))
        if picture is not None:
            _film(target, picture, sound.size / RATE)
    return out.getvalue()


def film(seconds: float = 1.0, container: str = "mp4") -> bytes:
    """Return a video file without a sound track."""
    out = io.BytesIO()
    with av.open(out, "w", format=_MUXERS.get(container, container)) as target:
        _film(target, _picture(target), seconds)
    return out.getvalue()


def _picture(target: av.container.OutputContainer) -> av.VideoStream:
    stream = target.add_stream("mpeg4" if target.format.name in {"mp4", "mov"} else "libvpx", rate=5)
    assert isinstance(stream, av.VideoStream)
    stream.width = stream.height = 32
    stream.pix_fmt = "yuv420p"
    return stream


def _film(target: av.container.OutputContainer, stream: av.VideoStream, seconds: float) -> None:
    for number in range(max(1, round(seconds * 5))):
        image = np.full((32, 32, 3), number * 9 % 256, dtype=np.uint8)
        target.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
    target.mux(stream.encode(None))


def _resampled(sound: Samples, rate: int) -> Samples:
    frame = av.AudioFrame.from_ndarray(sound[None], format="fltp", layout="mono")
    frame.sample_rate = RATE
    resampler = av.AudioResampler("fltp", "mono", rate)
    parts = [piece.to_ndarray()[0] for piece in [*resampler.resample(frame), *resampler.resample(None)]]
    return np.concatenate(parts).astype(np.float32)
