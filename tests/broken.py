"""Broken media for the tests: whole files of every container that is read, and what becomes of them.

`whole` makes a small file of each container, `mutants` breaks them in ways drawn from a seed (the same seed gives the
same files), `hostile` are files that were made to cost: absurd headers, a thousand streams, indexes larger than memory,
hours in a few kilobytes.
"""

import random
import struct
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Final, NamedTuple

import numpy as np

from tests.sounds import Samples, media, voice

# The muxer and codec of each container that FFmpeg can write; tests.sounds names the others.
_WRITTEN: Final[Mapping[str, tuple[str, Mapping[str, object]]]] = {
    "wav": ("wav", {}),
    "wav of floats": ("wav", {"codec": "pcm_f32le", "channels": 2}),
    "wav of ADPCM": ("wav", {"codec": "adpcm_ima_wav"}),
    "flac": ("flac", {"rate": 44_100}),
    "mp3": ("mp3", {"rate": 44_100}),
    "ogg opus": ("ogg", {"rate": 48_000}),
    "ogg vorbis": ("ogg", {"codec": "vorbis", "rate": 44_100, "channels": 2}),
    "ogg flac": ("ogg", {"codec": "flac"}),
    "m4a": ("m4a", {"rate": 44_100}),
    "m4a alac": ("m4a", {"codec": "alac", "rate": 44_100}),
    "mp4 with a picture": ("mp4", {"rate": 48_000, "video": True}),
    "mov 5.1": ("mov", {"codec": "pcm_s16le", "layout": "5.1", "rate": 48_000}),
    "3gp": ("3gp", {"codec": "libopencore_amrnb", "rate": 8_000}),
    "webm": ("webm", {"rate": 48_000}),
    "mkv with a picture": ("mkv", {"rate": 48_000, "video": True}),
    "mkv mp3": ("mkv", {"codec": "libmp3lame", "rate": 44_100}),
    "adts": ("adts", {"rate": 44_100}),
    "aiff": ("aiff", {}),
    "au": ("au", {"codec": "pcm_s16be"}),
    "amr": ("amr", {"codec": "libopencore_amrnb", "rate": 8_000}),
    "ac3": ("ac3", {"codec": "ac3", "rate": 48_000}),
    "eac3": ("eac3", {"codec": "eac3", "rate": 48_000}),
    "asf": ("asf", {"codec": "wmav2", "rate": 44_100, "bit_rate": 64_000}),
    "avi": ("avi", {"codec": "libmp3lame", "rate": 44_100}),
    "caf": ("caf", {"codec": "pcm_s16be"}),
    "flv": ("flv", {"codec": "libmp3lame", "rate": 44_100}),
    "mpeg": ("mpeg", {"codec": "mp2", "rate": 44_100}),
    "mpegts": ("mpegts", {"codec": "mp2", "rate": 48_000}),
    "rm": ("rm", {"codec": "ac3", "rate": 44_100}),
    "tta": ("tta", {"codec": "tta"}),
    "voc": ("voc", {"codec": "pcm_u8"}),
    "w64": ("w64", {"codec": "pcm_s16le"}),
    "wv": ("wv", {"codec": "wavpack"}),
}
_HEADER: Final = 600  # bytes: where most of what a demuxer believes is written
_EXTREMES: Final = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFE, 0xFFFF_FFFF)


class Mutant(NamedTuple):
    """A broken file: how it came about, for the message of a test that fails, and its bytes."""

    history: str
    content: bytes


@cache
def whole() -> Mapping[str, bytes]:
    """Make a small file of every container that is read."""
    sound = voice(0.6)
    made = {name: media(sound, container, **how) for name, (container, how) in _WRITTEN.items()}  # type: ignore[arg-type]
    return made | {"sphere": _sphere(sound), "dsf": _dsf(), "ape": _ape()}


