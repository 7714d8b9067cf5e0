"""Labelled clips as a bundle's encoders see them, and which of them are fair to judge it on."""

import zipfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from encoders.affect import Affect
from encoders.encoder import Encoder
from encoders.errors import AudioError
from model_export.data import require_all
from model_export.errors import CorpusError
from model_export.evaluation.cache import Cache, Vector
from model_export.evaluation.measures import Floats
from model_export.manifest import Row

AXES = Affect._fields
MINIMUM = 30


@dataclass(frozen=True, slots=True)
class Embedded:
    """Labelled clips with what the encoders made of them: embedding [n, dim], affect [n, 2] on 1..7."""

    rows: list[Row]
    embedding: Floats
    affect: Floats

    @property
    def labels(self) -> Floats:
        """The labelled affect [n, 2] on 1..7."""
        return np.array([row.affect for row in self.rows], dtype=np.float32)


def embed(rows: list[Row], encoder: Encoder, cache: Path | None = None, threads: int = 1) -> Embedded:
    """Embed every clip as a library would, `threads` at once.

    What was embedded is kept in the folder `cache`, where one is given, by the bundle's fingerprint and the file's
    bytes, also when this is stopped half-way; clips found there are not encoded again. CorpusError names the clips that
    cannot be embedded, OutputError a cache that cannot be written.
    """
    kept = Cache.open(cache, encoder.bundle.fingerprint) if cache else None

    def one(row: Row) -> Vector | str:
        try:
            if kept is None:
                return Vector(*encoder.embed_clip(row.path))
            return kept.get(row.path, encoder.embed_clip)
        except AudioError as error:
            return str(error)

    pool = ThreadPoolExecutor(threads, thread_name_prefix="embed")
    try:
        console = Console(stderr=True)
        made = list(track(pool.map(one, rows), "embedding", total=len(rows), transient=True, console=console))
    finally:
        pool.shutdown(cancel_futures=True)
        if kept is not None:
            kept.save()
    require_all([result for result in made if isinstance(result, str)], len(rows))
    vectors = [result for result in made if not isinstance(result, str)]
    embedding = np.array([vector.embedding for vector in vectors], dtype=np.float32)
    return Embedded(rows, embedding, np.array([vector.affect for vector in vectors], dtype=np.float32))


def from_file(rows: list[Row], path: Path, fingerprint: str | None = None) -> Embedded:
    """Take embeddings that `emotionrank embed audio` wrote, by file name.

    CorpusError when it is no such file, a clip is missing, two different clips have one name without its suffix, or
    another bundle than the one with this `fingerprint` made them. A file from before fingerprints were written is
    taken, with a warning on stderr.
    """
    try:
        with np.load(path) as file:
            arrays = {name: file[name] for name in ("path", "embedding", "affect")}
            maker = str(file["fingerprint"]) if "fingerprint" in file else None
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise CorpusError(f"{path}: not a file of `emotionrank embed audio` ({error})") from error
    if fingerprint is not None:
        _check_maker(path, maker, fingerprint)
    place = {Path(str(name)).stem: index for index, name in enumerate(arrays["path"])}
    if len(place) < len(arrays["path"]):
        raise CorpusError(f"{path}: holds two files of one name; embed the corpus' folder alone")
    _check_names(rows, path)
    missing = [row.path.stem for row in rows if row.path.stem not in place]
    if missing:
        raise CorpusError(f"{path}: {len(missing)} clips of the manifest are not in it, the first is {missing[0]}")
    order = [place[row.path.stem] for row in rows]
    return Embedded(rows, arrays["embedding"][order], arrays["affect"][order])


def _check_names(rows: list[Row], path: Path) -> None:
    seen: dict[str, Path] = {}
    for row in rows:
        other = seen.setdefault(row.path.stem, row.path)
        if other != row.path:
            raise CorpusError(
                f"{path}: has embeddings by file name, and {other} and {row.path} of the manifest share one; leave "
                "--embeddings out, so that the clips are embedded by their paths"
            )


def _check_maker(path: Path, maker: str | None, fingerprint: str) -> None:
    if maker is None:
        Console(stderr=True, highlight=False).print(
            f"warning: {path} does not say which bundle made it; that it was this one is taken on trust", soft_wrap=True
        )
    elif maker != fingerprint:
        raise CorpusError(
            f"{path}: made by another bundle (fingerprint {maker[:12]}, this one has {fingerprint[:12]}); "
            "embed the corpus again, or name the bundle that made it with --bundle"
        )


def judged(rows: list[Row], provenance: Mapping[str, Any]) -> tuple[list[Row], int]:
    """The rows that are fair to judge a bundle on, and how many of speakers it was trained on are left out.

    A provenance with `training_speakers` leaves out these, whatever a manifest says of its split, and of a corpus that
    it was trained on the unknown speakers too, who may be anyone. Without it, only the validation speakers and the
    official test rows of such a corpus count. Clips that are not labelled, or that a copy of a corpus holds only in
    part, never do. CorpusError when fewer than MINIMUM remain, or when their labels are all alike.
    """
    complete = [row for row in rows if row.complete and row.labelled]
    kept = [row for row in complete if not _heard(row, provenance)]
    if len(kept) < MINIMUM:
        raise CorpusError(f"{len(kept)} complete clips of unheard speakers are too few; at least {MINIMUM} are needed")
    for axis, name in enumerate(AXES):
        if len({row.affect[axis] for row in kept}) < 2:
            raise CorpusError(f"all clips have one {name}: there is no order to measure")
    return kept, len(complete) - len(kept)


def _heard(row: Row, provenance: Mapping[str, Any]) -> bool:
    """Whether the bundle was, or may have been, trained on this speaker."""
    if "training_speakers" in provenance:
        if row.speaker in provenance["training_speakers"]:
            return True
        if row.known_speaker:
            return False
    kept_back = row.speaker in provenance.get("validation_speakers", ()) or row.role == "test"
    return row.corpus in provenance.get("corpora", ()) and not kept_back
