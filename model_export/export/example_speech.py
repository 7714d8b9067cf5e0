"""Speech to try a model on: labelled clips as the windows that a library hears.

Clips of a manifest where there are any, else voices made by a formula (Fant's source and filter, 1960): glottal
harmonics through three formants. A made voice's effort (pitch, tempo, a flatter spectrum, breath) stands for its
arousal, its melody and the length of its vocal tract (a smile shortens it) for its valence. They are no speech and
say nothing of how well a model hears emotion, but their order is known, and what an encoder makes of it can be
compared before and after a change.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import track

from encoders.affect import HIGH, LOW
from encoders.audio import SAMPLE_RATE, Samples, stream
from encoders.errors import AudioError, AudioSilent
from encoders.windows import cut
from model_export.data import require_all
from model_export.manifest import Row
from model_export.towers import HOP_DUR, WIN_DUR

T = TypeVar("T")

MADE = 60
MOST = 240
FEWEST = 30  # under that, the ten best clips of a prompt are a large part of all
_FORMANTS = ((600.0, 120.0), (1500.0, 160.0), (2600.0, 240.0))  # (centre, width) in Hz, of an open vowel


@dataclass(frozen=True, slots=True, eq=False)
class Speech:
    """Labelled clips: labels [n, 2] on 1..7, each clip's windows, and in words where they are from."""

    labels: npt.NDArray[np.float64]
    windows: list[list[Samples]]
    origin: str


def from_rows(rows: Sequence[Row], most: int = MOST) -> Speech:
    """Decoded clips: at most `most`, which then come evenly from every (corpus, emotion).

    Raises:
        CorpusError: some cannot be decoded (the first 20 are named).
    """
    chosen = evenly(rows, most)
    windows = of_each(chosen, list, "decoding")
    corpora = ", ".join(sorted({row.corpus for row in chosen}))
    labels = np.array([row.affect for row in chosen], np.float64).reshape(-1, 2)
    return Speech(labels, windows, f"{len(chosen)} clips of {corpora}")


def evenly(rows: Sequence[Row], most: int) -> list[Row]:
    """At most `most` rows, the cells (corpus, emotion) taking turns; the same ones every time."""
    if len(rows) <= most:
        return list(rows)
    rng = np.random.default_rng(0)
    cells: dict[tuple[str, str], list[Row]] = {}
    for index in rng.permutation(len(rows)):
        cells.setdefault((rows[index].corpus, rows[index].emotion), []).append(rows[index])
    turns = [(turn, cell, row) for cell, members in cells.items() for turn, row in enumerate(members)]
    return [row for _, _, row in sorted(turns, key=lambda item: item[:2])[:most]]


def of_each(rows: Sequence[Row], work: Callable[[list[Samples]], T], title: str) -> list[T]:
    """`work` of each clip's windows, one clip in memory at a time; CorpusError names the clips that have none."""
    made: list[T] = []
    failures: list[str] = []
    for row in track(rows, title, transient=True, console=Console(stderr=True)):
        try:
            windows = windows_of(row.path)
        except AudioError as error:
            failures.append(str(error))
        else:
            made.append(work(windows))
    require_all(failures, len(rows))
    return made


def windows_of(path: Path) -> list[Samples]:
    """The windows of a clip that a bundle's library would hear; an AudioError where there are none."""
    windows = [window.samples for window in cut(lambda: stream(path), WIN_DUR, HOP_DUR)]
    if not windows:
        raise AudioSilent(f"{path} is silent: nothing in it is louder than -60 dB of full scale.")
    return windows


def made_voices(count: int = MADE, seed: int = 0) -> Speech:
    """Voices of 1.5 s whose effort and melody are drawn independently; their labels are these two, on 1..7."""
    rng = np.random.default_rng(seed)
    places = rng.uniform(size=(count, 2))
    windows = [[_voice(melody, effort, rng)] for melody, effort in places]
    return Speech(LOW + (HIGH - LOW) * places, windows, f"{count} made voices")


def _voice(melody: float, effort: float, rng: np.random.Generator, seconds: float = 1.5) -> Samples:
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    start, again = rng.uniform(0, 2 * np.pi, 2)
    pitch = (90 + 170 * effort) * (1 + (0.02 + 0.25 * melody) * np.sin(2 * np.pi * (0.6 + effort) * time + start))
    cycle = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE
    sound = (0.05 - 0.04 * effort) * rng.standard_normal(time.size)
    for harmonic in range(1, int(4000 / pitch.max()) + 1):
        tract = 0.92 + 0.2 * melody
        gain = sum(1 / (1 + ((harmonic * pitch / tract - centre) / width) ** 2) for centre, width in _FORMANTS)
        sound += gain * harmonic ** (0.3 * effort - 1.2 * (1 - effort)) * np.sin(harmonic * cycle)
    sound *= 0.1 + 0.9 * (0.5 - 0.5 * np.cos(2 * np.pi * (2.5 + 3.5 * effort) * time + again)) ** 2
    samples: Samples = (0.3 * sound / np.abs(sound).max()).astype(np.float32)
    return samples
