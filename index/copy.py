"""Copies of libraries: from any kind of store into any other, whole clips at a time.

A copy that is stopped goes on where it was: clips that the target has are only compared, and brought up to date where
their names, paths or metadata differ. Clips of the target that the source does not have stay. They keep their order,
but in the target they were added when they were copied.

Uploaded audio that lies in the source's folder is copied into the target's where both are folders; elsewhere a
clip's path leads where it led before.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from encoders.errors import InputError
from encoders.windows import SEGMENTATION
from index.build import Progress
from index.errors import ClipNotFound, LibraryFull, LibraryMismatch
from index.local.library import LocalStore
from index.records import Clip, NewClip
from index.sources import Failure
from index.store import Store

_PAGE: Final = 200


@dataclass(frozen=True, slots=True)
class CopyReport:
    """What a copy did.

    `same` were in the target already. `outside` are the clips whose audio lies in the source's folder and could not
    be taken along. `failed` names the clips that the target does not have as the source has them.
    """

    added: int
    updated: int
    same: int
    segments: int
    outside: int
    failed: tuple[Failure, ...]
    seconds: float


def copy(source: Store, target: Store, progress: Callable[[Progress], None] | None = None) -> CopyReport:
    """Copy all clips of `source` into `target`. Raises LibraryMismatch, and a LibraryError where either fails."""
    if source.fingerprint != target.fingerprint:
        raise LibraryMismatch(
            f"the target's embeddings were made with another bundle (fingerprint {target.fingerprint[:12]}) than the "
            f"source's ({source.fingerprint[:12]}): they do not compare. Copy into a new library."
        )
    return _Copy(source, target, progress).run()


class _Copy:
    """One copy."""

    def __init__(self, source: Store, target: Store, progress: Callable[[Progress], None] | None) -> None:
        self._source = source
        self._target = target
        self._progress = progress
        self._from = source.audio if isinstance(source, LocalStore) else None
        self._into = target.audio if isinstance(target, LocalStore) else None
        self._added = self._updated = self._same = self._segments = self._outside = 0
        self._failed: list[Failure] = []

    def run(self) -> CopyReport:
        started = time.monotonic()
        info = self._source.info()
        # Clips do not tell how they were cut; that the library knows all the ways is what has to come along.
        ways = iter(info.segmentation or (SEGMENTATION,))
        way = next(ways)
        for done, (clip, there) in enumerate(self._clips(), start=1):
            try:
                kept = self._one(clip, way, there=there)
                self._segments += kept.segments
                if kept.segments != clip.segments:
                    self._failed.append(_differs(clip, kept))
            except ClipNotFound:
                continue  # deleted from the source meanwhile
            except InputError as error:
                self._failed.append(Failure(f"{clip.id} {clip.name}", str(error)))
            way = next(ways, way)
            if self._progress:
                self._progress(Progress(done, max(done, info.counts.clips), len(self._failed)))
        return CopyReport(
            self._added,
            self._updated,
            self._same,
            self._segments,
            self._outside,
            tuple(self._failed),
            time.monotonic() - started,
        )

    def _clips(self) -> Iterator[tuple[Clip, bool]]:
        offset = 0
        while page := self._source.clips(offset=offset, limit=_PAGE):
            there = self._target.has([clip.id for clip in page])
            for clip in page:
                yield clip, clip.id in there
            offset += len(page)

    def _one(self, clip: Clip, way: str, *, there: bool) -> Clip:
        """Bring a clip into the target, and return it as the target has it."""
        if not there:
            segments = self._source.segments(clip.id)
            path = self._audio(clip)
            new = NewClip(clip.sha256, clip.name, path, clip.duration, clip.metadata, clip.stamp, way)
            kept = self._target.add(new, segments)
            self._added += 1
            return kept
        kept = self._target.get(clip.id)
        expected = replace(clip, path=self._audio(clip))
        if _described(kept) == _described(expected):
            self._same += 1
            return kept
        self._updated += 1
        return self._target.add(
            NewClip(clip.sha256, clip.name, expected.path, clip.duration, clip.metadata, clip.stamp), []
        )

    def _audio(self, clip: Clip) -> str:
        """Return where the clip's audio is for the target; audio that is the source's own is copied."""
        file = Path(clip.path)
        if self._from is None or file.parent != self._from.absolute():
            return clip.path
        if self._into is None:
            self._outside += 1
            return clip.path
        kept = self._into.absolute() / file.name
        if file.is_file() and not (kept.is_file() and kept.stat().st_size == file.stat().st_size):
            _take(file, kept)
        return str(kept)


def _take(file: Path, target: Path) -> None:
    """Copy a file; it appears whole or not at all."""
    try:
        handle, partial = tempfile.mkstemp(dir=target.parent, prefix=".partial-")
        try:
            with os.fdopen(handle, "wb") as out, file.open("rb") as given:
                shutil.copyfileobj(given, out)
                out.flush()
                os.fsync(out.fileno())
            shutil.copystat(file, partial)
            Path(partial).replace(target)
        except BaseException:
            Path(partial).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise LibraryFull(f"{file} could not be copied to {target.parent}: {error.strerror}.") from None


def _described(clip: Clip) -> tuple[str, str, list[str]]:
    return clip.name, clip.path, sorted(map(repr, clip.metadata.items()))  # 1, 1.0 and true are different values


def _differs(clip: Clip, kept: Clip) -> Failure:
    return Failure(
        f"{clip.id} {clip.name}",
        f"the target has it with {kept.segments} segments, the source with {clip.segments}: it was added to them by "
        "different versions. Delete it in the target, and copy again.",
    )
