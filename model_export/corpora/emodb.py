"""EmoDB (Burkhardt et al. 2005, CC0), German: `wav/03a01Fa.wav`, with listeners' ratings where they lie beside it.

Stem: speaker (2), sentence (3), emotion letter, version. `emodb_va_mean.csv` (columns file, n, valence_mean,
arousal_mean; sliders 0..100) gives the affect; without it a row has that of its acted category. `manifest.csv` with a
column `complete` marks clips that some copies of the corpus hold only in part.
"""

import csv
from pathlib import Path

from encoders.affect import rescale
from model_export.emotions import affect_of
from model_export.manifest import Row, audio_files

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


def _table(path: Path) -> dict[str, dict[str, str]]:
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        return {Path(record["file"]).stem: record for record in csv.DictReader(file)}


def rows(root: Path) -> list[Row]:
    """One row a clip, rated affect (1..7) where the ratings are there."""
    ratings = _table(root / "emodb_va_mean.csv")
    complete = _table(root / "manifest.csv")
    found = []
    for path in audio_files(root):
        stem = path.stem
        if len(stem) < 6 or stem[5] not in EMOTIONS:
            continue
        emotion = EMOTIONS[stem[5]]
        affect = affect_of(emotion)
        count = 0
        if stem in ratings:
            rated = ratings[stem]
            affect = type(affect)(
                rescale(float(rated["valence_mean"]), 0, 100), rescale(float(rated["arousal_mean"]), 0, 100)
            )
            count = int(rated["n"])
        found.append(
            Row(
                path=path,
                corpus="emodb",
                speaker=f"emodb-{stem[:2]}",
                gender="male" if stem[:2] in MALE else "female",
                emotion=emotion,
                valence=affect.valence,
                arousal=affect.arousal,
                ratings=count,
                transcript=stem[2:5],
                complete=complete.get(stem, {}).get("complete", "1") != "0",
            )
        )
    return found
