"""The decoded frames of a media file's sound track, read safely and checked against the file's own promises.

The container is found from the bytes. Only demuxers that read one file and nothing else are let in, no
protocol is, and only sound decoders are: a playlist cannot reach other files or the network, and a picture is
never decoded. Each call has its own container and one decoding thread; PyAV releases the GIL while libav
works.
"""

import io
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import BinaryIO, Final

import av
import av.error
from av.audio.codeccontext import AudioCodecContext
from av.container import InputContainer

from encoders import headers
from encoders.errors import (
    AudioEmpty,
    AudioNotFound,
    AudioNoTrack,
    AudioTooLong,
    AudioTruncated,
    AudioUnreadable,
)

MediaFile = Path | bytes | BinaryIO

_DEMUXERS: Final = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dsf,eac3,flac,flv,matroska,mov,mp3,mpeg,mpegts,nistsphere,ogg,rm,tta,"
    "voc,w64,wav,wv"
)
# Where the declared length is a count, not a guess from the size. MP3 and WAV are looked at by themselves.
_COUNTING: Final = frozenset({"aiff", "ape", "caf", "flac", "matroska", "mov", "ogg", "tta", "w64", "wv"})
_RATES: Final = range(4_000, 768_001)
_MOST_CHANNELS: Final = 64
# Decoders that may find a custom layout in the stream itself, out of reach of `_own_layout` (xHE-AAC). Such a file
# is refused, and the layout kept for ever: PyAV would free its list a second time.
_MAPPING_DECODERS: Final = frozenset({"aac"})
_KEPT: Final[list[av.AudioLayout]] = []


def frames(
    source: MediaFile, label: str, max_duration: float, declared: Callable[[float], None] | None = None
) -> Iterator[av.AudioFrame]:
    """Yield the frames of the best sound track, as they come: any sample format, layout and rate.

    `declared` is called first with the seconds that the header counts, where it does.
    Raises what `encoders.audio.stream` says, but AudioInvalid; AudioTooLong only for a declared length.
    """
    with _file(source, label) as file:
        wav_bytes, mp3_counted = headers.wav_data_bytes(file), headers.mp3_has_length(file)
        with _container(file, label) as container:
            track = _track(container, label)
            kind = container.format.name.split(",")[0]
            promised = _declared(container, track)
            if not (kind in _COUNTING or kind == "wav" or (kind == "mp3" and mp3_counted)):
                promised = None  # a guess from the size of the file
            if promised is not None and promised > max_duration:
                raise AudioTooLong(too_long(label, max_duration, promised))
            bit_rate = track.codec_context.bit_rate
            if kind == "wav":
                promised = wav_bytes * 8 / bit_rate if wav_bytes and bit_rate else None
            elif kind == "mp3" and bit_rate and container.bit_rate > 0.97 * bit_rate:
                promised = None  # the file is large enough, so that the header says too much
            if declared and promised is not None:
                declared(promised)
            yield from _decoded(container, track, promised, label)


def length(source: MediaFile, label: str) -> float | None:
    """Return the seconds of sound that the header declares, a guess where it does not count; None for neither.

    Nothing is decoded. Raises AudioNotFound, AudioEmpty, AudioUnreadable, AudioNoTrack, AudioTruncated.
    """
    with _file(source, label) as file, _container(file, label) as container:
        return _declared(container, _track(container, label))


def too_long(label: str, max_duration: float, duration: float | None = None) -> str:
    """Word the message for a clip that is too long; durations in seconds."""
    found = "longer than that" if duration is None else f"{duration:,.0f} s long"
    return f"{label} is too long: at most {max_duration:,.0f} s are taken, and it is {found}. Cut it up first."


class _Nameless:
    """A file as libav may see it: without a name that it could take the container from."""

    def __init__(self, file: BinaryIO) -> None:
        self._read, self.seek, self.tell = file.read, file.seek, file.tell
        self._starved = False

    def read(self, size: int) -> bytes:
        """Read as the file does, but for want of memory: PyAV (18.1) crashes when this raises then, so end instead."""
        try:
            return self._read(size)
        except MemoryError:
            self._starved = True
            return b""

    def check(self) -> None:
        """Raise MemoryError if it ended for want of memory."""
        if self._starved:
            raise MemoryError


@contextmanager
def _file(source: MediaFile, label: str) -> Iterator[BinaryIO]:
    if isinstance(source, Path):
        with _opened(source, label) as file:
            yield file
        return
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    if file.seek(0, io.SEEK_END) == 0:
        raise AudioEmpty(f"{label} is empty: it has no bytes.")
    yield file


def _opened(path: Path, label: str) -> BinaryIO:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise AudioNotFound(f"{label} is a folder, not a file.")
        if not stat.S_ISREG(status.st_mode):
            raise AudioNotFound(f"{label} is no ordinary file.")
        if status.st_size == 0:
            raise AudioEmpty(f"{label} is empty: it has no bytes.")
        return path.open("rb")
    except FileNotFoundError:
        raise AudioNotFound(f"{label} is not there.") from None
    except (OSError, ValueError) as error:
        raise AudioNotFound(f"{label} cannot be opened: {getattr(error, 'strerror', None) or error}.") from None


