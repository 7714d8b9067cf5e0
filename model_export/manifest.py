"""The manifest: one row a clip, whatever corpus it comes from, as a CSV file.

Columns, in this order: path, corpus, speaker, gender, emotion, intensity, valence, arousal, ratings, transcript.
Affect is on 1..7; `ratings` is the number of listeners behind it, 0 where it comes from the acted category. Paths are
relative to the manifest's folder where possible. Speakers carry their corpus' name, so that two corpora never share
one.
"""

import csv
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from encoders.affect import HIGH, LOW, Affect
from model_export.errors import CorpusError

AUDIO_SUFFIXES = frozenset({".wav", ".flac", ".opus", ".ogg", ".mp3", ".m4a", ".mp4", ".webm", ".aac"})


@dataclass(frozen=True, slots=True)
class Row:
    """One labelled clip."""

    path: Path
    corpus: str
    speaker: str
    gender: str
    emotion: str
    intensity: str
    valence: float
    arousal: float
    ratings: int = 0
    transcript: str = ""

    @property
    def affect(self) -> Affect:
        """(valence, arousal) on 1..7."""
        return Affect(self.valence, self.arousal)


def write(rows: Iterable[Row], path: Path) -> None:
    """Write the manifest; the folder is made when it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    base = path.parent.resolve()
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Row)])
        writer.writeheader()
        for row in rows:
            values = asdict(row)
            values["path"] = Path(os.path.relpath(row.path.resolve(), base)).as_posix()
            values |= {"valence": round(row.valence, 4), "arousal": round(row.arousal, 4)}
            writer.writerow(values)


def read(path: Path) -> list[Row]:
    """Read a manifest; paths come back absolute.

    Raises:
        CorpusError: not there, no rows, a column missing, or a value that is not a number on the scale (with its
        line).
    """
    wanted = {field.name for field in fields(Row)}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = wanted - set(reader.fieldnames or ())
            if missing:
                raise CorpusError(
                    f"{path}: columns missing: {', '.join(sorted(missing))}; write it with `emotionrank corpus prepare`"
                )
            rows = [_row(record, path, reader.line_num) for record in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CorpusError(f"{path}: cannot be read as a manifest ({error})") from error
    if not rows:
        raise CorpusError(f"{path}: holds no clips")
    return rows


def _row(record: dict[str, str], path: Path, line: int) -> Row:
    try:
        valence, arousal = float(record["valence"]), float(record["arousal"])
        ratings = int(record["ratings"] or 0)
    except (TypeError, ValueError) as error:
        raise CorpusError(f"{path}, line {line}: valence, arousal and ratings must be numbers ({error})") from error
    for name, value in (("valence", valence), ("arousal", arousal)):
        if not LOW <= value <= HIGH:
            raise CorpusError(f"{path}, line {line}: {name} {value} is outside the scale {LOW:g}..{HIGH:g}")
    text = {name: record[name] for name in ("corpus", "speaker", "gender", "emotion", "intensity", "transcript")}
    return Row(
        path=(path.parent / record["path"]).resolve(),
        valence=valence,
        arousal=arousal,
        ratings=ratings,
        **text,
    )


def audio_files(folder: Path) -> list[Path]:
    """Every audio file below a folder, sorted; adapters go by the stem, because copies of a corpus differ in format."""
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in AUDIO_SUFFIXES and p.is_file())
