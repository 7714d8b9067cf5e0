"""Labelled clips as a bundle's encoders see them, and which of them are fair to judge it on."""

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from encoders.encoder import Encoder
from encoders.errors import AudioError
from model_export.errors import CorpusError
from model_export.evaluation.measures import Floats
from model_export.manifest import Row

AXES = ("valence", "arousal")
MINIMUM = 30


@dataclass(frozen=True, slots=True)
class Embedded:
    """Labelled clips with what the encoders made of them: embedding [n, dim], affect [n, 2] on 1..7."""

    rows: list[Row]
    embedding: Floats
    affect: Floats


def embed(rows: list[Row], encoder: Encoder) -> Embedded:
    """Embed every clip as a library would; CorpusError names the clips that cannot be."""
    embeddings, affects, failures = [], [], []
    for row in track(rows, "embedding", transient=True, console=Console(stderr=True)):
        try:
            embedding, affect = encoder.embed_clip(row.path)
        except AudioError as error:
            failures.append(str(error))
            continue
        embeddings.append(embedding)
        affects.append(affect)
    if failures:
        raise CorpusError(f"{len(failures)} of {len(rows)} clips cannot be used:\n  " + "\n  ".join(failures[:20]))
    return Embedded(rows, np.array(embeddings, dtype=np.float32), np.array(affects, dtype=np.float32))


def from_file(rows: list[Row], path: Path) -> Embedded:
    """Take embeddings that `emotionrank embed audio` wrote, by file name; CorpusError when a clip is missing."""
    try:
        with np.load(path) as file:
            arrays = {name: file[name] for name in ("path", "embedding", "affect")}
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise CorpusError(f"{path}: not a file of `emotionrank embed audio` ({error})") from error
    place = {Path(str(name)).stem: index for index, name in enumerate(arrays["path"])}
    if len(place) < len(arrays["path"]):
        raise CorpusError(f"{path}: holds two files of one name; embed the corpus' folder alone")
    missing = [row.path.stem for row in rows if row.path.stem not in place]
    if missing:
        raise CorpusError(f"{path}: {len(missing)} clips of the manifest are not in it, the first is {missing[0]}")
    order = [place[row.path.stem] for row in rows]
    return Embedded(rows, arrays["embedding"][order], arrays["affect"][order])


def judged(rows: list[Row], provenance: Mapping[str, Any]) -> tuple[list[Row], int]:
    """The rows that are fair to judge a bundle on, and how many of speakers it was trained on are left out.

    Of a corpus that the bundle was trained on, only its validation speakers count; clips that a copy of a corpus holds
    only in part never do. CorpusError when fewer than MINIMUM remain, or when their labels are all alike.
    """
    trained, kept_back = provenance.get("corpora", []), provenance.get("validation_speakers", [])
    complete = [row for row in rows if row.complete and row.labelled]
    kept = [row for row in complete if row.corpus not in trained or row.speaker in kept_back]
    if len(kept) < MINIMUM:
        raise CorpusError(f"{len(kept)} complete clips of unheard speakers are too few; at least {MINIMUM} are needed")
    for axis, name in enumerate(AXES):
        if len({row.affect[axis] for row in kept}) < 2:
            raise CorpusError(f"all clips have one {name}: there is no order to measure")
    return kept, len(complete) - len(kept)
