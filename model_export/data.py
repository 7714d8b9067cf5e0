"""The clips of a training run and their labels: decoded into memory once, or from disk whenever one is asked for."""

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import track

from encoders.audio import decode
from encoders.errors import AudioError
from model_export.emotions import dominance_of
from model_export.errors import CorpusError
from model_export.manifest import Row

Samples = npt.NDArray[np.float16]


def places(rows: Sequence[Row]) -> npt.NDArray[np.float32]:
    """[n, 3] (valence, arousal, dominance) on 1..7; dominance is that of the emotion where it is not labelled."""
    return np.array([(*row.affect, dominance(row)) for row in rows], dtype=np.float32)


def dominance(row: Row) -> float:
    """The labelled dominance (1..7), else that of the acted emotion; nan where neither is known."""
    return dominance_of(row.emotion) if math.isnan(row.dominance) else row.dominance


def require_all(failures: Sequence[str], clips: int) -> None:
    """Raise CorpusError when there are `failures` among the clips: how many, and what is wrong with the first 20."""
    if failures:
        listed = "\n  ".join(failures[:20])
        raise CorpusError(f"{len(failures)} of {clips} clips cannot be used:\n  {listed}")


def learnable(rows: Sequence[Row], provenance: Mapping[str, Any], fewest: int) -> list[Row]:
    """The labelled, complete clips that are neither of validation speakers nor in a test part.

    Raises:
        CorpusError: there are fewer than `fewest`.
    """
    held = set(provenance.get("validation_speakers", ()))
    kept = [row for row in rows if row.learnable and row.speaker not in held]
    if len(kept) < fewest:
        raise CorpusError(
            f"{len(kept)} of the {len(rows)} clips can be learnt from (labelled, whole, not of the bundle's validation "
            f"speakers), and a batch has {fewest}. Give more manifests, or a smaller optimisation.batch"
        )
    return kept


def decoded(row: Row) -> Samples:
    """A clip's samples at 16 kHz and full scale, as float16: half the memory, errors far below any noise.

    Raises:
        AudioError: it cannot be decoded.
    """
    samples = decode(row.path)
    # The front end sets the level anyway; at full scale nothing overflows or drowns in float16.
    scaled: Samples = (samples / np.abs(samples).max()).astype(np.float16)
    return scaled


def load(rows: Sequence[Row], threads: int = 2) -> list[Samples]:
    """Every row's samples, in memory.

    Raises:
        CorpusError: a file cannot be decoded (all such files are counted and the first 20 named, so that they can be
        mended in one go).
    """

    def one(row: Row) -> Samples | str:
        try:
            return decoded(row)
        except AudioError as error:
            return str(error)

    with ThreadPoolExecutor(threads) as pool:
        loaded = list(
            track(pool.map(one, rows), "decoding", total=len(rows), transient=True, console=Console(stderr=True))
        )
    require_all([result for result in loaded if isinstance(result, str)], len(rows))
    return [samples for samples in loaded if not isinstance(samples, str)]


@dataclass(frozen=True, slots=True)
class OnDisk(Sequence[Samples]):
    """Every row's samples, decoded each time that they are asked for; CorpusError names a clip that cannot be."""

    rows: Sequence[Row]

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> Samples: ...

    @overload
    def __getitem__(self, index: slice) -> "OnDisk": ...

    def __getitem__(self, index: int | slice) -> "Samples | OnDisk":
        if isinstance(index, slice):
            return OnDisk(self.rows[index])
        try:
            return decoded(self.rows[index])
        except AudioError as error:
            raise CorpusError(f"a clip cannot be used: {error}") from error
