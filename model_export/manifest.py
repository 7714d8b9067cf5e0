"""The manifest: one row a clip, whatever corpus it comes from, as a CSV file or (by its suffix) Parquet.

Columns: those of `Row`, by name; only path, corpus, speaker, emotion, valence and arousal must be there. Affect is on
1..7, and an empty cell says that it is not known: a row without valence or arousal is not labelled. Paths are relative
to the manifest's folder where possible. Speakers carry their corpus' name, so that two corpora never share one; a
speaker that the corpus does not know is `<corpus>-unknown`, which may be many people.
"""

import csv
import math
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from encoders.affect import HIGH, LOW, Affect
from encoders.errors import OutputError
from model_export import tables
from model_export.errors import CorpusError, MissingExtraError

AUDIO_SUFFIXES = frozenset({".wav", ".flac", ".opus", ".ogg", ".mp3", ".m4a", ".mp4", ".webm", ".aac"})
REQUIRED = ("path", "corpus", "speaker", "emotion", "valence", "arousal")
GENDERS = ("male", "female", "")
SPLITS = {"": "train", "train": "train", "validation": "validation", "development": "validation"}

AXES = ("valence", "arousal", "dominance")
_SPREADS = ("valence_sd", "arousal_sd")
_TRUTH = {"": True, "1": True, "true": True, "0": False, "false": False}


@dataclass(frozen=True, slots=True)
class Row:
    """One clip with its labels.

    `split` is the corpus' official one: train, validation or development, test (or test1, test2, ...), "" where it has
    none. `valence`, `arousal` and `dominance` are 1..7, nan where not labelled. `ratings` is the number of listeners
    behind them, 0 where they come from the acted category; `valence_sd` and `arousal_sd` are the listeners' standard
    deviations in units of 1..7, nan where not known. `caption` holds descriptions of how the clip sounds, ` | `
    between alternatives. `complete` is false for a clip that a copy of the corpus holds only in part.
    """

    path: Path
    corpus: str
    speaker: str
    emotion: str
    valence: float
    arousal: float
    dominance: float = math.nan
    gender: str = ""
    split: str = ""
    intensity: str = ""
    ratings: int = 0
    valence_sd: float = math.nan
    arousal_sd: float = math.nan
    transcript: str = ""
    caption: str = ""
    complete: bool = True

    @property
    def affect(self) -> Affect:
        """(valence, arousal) on 1..7; nan where not labelled."""
        return Affect(self.valence, self.arousal)

    @property
    def labelled(self) -> bool:
        """Whether both valence and arousal are known."""
        return not (math.isnan(self.valence) or math.isnan(self.arousal))

    @property
    def known_speaker(self) -> bool:
        """Whether the speaker is one person, not the corpus' heap of unknown ones."""
        return self.speaker != unknown_speaker(self.corpus)

    @property
    def role(self) -> str:
        """What the official split means for training: "train", "validation" or "test"."""
        return SPLITS.get(self.split, "test")

    @property
    def learnable(self) -> bool:
        """Whether a model may be fitted on the clip: it is labelled, whole, and in no test part."""
        return self.labelled and self.complete and self.role != "test"


def unknown_speaker(corpus: str) -> str:
    """The speaker of rows whose speaker the corpus does not tell."""
    return f"{corpus}-unknown"


def write(rows: Iterable[Row], path: Path) -> None:
    """Write the manifest, as Parquet where the suffix is `.parquet`; the folder is made when it is missing.

    Raises:
        OutputError: a file that is no manifest lies there: it may belong to the corpus.
        MissingExtraError: Parquet is asked for, and pyarrow is not installed.
    """
    if path.exists() and not _is_manifest(path):
        raise OutputError(f"{path} is no manifest, and may belong to the corpus; write the manifest under another name")
    path.parent.mkdir(parents=True, exist_ok=True)
    base = path.parent.resolve()
    records = [_record(row, base) for row in rows]
    if path.suffix.lower() == ".parquet":
        _write_parquet(records, path)
        return
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Row)])
        writer.writeheader()
        writer.writerows(record | {"complete": int(record["complete"])} for record in records)


