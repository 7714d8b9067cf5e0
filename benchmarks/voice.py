"""What finding the voice loses and keeps: `python -m benchmarks.voice CORPORA` (RAVDESS, nEMO, EmoGator below it).

Clips of a corpus are joined, drawn by chance, with pauses of 0.3..8 s between, and noise (brown, as of a room) is laid
under all of it. Voice is what of a clip is within 30 dB of its loudest 32 ms; a pause is what lies between two clips.

- lost: the share of the voice that is in no window
- pauses kept: the share of the pauses that is in some window
- windows: a minute of sound, which is what encoding costs

for the windows as a library cuts them and for windows over everything audible (the rule before).
"""

import argparse
import random
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from encoders import windows
from encoders.audio import SAMPLE_RATE, Samples, decode
from encoders.errors import AudioError
from encoders.voice import FRAME
from encoders.windows import Window

WIN_DUR, HOP_DUR = 4.0, 2.0
MINUTES: Final = 12
LEVELS: Final = (None, 30, 20, 10)  # dB of the voice over the noise
CORPORA: Final = {"ravdess": "**/*-*-*.*", "nemo": "samples/*.*", "emogator": "**/*-*-1.*"}

Cut = Callable[[Samples], Iterable[Window]]
Mask = npt.NDArray[np.bool_]


def recording(files: list[Path], over: int | None, seed: int) -> tuple[Samples, Mask, Mask]:
    """Return a recording, and which of its frames are voice, and pause."""
    draw, rng = random.Random(seed), np.random.default_rng(seed)
    parts: list[Samples] = []
    voice: list[Mask] = []
    pause: list[Mask] = []
    while sum(part.size for part in parts) < MINUTES * 60 * SAMPLE_RATE:
        try:
            clip = decode(draw.choice(files))
        except AudioError:
            continue
        clip = clip[: clip.size // FRAME * FRAME]
        level = clip.reshape(-1, FRAME).std(axis=1)
        gap = round(draw.uniform(0.3, 8) * SAMPLE_RATE / FRAME)
        parts += [clip, np.zeros(gap * FRAME, np.float32)]
        voice += [level > level.max() * 10 ** (-30 / 20), np.zeros(gap, np.bool_)]
        pause += [np.zeros(level.size, np.bool_), np.ones(gap, np.bool_)]
    sound, spoken = np.concatenate(parts), np.concatenate(voice)
    if over is not None:
        noise = np.cumsum(rng.normal(0, 1, sound.size))
        noise -= np.convolve(noise, np.full(801, 1 / 801), "same")  # no rumble below about 20 Hz
        loud = sound.reshape(-1, FRAME)[spoken].std()
        sound = (sound + noise / noise.std() * loud * 10 ** (-over / 20)).astype(np.float32)
    return sound, spoken, np.concatenate(pause)


def figures(cut: Cut, sound: Samples, voice: Mask, pause: Mask) -> tuple[float, float, float]:
    """Return the shares of the voice lost and of the pauses kept, and the windows a minute."""
    kept = np.zeros(voice.size, np.bool_)
    count = 0
    for window in cut(sound):
        count += 1
        kept[int(window.start * SAMPLE_RATE / FRAME) : int(np.ceil(window.end * SAMPLE_RATE / FRAME))] = True
    return 1 - kept[voice].mean(), kept[pause].mean(), count / (sound.size / SAMPLE_RATE / 60)


def now(sound: Samples) -> Iterator[Window]:
    """Cut as a library does."""
    return windows.cut(lambda: [sound], WIN_DUR, HOP_DUR)


def before(sound: Samples) -> Iterator[Window]:
    """Cut everything audible."""
    return windows._audible([sound], round(WIN_DUR * SAMPLE_RATE), round(HOP_DUR * SAMPLE_RATE))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="What finding the voice loses and keeps.")
    parser.add_argument("corpora", type=Path)
    corpora = parser.parse_args().corpora
    head = f"{'lost':>8}{'pauses kept':>13}{'windows':>9}"
    print(f"{'corpus':10}{'noise':>8} |{head} | everything audible:{head}")
    for name, pattern in CORPORA.items():
        files = sorted((corpora / name).glob(pattern))
        for over in LEVELS:
            made = recording(files, over, seed=1)
            noise = "none" if over is None else f"-{over} dB"
            shown = [
                f"{lost:8.2%}{kept:13.1%}{count:9.1f}"
                for lost, kept, count in (figures(cut, *made) for cut in (now, before))
            ]
            print(f"{name:10}{noise:>8} |{shown[0]} |{'':20}{shown[1]}", flush=True)


if __name__ == "__main__":
    main()
