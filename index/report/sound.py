"""Moments cut out of their recordings, as MP3: every browser plays it, from a page of its own too.

Each recording is decoded once, up to its last moment, however many moments of it are wanted.
"""

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import av
import numpy as np

from encoders.audio import SAMPLE_RATE, Samples, stream
from encoders.errors import AudioError
from index.drift import audio_file
from index.records import Clip
from index.report.moments import Moment
from index.store import Progress

MOST_BYTES: Final = 12 << 20  # of MP3 on one page; in base64 it is a third more
LONGEST: Final = 30.0  # seconds that are cut out of a longer segment

_BIT_RATE: Final = 40_000
_FADE: Final = SAMPLE_RATE // 100  # a cut in the middle of a sound clicks without it


class Sound(NamedTuple):
    """A moment's MP3, or why there is none."""

    mp3: bytes | None
    problem: str = ""


Key = tuple[str, float, float]  # clip id, start, end


def key(moment: Moment) -> Key:
    """Name a moment: the same moment, whatever found it, is cut out once."""
    return moment.clip.id, moment.start, moment.end


def cut(moments: Iterable[Moment], progress: Progress | None = None) -> dict[Key, Sound]:
    """Cut moments out of their clips' files; the first ones where the page has not room for all.

    A file that is gone, changed or cannot be read is said, not raised.
    """
    clips: dict[str, tuple[Clip, list[Moment]]] = {}
    for moment in moments:
        wanted = clips.setdefault(moment.clip.id, (moment.clip, []))[1]
        if all(key(moment) != key(other) for other in wanted):
            wanted.append(moment)
    found: dict[Key, Sound] = {}
    room = MOST_BYTES
    for number, (clip, wanted) in enumerate(clips.values()):
        if progress:
            progress("cutting out the moments", number / len(clips))
        for place, sound in _of(clip, wanted, room).items():
            found[place] = sound
            room -= len(sound.mp3 or b"")
    return found


def _of(clip: Clip, wanted: Sequence[Moment], room: int) -> Mapping[Key, Sound]:
    def all_of(problem: str) -> dict[Key, Sound]:
        return {key(moment): Sound(None, problem) for moment in wanted}

    if room <= 0:
        return all_of("No sound: the page would become too large.")
    path = Path(clip.path)
    if not path.is_file():
        return all_of("No sound: its file is not where it was.")
    if audio_file(clip.id, path, clip.sha256, clip.stamp, read=clip.stamp is None):
        return all_of("No sound: its file has changed since it was added.")
    try:
        return {key(moment): _encoded(samples) for moment, samples in _stretches(path, wanted)}
    except AudioError:
        return all_of("No sound: its file cannot be read any more.")


def _stretches(path: Path, wanted: Sequence[Moment]) -> Iterator[tuple[Moment, Samples]]:
    """Yield each moment's own sound; of the rest of a recording, which may be hours, nothing is held."""
    ends = [min(moment.end, moment.start + LONGEST) for moment in wanted]
    bounds = [(round(m.start * SAMPLE_RATE), round(end * SAMPLE_RATE)) for m, end in zip(wanted, ends, strict=True)]
    kept: list[list[Samples]] = [[] for _ in wanted]
    at = 0
    for piece in stream(path):
        for (start, end), own in zip(bounds, kept, strict=True):
            if start < at + piece.size and at < end:
                own.append(piece[max(0, start - at) : end - at])
        at += piece.size
        if at >= max(end for _, end in bounds):
            break
    for moment, own in zip(wanted, kept, strict=True):
        yield moment, np.concatenate([np.zeros(0, np.float32), *own])


def _encoded(samples: Samples) -> Sound:
    if not samples.size:
        return Sound(None, "No sound: its file is shorter than it was.")
    samples = samples.clip(-1, 1)
    fade = min(_FADE, samples.size // 2)
    if fade:
        slope = np.linspace(0, 1, fade, dtype=np.float32)
        samples[:fade] *= slope
        samples[-fade:] *= slope[::-1]
    return Sound(mp3(samples))


def mp3(samples: Samples) -> bytes:
    """Encode mono sound at 16 kHz."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp3") as container:
        track = container.add_stream("libmp3lame", rate=SAMPLE_RATE, layout="mono", bit_rate=_BIT_RATE)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples)[None], format="fltp", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        for packet in (*track.encode(frame), *track.encode(None)):
            container.mux(packet)
    return file.getvalue()
