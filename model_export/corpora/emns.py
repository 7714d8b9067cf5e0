"""EMNS (Noriy et al. 2023, Apache-2.0), English: `metadata.csv` (`|` between the cells) and `cleaned_webm/*.webm`.

One woman reads sentences in eight emotions at levels 1..10, and describes how she did: the caption. The table names
recordings as `wavs/NAME.wav`; they go by the stem. `raw_webm/` is taken where there is no `cleaned_webm/`. As the
corpus has one speaker, it can train and never validate.
"""

from pathlib import Path

from encoders.affect import Affect
from model_export import tables
from model_export.corpora.files import by_stem
from model_export.emotions import INTENSITY, affect_of, named
from model_export.errors import CorpusError
from model_export.manifest import Row

EMOTIONS = {
    "anger",
    "disgust",
    "excitement",
    "happiness",
    "neutral",
    "sadness",
    "sarcasm",
    "surprise",
}
COLUMNS = ("utterance", "description", "emotion", "gender", "level", "audio_recording", "user_id")
LEVELS = (1.0, 10.0)
FOLDERS = ("cleaned_webm", "raw_webm", "wavs")


def rows(root: Path) -> list[Row]:
    """One row a line of the table.

    Raises:
        CorpusError: no table or no folder of audio, columns missing, or lines with another emotion, a level that is
        no number of 1..10, no speaker, or without their audio (all are named).
    """
    table = root / "metadata.csv"
    folder = next((root / name for name in FOLDERS if (root / name).is_dir()), None)
    if not table.is_file() or folder is None:
        raise CorpusError(f"{root}: no metadata.csv, or no {FOLDERS[0]}/; give the folder of EMNS that holds both")
    files = by_stem(folder)
    return tables.parse(table, COLUMNS, lambda cells: _row(cells, files, folder), delimiter="|", quotes=False)


def _row(cells: dict[str, str], files: dict[str, Path], folder: Path) -> Row:
    stem = Path(cells["audio_recording"]).stem
    if stem not in files:
        raise ValueError(f"{cells['audio_recording'] or 'a clip without a name'} is not in {folder.name}/")
    emotion = named(cells["emotion"])
    if emotion not in EMOTIONS:
        raise ValueError(f"unknown emotion {cells['emotion']!r}; there are {', '.join(sorted(EMOTIONS))}")
    if not cells["user_id"]:
        raise ValueError("no user_id")
    gender = cells["gender"].lower()
    affect = _affect(emotion, cells["level"])
    return Row(
        path=files[stem],
        corpus="emns",
        speaker=f"emns-{cells['user_id']}",
        gender=gender if gender in ("male", "female") else "",
        emotion=emotion,
        intensity=cells["level"],
        valence=affect.valence,
        arousal=affect.arousal,
        transcript=cells["utterance"],
        caption=_caption(cells["description"], emotion, gender),
    )


def _affect(emotion: str, level: str) -> Affect:
    """The category's affect, weaker or stronger by the level within what a normal and a strong performance span."""
    value = tables.number(level) if level else float("nan")
    if value != value:
        return affect_of(emotion)
    low, high = LEVELS
    if not low <= value <= high:
        raise ValueError(f"level {level} is outside {low:g}..{high:g}")
    weak, strong = INTENSITY["normal"], INTENSITY["strong"]
    scale = weak + (strong - weak) * (value - low) / (high - low)
    valence, arousal = affect_of(emotion).to_unit()
    return Affect.from_unit(valence * scale, arousal * scale).clipped()


def _caption(description: str, emotion: str, gender: str) -> str:
    """The description with its blanks filled; none where a blank is left, or the words that are said stand in it."""
    who = {"female": "a woman", "male": "a man"}.get(gender, "someone")
    filled = description.replace("{user_id}", who).replace("{emotion}", emotion)
    return "" if "{" in filled else filled
