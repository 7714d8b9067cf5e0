"""MSP-Podcast (Lotfian and Busso 2019; academic licence), English: natural speech, rated by listeners on 1..7.

Of a release: `Labels/labels_consensus.csv` (old ones: `labels_concensus.csv`), the audio in `Audios/` or `Audio/`,
`Transcripts/` with a text file a clip, and the single ratings in `Labels/labels_detailed.csv` or `.json`; the last two
may be missing. Audio that the consensus does not list is unlabelled: in new releases that is the hidden set Test3,
which `Partitions.txt` or the clips' own names tell.

Official splits become train, validation (Development), test1, test2, test3. Activation is arousal.
"""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from model_export import tables
from model_export.corpora.files import by_stem
from model_export.corpora.listeners import labelled_values, spread
from model_export.errors import CorpusError
from model_export.manifest import Row, check, unknown_speaker

CORPUS = "msp-podcast"
EMOTIONS = {
    "A": "anger",
    "H": "happiness",
    "S": "sadness",
    "N": "neutral",
    "U": "surprise",
    "F": "fear",
    "D": "disgust",
    "C": "contempt",
    "O": "other",
    # The listeners did not agree, or the label is hidden.
    "X": "",
    "": "",
}
SPLITS = {
    "train": "train",
    "validation": "validation",
    "development": "validation",
    "test": "test",
    "test1": "test1",
    "test2": "test2",
    "test3": "test3",
    "": "",
}
GENDERS = {"male": "male", "female": "female", "unknown": "", "": ""}
CONSENSUS = ("labels_consensus.csv", "labels_concensus.csv")
COLUMNS = ("FileName", "EmoClass", "EmoAct", "EmoVal", "EmoDom", "SpkrID", "Gender", "Split_Set")
UNKNOWN = {"", "unknown", "nan"}

# Single ratings: stem -> (valence, arousal) of each listener.
Ratings = dict[str, list[tuple[float, float]]]


def rows(root: Path) -> list[Row]:
    """One row a clip, labelled or not.

    Raises:
        CorpusError: no labels or audio in their folders, an unknown label, a value off the scale (with its line), or a
        listed clip without audio.
    """
    consensus = _first(root, "Labels", CONSENSUS)
    folder = next((root / name for name in ("Audios", "Audio") if (root / name).is_dir()), None)
    if consensus is None or folder is None:
        raise CorpusError(
            f"{root}: no Labels/labels_consensus.csv, or neither Audios/ nor Audio/; give the folder of MSP-Podcast "
            "that holds them"
        )
    files = by_stem(folder)
    ratings = _ratings(root)

    def row(cells: dict[str, str]) -> Row:
        stem = _stem(cells["FileName"])
        if stem not in files:
            raise ValueError(f"{cells['FileName'] or 'a clip without a name'} has no audio in {folder.name}/")
        found = _row(cells, files[stem], ratings.get(stem, []))
        check(found)
        return found

    found = tables.parse(consensus, COLUMNS, row)
    listed = {row.path for row in found}
    splits = _partitions(root)
    found += [_unlabelled(path, splits.get(stem, "")) for stem, path in files.items() if path not in listed]
    return sorted(found, key=lambda row: row.path)


def _row(cells: dict[str, str], path: Path, ratings: list[tuple[float, float]]) -> Row:
    emotion = _known(EMOTIONS, "EmoClass", cells["EmoClass"])
    valence, arousal, dominance = (tables.number(cells[name]) for name in ("EmoVal", "EmoAct", "EmoDom"))
    speaker = cells["SpkrID"]
    return Row(
        path=path,
        corpus=CORPUS,
        speaker=unknown_speaker(CORPUS) if speaker.lower() in UNKNOWN else f"{CORPUS}-{speaker}",
        emotion=emotion,
        valence=valence,
        arousal=arousal,
        dominance=dominance,
        gender=_known(GENDERS, "Gender", cells["Gender"].lower()),
        split=_known(SPLITS, "Split_Set", cells["Split_Set"].lower()),
        ratings=len(ratings),
        valence_sd=spread([valence for valence, _ in ratings], 1, 7),
        arousal_sd=spread([arousal for _, arousal in ratings], 1, 7),
        transcript=_transcript(path),
    )


