"""Any labelled corpus as a table, CSV or Parquet: columns mapped by name, constants for what no column tells.

A field of `manifest.Row` comes from the column that is mapped to it, else from its constant, else from the column of
its own name. `path` must be there. Without valence and arousal a row takes those of its emotion. A field that is
nowhere has its usual default: the corpus is called as the table, and its speakers are unknown.

Valence, arousal, dominance and their spreads come on the scale that is given, and leave on 1..7.
"""

import math
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

from encoders.affect import HIGH, LOW, rescale
from model_export import tables
from model_export.emotions import MEANS, affect_of, named
from model_export.errors import CorpusError
from model_export.manifest import AUDIO_SUFFIXES, AXES, Row, check, unknown_speaker

FIELDS = tuple(field.name for field in fields(Row))
GENDERS = {"male": "male", "m": "male", "man": "male", "female": "female", "f": "female", "woman": "female"}
# As people write the official parts of a corpus.
SPLITS = {
    "training": "train",
    "valid": "validation",
    "val": "validation",
    "dev": "development",
    "eval": "test",
    "evaluation": "test",
}

Scale = tuple[float, float]

_FULL: Scale = (LOW, HIGH)
_NOBODY = {"", "unknown", "nan", "none", "n/a"}
_YES_NO = {"": True, "1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


def rows(
    path: Path,
    columns: Mapping[str, str] | None = None,
    constants: Mapping[str, str] | None = None,
    scales: Mapping[str, Scale] | Scale = _FULL,
    audio: Path | None = None,
    delimiter: str = "",
) -> list[Row]:
    """One row a line of the table.

    `columns` is field -> column, `constants` field -> value of every row, `scales` the two ends of the rating scale
    (the greater first where the scale runs the other way), for all axes or by axis. Paths are relative to `audio`
    (default: the table's folder), and may lack or differ in the suffix. `delimiter` is a comma by default, a tab
    where the table is a `.tsv`.

    Raises:
        CorpusError: an unknown field, column or axis, or lines without a clip, with a clip that is listed before,
        whose audio is not there, or with labels that are not numbers on the scale (all are named).
        MissingExtraError: a Parquet table, and pyarrow is not installed.
    """
    columns, constants = dict(columns or {}), dict(constants or {})
    by_axis = dict.fromkeys(AXES, scales) if isinstance(scales, tuple) else dict.fromkeys(AXES, _FULL) | {**scales}
    _check_map(path, columns, constants, by_axis)
    folder = audio or path.parent
    seen: set[Path] = set()

    def row(cells: dict[str, str]) -> Row:
        values = {name: cells[name] for name in FIELDS if name in cells}
        values |= constants | {field: cells[column] for field, column in columns.items()}
        values.setdefault("corpus", path.stem.lower())
        found = _row(values, folder, by_axis)
        if found.path in seen:
            raise ValueError(f"{values['path']} is listed above already")
        seen.add(found.path)
        return found

    wanted = set(columns.values()) | ({"path"} - columns.keys())
    found = tables.parse(path, wanted, row, delimiter or ("\t" if path.suffix.lower() == ".tsv" else ","))
    if not found:
        raise CorpusError(f"{path}: holds no clips")
    return found


def _check_map(
    path: Path, columns: Mapping[str, str], constants: Mapping[str, str], scales: Mapping[str, Scale]
) -> None:
    unknown = sorted((columns.keys() | constants.keys()) - set(FIELDS))
    if unknown:
        raise CorpusError(f"{path}: a manifest has no field {', '.join(unknown)}; there are {', '.join(FIELDS)}")
    both = sorted(columns.keys() & constants.keys())
    if both:
        raise CorpusError(f"{path}: {', '.join(both)} cannot come from a column and be one value for all clips")
    strange = sorted(scales.keys() - set(AXES))
    if strange:
        raise CorpusError(f"{path}: only {', '.join(AXES)} have a scale, not {', '.join(strange)}")
    for axis, (low, high) in scales.items():
        if low == high or not (math.isfinite(low) and math.isfinite(high)):
            raise CorpusError(f"{path}: the scale {low:g}..{high:g} of {axis} needs two different ends")


def _row(values: dict[str, str], folder: Path, scales: Mapping[str, Scale]) -> Row:
    corpus, speaker = values["corpus"], values.get("speaker", "")
    if not corpus:
        raise ValueError("the corpus is empty")
    emotion = named(values.get("emotion", ""))
    place = {axis: _label(axis, values.get(axis, ""), scales[axis]) for axis in AXES}
    if "valence" not in values and "arousal" not in values:
        if emotion not in MEANS:
            raise ValueError(
                f"no valence and arousal, and the emotion {emotion!r} has none that is known; there are "
                f"{', '.join(sorted(MEANS))}"
            )
        place["valence"], place["arousal"] = affect_of(emotion)
    gender = values.get("gender", "").lower()
    split = values.get("split", "").lower()
    complete = values.get("complete", "").lower()
    if complete not in _YES_NO:
        raise ValueError(f"complete must be 1 or 0, not {complete!r}")
    ratings = _label("ratings", values.get("ratings", ""), (0, math.inf))
    row = Row(
        path=_audio(values["path"], folder),
        corpus=corpus,
        speaker=unknown_speaker(corpus) if speaker.lower() in _NOBODY else f"{corpus}-{speaker}",
        emotion=emotion,
        valence=place["valence"],
        arousal=place["arousal"],
        dominance=place["dominance"],
        gender=GENDERS.get(gender, ""),
        split=SPLITS.get(split, split),
        intensity=values.get("intensity", ""),
        ratings=0 if math.isnan(ratings) else round(ratings),
        valence_sd=_spread("valence", values, scales),
        arousal_sd=_spread("arousal", values, scales),
        transcript=values.get("transcript", ""),
        caption=values.get("caption", ""),
        complete=_YES_NO[complete],
    )
    check(row)
    return row


def _label(name: str, text: str, scale: Scale) -> float:
    """A label on 1..7 (ratings: as it is); nan for an empty cell; ValueError where it is no number on the scale."""
    try:
        value = tables.number(text)
    except ValueError:
        raise ValueError(f"{name} must be a number, not {text!r}") from None
    low, high = sorted(scale)
    if math.isnan(value):
        return value
    if not low <= value <= high:
        raise ValueError(f"{name} {value:g} is outside the scale {low:g}..{high:g}")
    # Rounding must not leave the scale.
    return value if math.isinf(high) else min(max(rescale(value, *scale), LOW), HIGH)


def _spread(axis: str, values: dict[str, str], scales: Mapping[str, Scale]) -> float:
    low, high = scales[axis]
    name = f"{axis}_sd"
    try:
        return tables.number(values.get(name, "")) * (HIGH - LOW) / abs(high - low)
    except ValueError:
        raise ValueError(f"{name} must be a number, not {values[name]!r}") from None


def _audio(name: str, folder: Path) -> Path:
    if not name:
        raise ValueError("the path is empty")
    path = folder / name
    if path.is_file():
        return path.resolve()
    # A table may name clips without their suffix, or with that of another copy of the corpus.
    stem = path.with_suffix("") if path.suffix.lower() in AUDIO_SUFFIXES else path
    for suffix in sorted(AUDIO_SUFFIXES):
        candidate = stem.with_name(stem.name + suffix)
        if candidate.is_file():
            return candidate.resolve()
    raise ValueError(f"{path} is not there")
