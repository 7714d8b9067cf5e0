"""EmoDB (Burkhardt et al. 2005, CC0), German: `wav/03a01Fa.wav`, with listeners' ratings where they lie beside it.

Stem: speaker (2), sentence (3), emotion letter, version. `emodb_va_mean.csv` (sliders 0..100: for each file the number
of ratings, mean and standard deviation of valence and arousal) gives the affect; without it a row has that of its acted
category. `manifest.csv` with the columns `file` and `complete` marks clips that some copies of the corpus hold only in
part.
"""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from encoders.affect import HIGH, LOW, rescale
from model_export import tables
from model_export.corpora.files import by_key
from model_export.emotions import affect_of
from model_export.manifest import Row

EMOTIONS = {
    "W": "anger",
    "L": "boredom",
    "E": "disgust",
    "A": "fear",
    "F": "happiness",
    "T": "sadness",
    "N": "neutral",
}
MALE = {"03", "10", "11", "12", "15"}
SCALE = (0.0, 100.0)
RATED = ("file", "n", "valence_mean", "valence_sd", "arousal_mean", "arousal_sd")

_STEM = re.compile(r"(03|08|09|1[0-6])([ab]\d\d)([WLEAFTN])[a-z]?")
# Affect and spreads on 1..7, and the number of ratings, as fields of a Row.
_Rating = dict[str, Any]


def rows(root: Path) -> list[Row]:
    """One row a clip, rated affect (1..7) where the ratings are there.

    Raises:
        CorpusError: columns of a table are missing, its numbers are none or off their scale, or two different
        recordings have one name.
    """
    ratings, complete = _ratings(root / "emodb_va_mean.csv"), _complete(root / "manifest.csv")
    found = []
    for stem, path in by_key(root, lambda path: path.stem if _STEM.fullmatch(path.stem) else None).items():
        emotion = EMOTIONS[stem[5]]
        affect = affect_of(emotion)
        row = Row(
            path=path,
            corpus="emodb",
            speaker=f"emodb-{stem[:2]}",
            gender="male" if stem[:2] in MALE else "female",
            emotion=emotion,
            valence=affect.valence,
            arousal=affect.arousal,
            transcript=stem[2:5],
            complete=complete.get(stem, True),
        )
        found.append(replace(row, **ratings.get(stem, {})))
    return found


def _ratings(path: Path) -> dict[str, _Rating]:
    return dict(tables.parse(path, RATED, _rating)) if path.is_file() else {}


def _rating(cells: dict[str, str]) -> tuple[str, _Rating]:
    rated: _Rating = {"ratings": int(cells["n"])}
    for axis in ("valence", "arousal"):
        mean = float(cells[f"{axis}_mean"])
        if not SCALE[0] <= mean <= SCALE[1]:
            raise ValueError(f"{axis} {mean:g} is outside the sliders' {SCALE[0]:g}..{SCALE[1]:g}")
        rated[axis] = rescale(mean, *SCALE)
        rated[f"{axis}_sd"] = tables.number(cells[f"{axis}_sd"]) * (HIGH - LOW) / (SCALE[1] - SCALE[0])
    return Path(cells["file"]).stem, rated


def _complete(path: Path) -> dict[str, bool]:
    return dict(tables.parse(path, ("file", "complete"), _whole)) if path.is_file() else {}


def _whole(cells: dict[str, str]) -> tuple[str, bool]:
    if cells["complete"] not in ("0", "1"):
        raise ValueError(f"complete must be 0 or 1, not {cells['complete']!r}")
    return Path(cells["file"]).stem, cells["complete"] == "1"
