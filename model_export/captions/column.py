"""Captions that a manifest brings with it, in its column `caption`.

One cell may hold several wordings with ` | ` between them; each has the affect of its clip.
"""

import math
from collections.abc import Iterable, Sequence

from encoders.affect import NEUTRAL
from model_export.captions.caption import Caption
from model_export.data import dominance
from model_export.manifest import Row

SEPARATOR = " | "


def own(rows: Sequence[Row]) -> list[list[Caption]]:
    """The captions of each row, none where its column is empty or its clip has no affect."""
    return [[of_row(row, text) for text in split(row.caption)] if row.labelled else [] for row in rows]


def split(cell: str) -> list[str]:
    """The wordings of one cell, each once, in its order."""
    return list(dict.fromkeys(text.strip() for text in cell.split(SEPARATOR.strip()) if text.strip()))


def join(texts: Iterable[str]) -> str:
    """One cell of several wordings."""
    return SEPARATOR.join(texts)


def of_row(row: Row, text: str) -> Caption:
    """A text as a caption of this row, at its affect and dominance, which is neutral where it is not known."""
    known = dominance(row)
    return Caption(text, row.emotion, row.affect, NEUTRAL if math.isnan(known) else known)
