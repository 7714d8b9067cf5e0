"""nEMO (Christop 2024, CC BY-NC-SA 4.0), Polish: `samples/{speaker}_{emotion}_{sentence}.wav` and `data.tsv`."""

from pathlib import Path

from model_export import tables
from model_export.corpora.files import by_stem
from model_export.emotions import affect_of
from model_export.errors import CorpusError
from model_export.manifest import Row

EMOTIONS = {
    "anger": "anger",
    "fear": "fear",
    "happiness": "happiness",
    "neutral": "neutral",
    "sadness": "sadness",
    "surprised": "surprise",
}
COLUMNS = ("file_id", "emotion", "raw_text", "speaker_id", "gender")


def rows(root: Path) -> list[Row]:
    """One row a line of `data.tsv`.

    Raises:
        CorpusError: no `data.tsv`, columns missing, or lines with another emotion or gender, without a speaker, of one
        clip, or without their audio (all are named).
    """
    table = root / "data.tsv"
    if not table.is_file():
        raise CorpusError(f"{root}: no data.tsv; give the folder of nEMO that holds data.tsv and samples/")
    files = by_stem(root / "samples")
    seen: set[str] = set()

    def row(cells: dict[str, str]) -> Row:
        found = _row(cells, files)
        if found.path.stem in seen:
            raise ValueError(f"{found.path.stem} is listed above already")
        seen.add(found.path.stem)
        return found

    return tables.parse(table, COLUMNS, row, delimiter="\t")


def _row(cells: dict[str, str], files: dict[str, Path]) -> Row:
    stem = Path(cells["file_id"]).stem
    if stem not in files:
        raise ValueError(f"{cells['file_id'] or 'a clip without a name'} is not in samples/")
    if cells["emotion"] not in EMOTIONS:
        raise ValueError(f"unknown emotion {cells['emotion']!r}; there are {', '.join(EMOTIONS)}")
    if cells["gender"] not in ("male", "female"):
        raise ValueError(f"gender {cells['gender']!r} is not male or female")
    if not cells["speaker_id"]:
        raise ValueError("no speaker_id")
    emotion = EMOTIONS[cells["emotion"]]
    affect = affect_of(emotion)
    return Row(
        path=files[stem],
        corpus="nemo",
        speaker=f"nemo-{cells['speaker_id']}",
        gender=cells["gender"],
        emotion=emotion,
        valence=affect.valence,
        arousal=affect.arousal,
        transcript=cells["raw_text"],
    )
