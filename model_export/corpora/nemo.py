"""nEMO (Christop 2024, CC BY-NC-SA 4.0), Polish: `samples/{speaker}_{emotion}_{sentence}.wav` and `data.tsv`."""

import csv
from pathlib import Path

from model_export.emotions import affect_of
from model_export.errors import CorpusError
from model_export.manifest import Row, audio_files

EMOTIONS = {
    "anger": "anger",
    "fear": "fear",
    "happiness": "happiness",
    "neutral": "neutral",
    "sadness": "sadness",
    "surprised": "surprise",
}


def rows(root: Path) -> list[Row]:
    """One row a line of `data.tsv` whose audio is there; CorpusError when a line names audio that is not."""
    table = root / "data.tsv"
    if not table.is_file():
        raise CorpusError(f"{root}: no data.tsv; give the folder of nEMO that holds data.tsv and samples/")
    files = {path.stem: path for path in audio_files(root / "samples")}
    found, missing = [], []
    with table.open(encoding="utf-8", newline="") as file:
        for record in csv.DictReader(file, delimiter="\t"):
            stem = Path(record["file_id"]).stem
            if stem not in files:
                missing.append(stem)
                continue
            emotion = EMOTIONS[record["emotion"].strip()]
            affect = affect_of(emotion)
            found.append(
                Row(
                    path=files[stem],
                    corpus="nemo",
                    speaker=f"nemo-{record['speaker_id'].strip()}",
                    gender=record["gender"].strip(),
                    emotion=emotion,
                    valence=affect.valence,
                    arousal=affect.arousal,
                    transcript=record["raw_text"].strip(),
                )
            )
    if missing:
        raise CorpusError(f"{root}: {len(missing)} clips of data.tsv are not in samples/, the first is {missing[0]}")
    return found