def mutants(seed: int, count: int) -> Iterator[Mutant]:
    """Break files, `count` of them; every container comes up equally often."""
    draw = random.Random(seed)
    names = sorted(whole())
    for number in range(count):
        name = names[number % len(names)]
        content = bytearray(whole()[name])
        steps = []
        for _ in range(draw.choice((1, 1, 2, 4))):
            step = draw.choice(_STEPS)
            steps.append(step.__name__.strip("_"))
            step(content, draw)
        yield Mutant(f"{name}, seed {seed}, number {number}: {', '.join(steps)}", bytes(content))


@cache
def hostile() -> Mapping[str, bytes]:
    """Make files that were made to harm."""
    hours = np.zeros(16_000 * 600, np.float32)
    m4a = whole()["m4a"]
    return {
        "an index of 120 MB": _declared(m4a, b"stsz", 8, 30_000_000),
        "an index of 16 GB": _declared(m4a, b"stsz", 8, 0xFFFF_FFFF),
        "four thousand million time stamps": _declared(m4a, b"stts", 4, 0xFFFF_FFFF),
        "a box that holds itself": m4a[:4] + b"moov" * 200 + m4a[4:],
        "boxes in boxes": b"".join(struct.pack(">I4s", 80_000 - 8 * n, b"moov") for n in range(9_999)),
        "a thousand tracks": _many_tracks(1_000),
        "65,535 channels": _declared(whole()["wav"], b"fmt ", 6, 0xFFFF, "<H"),
        "4 GHz": _declared(whole()["wav"], b"fmt ", 8, 0xFFFF_FFFF, "<I"),
        "1 Hz": _declared(whole()["wav"], b"fmt ", 8, 1, "<I"),
        "ten minutes of nothing in few bytes": media(hours, "flac"),
        "a tag of 256 MB": b"ID3\4\0\0\x7f\x7f\x7f\x7f" + whole()["mp3"],
        "a playlist": b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
        "a gzip bomb": b"\x1f\x8b\x08\0\0\0\0\0\0\3" + bytes(4_000),
        "zeros": bytes(100_000),
        "ones": b"\xff" * 100_000,
        "sync words": b"\xff\xfb\x90\x64" * 25_000,
        "an EBML element of 2^56 bytes": b"\x1aE\xdf\xa3\x01\xff\xff\xff\xff\xff\xff\xfe" + bytes(1_000),
        "Ogg pages without packets": (b"OggS\0\2" + bytes(20) + b"\xff" + bytes(255)) * 200,
    }


def _flip_bits(content: bytearray, draw: random.Random) -> None:
    for _ in range(draw.choice((1, 3, 20))):
        content[_place(content, draw)] ^= 1 << draw.randrange(8)


def _overwrite_header(content: bytearray, draw: random.Random) -> None:
    for _ in range(draw.choice((1, 4))):
        content[draw.randrange(min(len(content), _HEADER))] = draw.randrange(256)


def _extreme_number(content: bytearray, draw: random.Random) -> None:
    value = struct.pack(draw.choice("<>") + "I", draw.choice(_EXTREMES))
    size = draw.choice((1, 2, 4))
    place = _place(content, draw)
    content[place : place + size] = value[:size] if draw.random() < 0.5 else value[-size:]


def _cut_off(content: bytearray, draw: random.Random) -> None:
    del content[_place(content, draw) + 1 :]