@contextmanager
def _container(file: BinaryIO, label: str) -> Iterator[InputContainer]:
    file.seek(0)
    given = _Nameless(file)
    try:
        container = av.open(
            given,
            "r",
            container_options={
                "format_whitelist": _DEMUXERS,
                "codec_whitelist": _sound_decoders(),
                "protocol_whitelist": "none",
            },
            metadata_errors="replace",
            buffer_size=65_536,
        )
    except MemoryError:  # libav's too: nothing is wrong with the file as such
        raise
    except av.error.FFmpegError:
        given.check()
        if headers.lacks_index(file):
            raise AudioTruncated(
                f"{label} was cut off: its index, which phones and cameras write last, is not there. "
                "Fetch or record it again."
            ) from None
        raise AudioUnreadable(
            f"{label} is no sound or video file of a kind that can be read. "
            "WAV, FLAC, MP3, Ogg, Opus, M4A, MP4 and WebM can, among others."
        ) from None
    except OSError as error:
        raise AudioUnreadable(f"{label} cannot be read: {error.strerror}.") from None
    try:
        with container:
            yield container
    finally:
        given.check()


@cache
def _sound_decoders() -> str:
    names = []
    for name in av.codecs_available:
        try:
            codec = av.Codec(name, "r")
        except ValueError:  # an encoder's name
            continue
        if codec.type == "audio":
            names.append(codec.name)
    return ",".join(sorted(set(names)))


def _track(container: InputContainer, label: str) -> av.AudioStream:
    track = container.streams.best("audio")
    if not isinstance(track, av.AudioStream):
        if not container.streams.audio:
            raise AudioNoTrack(f"{label} ({_kind(container)}) has no sound track.")
        track = container.streams.audio[0]
    context: AudioCodecContext | None = track.codec_context
    if context is None:
        raise AudioUnreadable(f"{label} ({_kind(container)}): there is no decoder for its sound track.")
    context.thread_count = 1
    _own_layout(context)
    _check(label, context.sample_rate, context.channels)
    return track


def _own_layout(context: AudioCodecContext) -> None:
    """Replace a layout of named channels by a plain one of as many channels, before decoding.

    PyAV (18.1) copies a custom layout with its pointer to the list of channels and then frees that list
    twice, which kills the process. Such layouts are common in studio files (QuickTime 5.1 in another order).
    Setting the layout leaves the only pointer to the list with the copy that was read just before.
    """
    layout = context.layout
    if _lists_channels(layout):
        context.layout = f"{layout.nb_channels} channels"


def _lists_channels(layout: av.AudioLayout) -> bool:
    """Tell whether the layout may be a custom one, as in "3 channels (FR+FL+FC)", "ambisonic 1+stereo"."""
    return "+" in layout.name


def _declared(container: InputContainer, track: av.AudioStream) -> float | None:
    """Return the track's declared length in seconds, where there is one."""
    if track.duration is not None and track.time_base is not None:
        return float(track.duration * track.time_base)
    if container.duration is not None and len(container.streams) == 1:
        return container.duration / av.time_base
    # Matroska: the length of the whole may be the picture's; some writers give each track's.
    if match := re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", track.metadata.get("DURATION", "")):
        hours, minutes, seconds = match.groups()
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    return None


def _decoded(
    container: InputContainer, track: av.AudioStream, promised: float | None, label: str
) -> Iterator[av.AudioFrame]:
    """Decode the track. Single bad packets are passed over, as players do; a damaged file is an error."""
    seconds = 0.0
    packets = bad = 0
    broken: str | None = None
    decoder = track.codec_context.name
    demuxed = container.demux(track)
    while True:
        try:
            packet = next(demuxed, None)
        except MemoryError:
            raise
        except (av.error.FFmpegError, OSError) as error:
            broken = error.strerror
            break
        if packet is None or (bad > 50 and not seconds):
            break
        packets += 1
        try:
            decoded = packet.decode()
        except MemoryError:
            raise
        except av.error.EOFError:
            continue
        except av.error.FFmpegError:
            bad += 1
            continue
        for frame in decoded:
            _check_frame(frame, decoder, label)
            seconds += frame.samples / frame.sample_rate
            yield frame
    if promised is not None and promised - seconds > 0.25 + 0.01 * promised:
        raise AudioTruncated(
            f"{label} was cut off or is damaged: {seconds:.1f} s can be read of the {promised:.1f} s that its "
            "header promises. Fetch or record it again."
        )
    if broken is not None or bad > max(2, packets // 20):
        reason = broken or f"{bad} of {packets} packets cannot be decoded"
        raise AudioUnreadable(
            f"{label} ({_kind(container)}, {track.codec_context.name}) is damaged after {seconds:.1f} s: {reason}."
        )


def _check_frame(frame: av.AudioFrame, decoder: str, label: str) -> None:
    layout = frame.layout
    if decoder in _MAPPING_DECODERS and _lists_channels(layout):
        _KEPT.append(layout)
        raise AudioUnreadable(f"{label} has an order of channels that cannot be read ({layout.name}).")
    _check(label, frame.sample_rate, layout.nb_channels)


def _check(label: str, rate: int, channels: int) -> None:
    if rate not in _RATES:
        raise AudioUnreadable(
            f"{label} declares {rate:,} samples a second; {_RATES[0]:,} to {_RATES[-1]:,} can be read."
        )
    if not 1 <= channels <= _MOST_CHANNELS:
        raise AudioUnreadable(f"{label} declares {channels} channels; 1 to {_MOST_CHANNELS} can be read.")


def _kind(container: InputContainer) -> str:
    return container.format.long_name or container.format.name
