"""The clips of a training run: decoded once into memory, drawn evenly over corpora and emotions."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import track

from encoders.audio import decode
from encoders.errors import AudioError
from model_export.emotions import dominance_of
from model_export.errors import CorpusError
from model_export.manifest import Row


@dataclass(frozen=True, slots=True)
class Clips:
    """Rows of a manifest with their samples (float16 at 16 kHz: half the memory, errors far below any noise)."""

    rows: list[Row]
    samples: list[npt.NDArray[np.float16]]

    @property
    def affect(self) -> npt.NDArray[np.float32]:
        """[n, 2] (valence, arousal) on 1..7."""
        return np.array([row.affect for row in self.rows], dtype=np.float32)

    @property
    def places(self) -> npt.NDArray[np.float32]:
        """[n, 3] (valence, arousal, dominance) on 1..7; the dominance is that of the acted category."""
        return np.array([(*row.affect, dominance_of(row.emotion)) for row in self.rows], dtype=np.float32)

    def take(self, indices: npt.NDArray[np.int64]) -> "Clips":
        """The clips at these positions."""
        return Clips([self.rows[i] for i in indices], [self.samples[i] for i in indices])


def load(rows: list[Row], threads: int = 2) -> Clips:
    """Decode every row's audio.

    Raises:
        CorpusError: a file cannot be decoded (all such files are named, so that they can be mended in one go).
    """

    def one(row: Row) -> npt.NDArray[np.float16] | str:
        try:
            samples = decode(row.path)
            # The front end sets the level anyway; at full scale nothing overflows or drowns in float16.
            scaled: npt.NDArray[np.float16] = (samples / np.abs(samples).max()).astype(np.float16)
            return scaled
        except AudioError as error:
            return str(error)

    with ThreadPoolExecutor(threads) as pool:
        loaded = list(
            track(pool.map(one, rows), "decoding", total=len(rows), transient=True, console=Console(stderr=True))
        )
    failures = [result for result in loaded if isinstance(result, str)]
    if failures:
        listed = "\n  ".join(failures[:20])
        raise CorpusError(f"{len(failures)} of {len(rows)} clips cannot be used:\n  {listed}")
    return Clips(rows, [samples for samples in loaded if not isinstance(samples, str)])


class BalancedDraw:
    """Draws clips so that every (corpus, emotion) comes equally often."""

    def __init__(self, rows: list[Row]) -> None:
        cells: dict[tuple[str, str], list[int]] = {}
        for index, row in enumerate(rows):
            cells.setdefault((row.corpus, row.emotion), []).append(index)
        self.cells = [np.array(members) for members in cells.values()]

    def __call__(self, count: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
        """Indices of `count` clips; the cells take turns in random order."""
        turns = np.concatenate([rng.permutation(len(self.cells)) for _ in range(-(-count // len(self.cells)))])
        return np.array([rng.choice(self.cells[cell]) for cell in turns[:count]])