def _lose_a_part(content: bytearray, draw: random.Random) -> None:
    place = _place(content, draw)
    if len(content) > 8:
        del content[place : place + draw.randrange(1, len(content) // 2)]
    content += b"\0" * (not content)


def _repeat_a_part(content: bytearray, draw: random.Random) -> None:
    place = _place(content, draw)
    content[place:place] = content[place : place + draw.randrange(1, 4_000)] * draw.choice((1, 2, 16))


def _blank_a_part(content: bytearray, draw: random.Random) -> None:
    place = _place(content, draw)
    size = min(len(content) - place, draw.randrange(1, 4_000))
    content[place : place + size] = bytes([draw.choice((0, 255))]) * size


def _insert_noise(content: bytearray, draw: random.Random) -> None:
    place = _place(content, draw)
    content[place:place] = draw.randbytes(draw.randrange(1, 2_000))


def _swap_parts(content: bytearray, draw: random.Random) -> None:
    first, second = _place(content, draw), _place(content, draw)
    size = min(len(content) - max(first, second), 500)
    content[first : first + size], content[second : second + size] = (
        content[second : second + size],
        content[first : first + size],
    )


def _go_on_as_another(content: bytearray, draw: random.Random) -> None:
    other = whole()[draw.choice(sorted(whole()))]
    content[_place(content, draw) :] = other[draw.randrange(len(other)) if draw.random() < 0.5 else 0 :]


_STEPS: Final[tuple[Callable[[bytearray, random.Random], None], ...]] = (
    _flip_bits,
    _overwrite_header,
    _extreme_number,
    _cut_off,
    _lose_a_part,
    _repeat_a_part,
    _blank_a_part,
    _insert_noise,
    _swap_parts,
    _go_on_as_another,
)


def _place(content: bytearray, draw: random.Random) -> int:
    """Draw a place, every second time in the header."""
    return draw.randrange(min(len(content), _HEADER) if draw.random() < 0.5 else len(content))


def _declared(content: bytes, mark: bytes, offset: int, value: int, form: str = ">I") -> bytes:
    """Write a number `offset` bytes after a mark of four letters."""
    place = content.index(mark) + 4 + offset
    packed = struct.pack(form, value)
    return content[:place] + packed + content[place + len(packed) :]


def _many_tracks(count: int) -> bytes:
    """Repeat the track of an MP4 file."""
    content = whole()["m4a"]
    moov, trak = content.index(b"moov") - 4, content.index(b"trak") - 4
    (size,) = struct.unpack_from(">I", content, trak)
    (outer,) = struct.unpack_from(">I", content, moov)
    more = content[trak : trak + size] * (count - 1)
    header = content[:moov] + struct.pack(">I", outer + len(more)) + content[moov + 4 : trak]
    return header + more + content[trak:]


def _sphere(sound: Samples) -> bytes:
    samples = (sound * 32_767).astype("<i2").tobytes()
    lines = f"""NIST_1A
   1024
sample_count -i {len(samples) // 2}
sample_n_bytes -i 2
channel_count -i 1
sample_byte_format -s2 01
sample_rate -i 16000
sample_coding -s3 pcm
end_head
"""
    return lines.encode().ljust(1024) + samples


def _dsf() -> bytes:
    """One channel of 64 x 44.1 kHz, one bit a sample."""
    block, blocks, rate = 4_096, 48, 2_822_400
    data = random.Random(0).randbytes(block) * blocks
    form = struct.pack("<4sQIIIIIIQII", b"fmt ", 52, 1, 0, 1, 1, rate, 1, block * blocks * 8, block, 0)
    whole_size = 28 + 52 + 12 + len(data)
    return (
        struct.pack("<4sQQQ", b"DSD ", 28, whole_size, 0) + form + struct.pack("<4sQ", b"data", 12 + len(data)) + data
    )


def _ape() -> bytes:
    """The header of Monkey's Audio 3.99, three frames of it, and noise in place of them: FFmpeg writes none."""
    frames, per_frame = 3, 73_728
    noise = random.Random(0).randbytes(12_000)
    descriptor = struct.pack("<4sHHIIIIIII16s", b"MAC ", 3990, 0, 52, 24, 4 * frames, 0, len(noise), 0, 0, bytes(16))
    header = struct.pack("<HHIIIHHI", 2000, 0, per_frame, 4_000, frames, 16, 1, 16_000)
    first = 52 + 24 + 4 * frames
    return descriptor + header + struct.pack("<3I", first, first + 4_000, first + 8_000) + noise
