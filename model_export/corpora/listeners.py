"""What the corpora that listeners rated have in common: spreads in units of 1..7, and audio that is not there."""

import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import stdev

from encoders.affect import HIGH, LOW
from model_export.errors import CorpusError

NAMED = 5


def spread(ratings: Sequence[float], low: float, high: float) -> float:
    """Sample standard deviation of ratings from a scale low..high, in units of 1..7; nan for fewer than two."""
    return stdev(ratings) * (HIGH - LOW) / abs(high - low) if len(ratings) > 1 else math.nan


def labelled_values(text: str) -> dict[str, float]:
    """The numbers of a rating written as `A:4.000000; V:2.5; D:NaN;`: by letter, those that are no number left out."""
    found = re.findall(r"\b([A-Z])\s*:\s*(-?\d+(?:\.\d+)?)", text)
    return {letter: float(value) for letter, value in found}


def demand(files: dict[str, Path], stems: Iterable[str], table: Path, folder: Path) -> None:
    """Raise a CorpusError that names clips of a table without audio, the first NAMED of them."""
    missing = [stem for stem in stems if stem not in files]
    if missing:
        more = " ..." if len(missing) > NAMED else ""
        raise CorpusError(
            f"{folder}: audio of {len(missing)} clips of {table.name} is not there: {', '.join(missing[:NAMED])}{more}"
        )