def _unlabelled(path: Path, split: str) -> Row:
    return Row(
        path=path,
        corpus=CORPUS,
        speaker=unknown_speaker(CORPUS),
        emotion="",
        valence=math.nan,
        arousal=math.nan,
        split=split or ("test3" if "test3" in path.stem.lower() else ""),
        transcript=_transcript(path),
    )


def _known(names: dict[str, str], column: str, value: str) -> str:
    if value not in names:
        raise ValueError(f"{column} {value!r} is not one of {', '.join(sorted(filter(None, names)))}")
    return names[value]


def _stem(name: str) -> str:
    return name.removesuffix(".wav")


def _first(root: Path, folder: str, names: tuple[str, ...]) -> Path | None:
    paths = [root / folder / name for name in names]
    return next((path for path in paths if path.is_file()), None)


def _transcript(path: Path) -> str:
    text = path.parent.parent / "Transcripts" / f"{path.stem}.txt"
    return " ".join(text.read_text(encoding="utf-8", errors="replace").split()) if text.is_file() else ""


def _partitions(root: Path) -> dict[str, str]:
    """Stem -> split, of lines as `Test3;MSP-PODCAST_test3_0001.wav`."""
    path = root / "Partitions.txt"
    if not path.is_file():
        return {}
    found, problems = {}, []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        split, separator, name = line.partition(";")
        if not separator:
            continue
        try:
            found[_stem(name.strip())] = _known(SPLITS, "split", split.strip().lower())
        except ValueError as error:
            problems.append(f"line {number}: {error}")
    if problems:
        tables.refuse(path, problems)
    return found


def _ratings(root: Path) -> Ratings:
    path = _first(root, "Labels", ("labels_detailed.csv", "labels_detailed.json"))
    if path is None:
        return {}
    pairs = _json_ratings(path) if path.suffix == ".json" else _csv_ratings(path)
    found: Ratings = {}
    for name, valence, arousal in pairs:
        if not (math.isnan(valence) or math.isnan(arousal)):
            found.setdefault(_stem(name), []).append((valence, arousal))
    return found


def _csv_ratings(path: Path) -> Iterator[tuple[str, float, float]]:
    """One listener a line: either in columns, or packed as `worker; emotion; others; A:5; V:3; D:4;` in the second."""
    for record in tables.records(path):
        cells = record.cells
        if "EmoVal" in cells and "EmoAct" in cells:
            yield _rating(path, cells.get("FileName", ""), cells)
        elif len(cells) > 1:
            name, packed = list(cells.values())[:2]
            values = labelled_values(packed)
            yield name, values.get("V", math.nan), values.get("A", math.nan)


def _json_ratings(path: Path) -> Iterator[tuple[str, float, float]]:
    """Clip -> listener -> rating; some releases have a list of ratings under one name."""
    try:
        clips = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CorpusError(f"{path}: cannot be read as JSON ({error})") from error
    if not isinstance(clips, dict) or not all(isinstance(workers, dict) for workers in clips.values()):
        raise CorpusError(f"{path}: does not map clips to listeners and their ratings")
    for name, workers in clips.items():
        for rating in workers.values():
            for one in rating if isinstance(rating, list) else [rating]:
                yield _rating(path, name, one)


def _rating(path: Path, name: str, one: Any) -> tuple[str, float, float]:
    try:
        return name, tables.number(str(one["EmoVal"])), tables.number(str(one["EmoAct"]))
    except (KeyError, TypeError, ValueError) as error:
        raise CorpusError(f"{path}: a rating of {name} has no EmoVal and EmoAct that are numbers ({error})") from error
