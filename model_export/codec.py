"""Speech as it comes out of a codec, and out of a change of tempo: FFmpeg's own encoders and filters, in memory.

Samples are mono at 16 kHz, in and out, and what comes out is as long as what went in (for `tempo`: divided by the
factor). Nothing is random.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import Final

import av
import numpy as np
from av.filter import Graph

from encoders.audio import SAMPLE_RATE, Samples, stream


@dataclass(frozen=True, slots=True)
class Codec:
    """An encoder of FFmpeg, the container that holds its packets, and how much it may spend (bits/s, 0: no choice)."""

    encoder: str
    container: str
    bit_rate: int
    rate: int


CODECS: Final[Mapping[str, Codec]] = MappingProxyType(
    {
        "opus-16k": Codec("libopus", "ogg", 16_000, 16_000),
        "opus-32k": Codec("libopus", "ogg", 32_000, 48_000),
        "mp3-32k": Codec("libmp3lame", "mp3", 32_000, 16_000),
        "mp3-64k": Codec("libmp3lame", "mp3", 64_000, 44_100),
        "aac-32k": Codec("aac", "ipod", 32_000, 16_000),
        "mu-law-8k": Codec("pcm_mulaw", "wav", 0, 8_000),
    }
)
"""What voices go through: calls and voice messages (Opus), downloads (MP3), phones' recorders (AAC), telephone lines
(G.711 mu-law)."""

_SHORTEST: Final = SAMPLE_RATE // 10  # fewer samples may leave an encoder nothing to write


def round_trip(samples: Samples, codec: Codec) -> Samples:
    """The samples after encoding and decoding. What goes beyond full scale is clipped, as a recorder would."""
    padded = np.pad(samples, (0, max(0, _SHORTEST - samples.size)))
    decoded = np.concatenate([np.zeros(0, np.float32), *stream(_encoded(padded, codec))])
    whole = np.zeros(samples.size, np.float32)
    # Containers say how much an encoder put before and after; a resampler may still be a sample short.
    whole[: decoded.size] = decoded[: samples.size]
    return whole


def tempo(samples: Samples, factor: float) -> Samples:
    """The samples faster (factor > 1) or slower at the same pitch, by FFmpeg's `atempo` (overlapping pieces, WSOLA)."""
    graph = Graph()
    graph.threads = 1
    graph.link_nodes(
        graph.add("abuffer", f"sample_rate={SAMPLE_RATE}:sample_fmt=flt:channel_layout=mono"),
        graph.add("atempo", f"{factor:.6f}"),
        graph.add("abuffersink"),
    )
    graph.configure()
    graph.push(_frame(samples))
    graph.push(None)
    pieces = []
    while True:
        try:
            pieces.append(graph.pull().to_ndarray()[0])
        except (av.error.BlockingIOError, av.error.EOFError):
            break
    moved = np.zeros(round(samples.size / factor), np.float32)
    found = np.concatenate([np.zeros(0, np.float32), *pieces])[: moved.size]
    moved[: found.size] = found
    return moved


def _encoded(samples: Samples, codec: Codec) -> bytes:
    out = io.BytesIO()
    with av.open(out, "w", format=codec.container) as target:
        track = target.add_stream(codec.encoder, rate=codec.rate)
        assert isinstance(track, av.AudioStream)
        track.layout = "mono"
        if codec.bit_rate:
            track.bit_rate = codec.bit_rate
        track.codec_context.open()
        resampler = av.AudioResampler(track.format, track.layout, codec.rate, track.frame_size or None)
        frame = _frame(np.clip(samples, -1.0, 1.0))
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            target.mux(track.encode(piece))
        target.mux(track.encode(None))
    return out.getvalue()


def _frame(samples: Samples) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples, np.float32)[None], format="flt", layout="mono")
    frame.sample_rate, frame.time_base, frame.pts = SAMPLE_RATE, Fraction(1, SAMPLE_RATE), 0
    return frame
