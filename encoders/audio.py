"""Decoding: whatever a browser, a phone or a studio makes, to mono 16 kHz float32.

`stream` yields the sound in pieces of at most one second, so memory stays bounded whatever the length;
`decode` joins them. A source is a path, the bytes of a file, a seekable binary file, or sound that is decoded
elsewhere (`Decoded`). What kind of file it is, its bytes say, never its name.

Channels are mixed by their plain mean. A film mix would weigh the loudspeaker positions, but recordings of
speech are microphones: positions are unknown or meaningless, any channel may hold the only voice, and the
mean treats them alike and cannot clip. Resampling is libswresample's with a longer filter (flat to 7 kHz,
aliases from 8.5 kHz up below -90 dB, no delay). What is mono and 16 kHz is only scaled.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import av
import av.error
import numpy as np
import numpy.typing as npt
from av.filter import Graph

from encoders.containers import MediaFile, frames, too_long
from encoders.errors import AudioInvalid, AudioSilent, AudioTooLong, AudioTooShort, AudioUnreadable

Samples = npt.NDArray[np.float32]

SAMPLE_RATE: Final = 16_000
MIN_DURATION: Final = 0.3
DEFAULT_MAX_DURATION: Final = 4 * 3600.0

_SILENCE: Final = 1e-3  # -60 dBFS
_LOUDEST: Final = 1e6  # float files may go beyond 1, and some hold 16-bit numbers
_FRAME: Final = SAMPLE_RATE // 40  # 25 ms
_PART: Final = 20  # frames
# The sample formats that become float32 by scaling alone: NumPy's name of them, and what 1.0 is in it.
_FULL_SCALE: Final[Mapping[str, tuple[str, float]]] = {
    name + layout: kind
    for name, kind in {"s16": ("int16", 2.0**15), "s32": ("int32", 2.0**31), "flt": ("float32", 1.0)}.items()
    for layout in ("", "p")
}

# The format of a frame's samples, its layout, rate and number of channels.
_Kind = tuple[str, str, int, int]


@dataclass(frozen=True, slots=True)
class Decoded:
    """A recording that is decoded elsewhere, in another process for one.

    `read(label, max_duration)` yields its sound from the beginning and raises, both as `stream` does. It may be
    called again once what it gave before has ended.
    """

    read: Callable[[str, float], Iterator[Samples]]


Source = MediaFile | Decoded


def stream(
    source: Source,
    *,
    name: str | None = None,
    max_duration: float = DEFAULT_MAX_DURATION,
    declared: Callable[[float], None] | None = None,
) -> Iterator[Samples]:
    """Yield the sound of `source`, mono at 16 kHz, in pieces of at most one second.

    A binary file is read from its beginning and left open. `name` is what errors call the source (default:
    its path); `max_duration` in seconds. `declared` is called before the first piece with the seconds that a file's
    header counts, where it does.

    Raises AudioNotFound, AudioEmpty, AudioUnreadable, AudioNoTrack, AudioInvalid, AudioTooLong (at once where
    the header declares the length, else as soon as the count passes it) and, after the last piece,
    AudioTruncated; MemoryError where the process may have no more.
    """
    label = label_of(source, name)
    if isinstance(source, Decoded):
        yield from source.read(label, max_duration)
        return
    count = 0
    for piece in _mixed(frames(source, label, max_duration, declared), label):
        count += piece.size
        if count > max_duration * SAMPLE_RATE:
            raise AudioTooLong(too_long(label, max_duration))
        if not (np.abs(piece) <= _LOUDEST).all():
            raise AudioInvalid(
                f"{label} has samples that are no sound: not finite numbers (NaN, infinity) "
                "or a million times full scale."
            )
        yield piece


def decode(source: Source, *, name: str | None = None, max_duration: float = DEFAULT_MAX_DURATION) -> Samples:
    """Return all the sound of `source`, mono at 16 kHz.

    Raises what `stream` raises, AudioTooShort under MIN_DURATION, and AudioSilent where nothing can be heard.
    """
    pieces = list(stream(source, name=name, max_duration=max_duration))
    samples = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
    check_heard(label_of(source, name), samples.size / SAMPLE_RATE, silent=is_silent(samples))
    return samples


def label_of(source: Source, name: str | None = None) -> str:
    """Return what errors call the source."""
    return name or (str(source) if isinstance(source, Path) else "the audio")


def check_heard(label: str, duration: float, *, silent: bool) -> None:
    """Raise AudioTooShort under MIN_DURATION (seconds), AudioSilent for what cannot be heard."""
    if duration < MIN_DURATION:
        raise AudioTooShort(
            f"{label} is too short: {duration * 1000:.0f} ms of sound, and {MIN_DURATION * 1000:.0f} ms are needed."
        )
    if silent:
        raise AudioSilent(f"{label} is silent: nothing in it is louder than -60 dB of full scale.")


def is_silent(samples: Samples) -> bool:
    """Tell whether no 25 ms of the sound (its mean level taken off) are louder than -60 dB of full scale."""
    whole = samples[: samples.size // _FRAME * _FRAME].reshape(-1, _FRAME)
    ends = samples[-_FRAME:]
    # A part at a time: most sounds are heard in their first one.
    parts = (whole[start : start + _PART].std(axis=1).max() for start in range(0, len(whole), _PART))
    return all(level < _SILENCE for level in parts) and not (ends.size and ends.std() >= _SILENCE)


def _mixed(decoded: Iterator[av.AudioFrame], label: str) -> Iterator[Samples]:
    """Mix down and resample; a change of rate, layout or format on the way begins anew."""
    kind: _Kind | None = None
    try:
        for kind, frames_of_kind in groupby(decoded, _kind):
            sample_format, _, rate, channels = kind
            if rate == SAMPLE_RATE and channels == 1 and sample_format in _FULL_SCALE:
                yield from _scaled(frames_of_kind, sample_format)
            else:
                yield from _resampled(frames_of_kind, kind)
    except MemoryError:
        raise
    except av.error.FFmpegError as error:
        raise AudioUnreadable(f"{label} cannot be resampled ({kind}): {error.strerror}.") from None


def _kind(frame: av.AudioFrame) -> _Kind:
    layout = frame.layout
    return frame.format.name, layout.name, frame.sample_rate, layout.nb_channels


def _scaled(decoded: Iterator[av.AudioFrame], sample_format: str) -> Iterator[Samples]:
    """Take mono sound at 16 kHz as it is: the graph gives the very same samples, for more time."""
    dtype, full_scale = _FULL_SCALE[sample_format]
    held: list[npt.NDArray[Any]] = []
    count = 0

    def pieces() -> Iterator[Samples]:
        sound = np.multiply(np.concatenate(held), np.float32(1 / full_scale), dtype=np.float32)
        for start in range(0, sound.size, SAMPLE_RATE):  # a frame may be longer than a second
            yield sound[start : start + SAMPLE_RATE]

    for frame in decoded:
        if held and count + frame.samples > SAMPLE_RATE:
            yield from pieces()
            held, count = [], 0
        held.append(np.frombuffer(memoryview(frame.planes[0]), dtype, frame.samples))
        count += frame.samples
    if held:
        yield from pieces()


def _resampled(decoded: Iterator[av.AudioFrame], kind: _Kind) -> Iterator[Samples]:
    graph = _graph(*kind)
    waiting = 0  # samples in the graph: asking it for a piece before there is one costs an exception a frame
    for frame in decoded:
        frame.pts = None  # only the order counts, and stamps may lie
        graph.push(frame)
        waiting += frame.samples
        if waiting >= frame.sample_rate:
            yield from _pulled(graph)
            waiting = 0
    graph.push(None)
    yield from _pulled(graph)


def _graph(sample_format: str, layout: str, rate: int, channels: int) -> Graph:
    graph = Graph()
    graph.threads = 1
    mean = "+".join(f"{1 / channels:.9f}*c{channel}" for channel in range(channels))
    graph.link_nodes(
        graph.add("abuffer", f"sample_rate={rate}:sample_fmt={sample_format}:channel_layout={layout}"),
        graph.add("aformat", "sample_fmts=fltp"),
        graph.add("pan", f"mono|c0={mean}"),
        graph.add("aresample", f"{SAMPLE_RATE}:filter_size=64"),
        graph.add("aformat", f"sample_fmts=flt:sample_rates={SAMPLE_RATE}:channel_layouts=mono"),
        graph.add("abuffersink"),
    )
    graph.configure()
    graph.set_audio_frame_size(SAMPLE_RATE)
    return graph


def _pulled(graph: Graph) -> Iterator[Samples]:
    while True:
        try:
            mixed = graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
        yield mixed.to_ndarray()[0]