def read(path: Path) -> list[Row]:
    """Read a manifest; paths come back absolute.

    Raises:
        CorpusError: not there, no rows, a required column missing, or values that are not what they should be (with
        their lines).
        MissingExtraError: it is a Parquet file, and pyarrow is not installed.
    """
    rows = tables.parse(path, REQUIRED, lambda cells: _row(cells, path.parent))
    if not rows:
        raise CorpusError(f"{path}: holds no clips")
    return rows


def audio_files(folder: Path) -> list[Path]:
    """Every audio file below a folder, sorted; adapters go by the stem, because copies of a corpus differ in format.

    Hidden files are left out: archives packed on a Mac hold one beside each file, under its name with `._` before it.
    """
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in AUDIO_SUFFIXES and not path.name.startswith(".") and path.is_file()
    )


def _is_manifest(path: Path) -> bool:
    try:
        tables.records(path, REQUIRED)
    except CorpusError:
        return False
    return True


def _record(row: Row, base: Path) -> dict[str, Any]:
    values = asdict(row)
    for name, value in values.items():
        if isinstance(value, float):
            values[name] = None if math.isnan(value) else round(value, 4)
    return values | {"path": Path(os.path.relpath(row.path.resolve(), base)).as_posix()}


def _write_parquet(records: list[dict[str, Any]], path: Path) -> None:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"{path}: writing Parquet needs pip install 'emotionrank[parquet]'") from error
    types = {float: pa.float64(), int: pa.int64(), bool: pa.bool_(), str: pa.string(), Path: pa.string()}
    schema = pa.schema([(field.name, types[field.type]) for field in fields(Row) if isinstance(field.type, type)])
    pq.write_table(pa.Table.from_pylist(records, schema), path)


def _row(cells: dict[str, str], base: Path) -> Row:
    """The row that a manifest's cells describe; ValueError says what is wrong with them."""
    for name in ("path", "corpus", "speaker"):
        if not cells[name]:
            raise ValueError(
                f"the {name} is empty" + ("; write <corpus>-unknown if it is not known" if name == "speaker" else "")
            )
    numbers = {name: _number(name, cells.get(name, "")) for name in (*AXES, *_SPREADS)}
    row = Row(
        path=(base / cells["path"]).resolve(),
        corpus=cells["corpus"],
        speaker=cells["speaker"],
        emotion=cells["emotion"],
        valence=numbers["valence"],
        arousal=numbers["arousal"],
        dominance=numbers["dominance"],
        gender=cells.get("gender", ""),
        split=cells.get("split", ""),
        intensity=cells.get("intensity", ""),
        ratings=_count(cells.get("ratings", "")),
        valence_sd=numbers["valence_sd"],
        arousal_sd=numbers["arousal_sd"],
        transcript=cells.get("transcript", ""),
        caption=cells.get("caption", ""),
        complete=_truth(cells.get("complete", "")),
    )
    check(row)
    return row


def check(row: Row) -> None:
    """Hold a row to what a manifest may hold; ValueError says what is wrong."""
    for axis in AXES:
        value = getattr(row, axis)
        if not math.isnan(value) and not LOW <= value <= HIGH:
            raise ValueError(f"{axis} {value:g} is outside the scale {LOW:g}..{HIGH:g}")
    for spread in _SPREADS:
        if getattr(row, spread) < 0:
            raise ValueError(f"{spread} {getattr(row, spread):g} is negative")
    if row.ratings < 0:
        raise ValueError(f"ratings {row.ratings} is negative")
    if row.gender not in GENDERS:
        raise ValueError(f"gender {row.gender!r} is not male, female or empty")
    if row.split not in SPLITS and not row.split.startswith("test"):
        raise ValueError(f"split {row.split!r} is not train, validation, development, test... or empty")


def _number(name: str, text: str) -> float:
    try:
        return tables.number(text)
    except ValueError:
        raise ValueError(f"{name} must be a number, not {text!r}") from None


def _count(text: str) -> int:
    value = _number("ratings", text)
    if math.isnan(value):
        return 0
    if value != int(value):
        raise ValueError(f"ratings must be a whole number, not {text!r}")
    return int(value)


def _truth(text: str) -> bool:
    if text.lower() not in _TRUTH:
        raise ValueError(f"complete must be 1 or 0, not {text!r}")
    return _TRUTH[text.lower()]
