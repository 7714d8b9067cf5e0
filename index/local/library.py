"""The local store: a library in a directory.

    library.db      the catalog (SQLite; while it is open, library.db-wal and library.db-shm beside it)
    library.claims  an empty file, for the locks of builds that run at the same time
    audio/          the files of uploaded clips, `audio/<clip id>.<extension>`
    snapshots/      the vectors as they were at the last compaction (`index.local.snapshot`)

The catalog is the only truth; the snapshot saves the time to derive the vectors from it, and may be lost. Before each
search the store asks the catalog, in some microseconds, whether there are changes to follow, its own or another
process's. Any number of processes may have one library open, reading and writing; one compacts at a time.

Paths inside the library's directory are stored relative to it, so that a library may be moved.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from encoders.bundle import Bundle
from encoders.encoder import EncodedSegment
from index import checks
from index.errors import LibraryInvalid, LibraryNewer, LibraryNotFound, LibraryReadOnly
from index.facets import Facet
from index.filters import Filter
from index.local import backup, catalog, changes, compaction, facets, report
from index.local.claims import claim
from index.local.codes import Floats
from index.local.following import Following
from index.local.kept import Kept
from index.local.scan import scan
from index.local.snapshot import RECALL
from index.local.sqlite import Database
from index.places import Places
from index.records import (
    Backup,
    Clip,
    Compaction,
    Counts,
    Drift,
    Hit,
    IndexInfo,
    LibraryInfo,
    Metadata,
    NewClip,
    Stamp,
    check_metadata,
    check_text,
)
from index.region import Region
from index.store import Progress

CATALOG: Final = "library.db"
AUDIO: Final = "audio"

_ATTEMPTS: Final = 8


class LocalStore:
    """A library in the directory `path`, open; see `index.store.Store` for what the methods promise.

    Made by `create` and `open`.
    """

    def __init__(self, path: Path, database: Database, properties: dict[str, str]) -> None:
        self.path = path
        self.audio = path / AUDIO
        self._database = database
        self._properties = properties
        self._dim = int(properties["dim"])
        self._following = Following(path, database, properties["fingerprint"], self._dim)
        self._kept = Kept()

    @classmethod
    def create(cls, path: Path, bundle: Bundle) -> Self:
        """Open the library at `path`, made first where there is none. Raises as `open`."""
        try:
            (path / AUDIO).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LibraryReadOnly(f"cannot make a library at {path}: {error.strerror} ({error.filename}).") from None
        database = Database(path / CATALOG, "rwc")
        try:
            with database.read() as connection:
                blank = catalog.is_blank(connection)
            if blank:
                database.use_log()
                with database.write() as connection:
                    if catalog.is_blank(connection):  # no other process was faster
                        catalog.create(connection, checks.properties(bundle))
        except BaseException:
            database.close()
            raise
        return cls._opened(path, database, bundle, migrate=True)

    @classmethod
    def open(cls, path: Path, bundle: Bundle | None, *, read_only: bool = False) -> Self:
        """Open the library at `path`; `bundle` None is for looking at it only, whatever bundle made it.

        A library of an older format is brought to this one's where it may be written to, and read as it is elsewhere.
        Raises LibraryNotFound, LibraryInvalid, LibraryNewer, LibraryMismatch.
        """
        if path.is_dir() and not (path / CATALOG).exists():
            raise LibraryNotFound(f"{path} is a folder, but no library: there is no {CATALOG} in it. {_advice(path)}")
        if not path.exists():
            raise LibraryNotFound(f"there is no library at {path}. {_advice(path)}")
        return cls._opened(path, Database(path / CATALOG, "ro" if read_only else "rw"), bundle, migrate=not read_only)

    @classmethod
    def _opened(cls, path: Path, database: Database, bundle: Bundle | None, *, migrate: bool) -> Self:
        try:
            with database.read() as connection:
                application, version = catalog.header(connection)
                _check_header(path, application, version)
                properties = catalog.properties(connection)
            checks.check_bundle(str(path), properties, bundle)
            if migrate and version < catalog.SCHEMA_VERSION:
                with suppress(LibraryReadOnly), database.write() as connection:
                    catalog.migrate(connection)
                    properties = catalog.properties(connection)
            return cls(path, database, properties)
        except BaseException:
            database.close()
            raise

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the bundle that made the library's embeddings."""
        return self._properties["fingerprint"]

    def add(self, clip: NewClip, segments: Sequence[EncodedSegment]) -> Clip:
        """Add a clip with its segments, or update the one of the same content."""
        checks.check_clip(clip)
        clip = replace(clip, path=self._stored(clip.path))
        with self._database.write() as connection:
            number = catalog.find(connection, clip)
            if number is None:
                affect = checks.check_segments(clip.name, segments, self._dim)
                number = catalog.add(connection, clip, affect, segments)
            else:
                catalog.update(
                    connection, number, name=clip.name, path=clip.path, metadata=clip.metadata, stamp=clip.stamp
                )
            return self._located(catalog.one(connection, number))

    def update(
        self, clip_id: str, *, name: str | None = None, path: str | None = None, metadata: Metadata | None = None
    ) -> Clip:
        """Change what is given of a clip."""
        metadata = None if metadata is None else check_metadata(metadata)
        path = None if path is None else self._stored(path)
        if name is not None:
            check_text(name, "the clip's name")
        with self._database.write() as connection:
            number = catalog.number_of(connection, clip_id)
            catalog.update(connection, number, name=name, path=path, metadata=metadata)
            return self._located(catalog.one(connection, number))

    def delete(self, clip_id: str) -> None:
        """Remove a clip, and its file where that lies in the library."""
        with self._database.write() as connection:
            catalog.delete(connection, catalog.number_of(connection, clip_id))
        for file in self.audio.glob(f"{clip_id}.*"):
            with suppress(OSError):  # `verify` names files that are left behind
                file.unlink()

    def get(self, clip_id: str) -> Clip:
        """Return a clip."""
        with self._database.read() as connection:
            return self._located(catalog.one(connection, catalog.number_of(connection, clip_id)))

    def segments(self, clip_id: str) -> list[EncodedSegment]:
        """Return a clip's segments in order of time."""
        with self._database.read() as connection:
            return catalog.segments_of(connection, catalog.number_of(connection, clip_id))

    def has(self, ids: Iterable[str]) -> set[str]:
        """Return those of `ids` that the library has."""
        with self._database.read() as connection:
            return catalog.present(connection, ids)

    def stamps(self, paths: Sequence[str]) -> dict[str, dict[str, Stamp | None]]:
        """Return the ids and stamps of the clips that have these paths."""
        root = f"{self.path.absolute()}/"
        given = {path.removeprefix(root): path for path in paths}
        found: dict[str, dict[str, Stamp | None]] = {}
        with self._database.read() as connection:
            for path, clip, stamp in catalog.stamps(connection, given):
                found.setdefault(given[path], {})[clip] = stamp
        return found

    def restamp(self, stamps: Mapping[str, Stamp]) -> None:
        """Set the stamps of clips."""
        with self._database.write() as connection:
            catalog.restamp(connection, stamps)

    def together(self) -> AbstractContextManager[None]:
        """Make one transaction of what this thread writes until the block ends."""
        return self._database.together()

    def claim(self, clip_id: str) -> AbstractContextManager[bool]:
        """Ask for the right to make a clip."""
        return claim(self.path, clip_id)

    def clips(self, *, offset: int = 0, limit: int = 100, filter: Filter | None = None) -> list[Clip]:
        """Return the clips that a filter keeps, in the order they were added."""
        checks.check_page(offset, limit)
        with self._database.read() as connection:
            if filter is None:
                found = catalog.page(connection, offset, limit)
            else:
                numbers = self._kept.numbers(connection, filter)[offset : offset + limit]
                found = catalog.some(connection, numbers.tolist())
            return [self._located(clip) for clip in found]

    def state(self) -> str | None:
        """Name the library's last change."""
        with self._database.read() as connection:
            return str(changes.state(connection).sequence)

    def count(self, filter: Filter | None = None) -> Counts:
        """Count the clips that a filter keeps, their segments and their seconds."""
        with self._database.read() as connection:
            return catalog.count(connection, filter)

    def fields(self, among: Iterable[str] | None = None) -> set[str]:
        """Return the names of the metadata fields that clips have: those of `among`, or all."""
        with self._database.read() as connection:
            return facets.fields(connection, among)

    def facets(
        self, fields: Sequence[str] | None = None, *, filter: Filter | None = None, limit: int = 20
    ) -> list[Facet]:
        """Count the clips that a filter keeps by the values of each field."""
        with self._database.read() as connection:
            return facets.count(connection, fields, filter, limit)

    def places(self, filter: Filter | None = None) -> Places:
        """Return where the segments of the clips that a filter keeps lie in the plane."""
        with self._database.read() as connection:
            return scan(connection, None if filter is None else self._kept.numbers(connection, filter))

    def search(
        self,
        vector: npt.NDArray[np.float32],
        *,
        k: int,
        offset: int = 0,
        min_score: float | None = None,
        filter: Filter | None = None,
        region: Region | None = None,
        group_by_clip: bool = True,
        exclude: frozenset[str] = frozenset(),
        embeddings: bool = False,
    ) -> list[Hit]:
        """Return the `k` best hits after the first `offset`."""
        checks.check_search(k, offset, min_score)
        query = checks.unit(vector, self._dim, "the query's vector")
        hits: list[Hit] = []
        for _ in range(_ATTEMPTS):
            vectors = self._following.vectors(located=region is not None)
            with self._database.read() as connection:
                allowed = None if filter is None else self._kept.numbers(connection, filter)
                excluded = catalog.numbers_of(connection, exclude) if exclude else None
            ranked = vectors.search(
                query,
                offset + k,
                allowed=allowed,
                excluded=excluded,
                region=region,
                min_score=min_score,
                by_clip=group_by_clip,
            )
            wanted = ranked.segments[offset:].tolist()
            with self._database.read() as connection:
                found = catalog.found(connection, wanted, embeddings=embeddings)
            hits = [
                self._hit(found[segment], score)
                for segment, score in zip(wanted, ranked.scores[offset:].tolist(), strict=True)
                if segment in found
            ]
            if len(hits) == len(wanted):
                break
            # A clip was deleted between the search and the look into the catalog: search again without it.
        return hits

    def info(self) -> LibraryInfo:
        """Say what the library is."""
        with self._database.read() as connection:
            segmentation = catalog.segmentation(connection)
            counts, valence, arousal = report.summary(connection)
            index = report.index(connection, *self._following.glance(connection))
        return LibraryInfo(
            address=str(self.path),
            kind="local",
            bundle_name=self._properties["bundle_name"],
            bundle_version=self._properties["bundle_version"],
            fingerprint=self.fingerprint,
            dim=self._dim,
            created_at=datetime.fromisoformat(self._properties["created_at"]),
            counts=counts,
            bytes=report.size(self.path),
            valence=valence,
            arousal=arousal,
            index=index,
            segmentation=segmentation,
        )

    def index(self) -> IndexInfo:
        """Say what the library is searched with."""
        with self._database.read() as connection:
            return report.index(connection, *self._following.glance(connection))

    def verify(self, *, audio: bool = False) -> list[Drift]:
        """Check the catalog against itself, snapshot and vectors against it, and the audio files."""
        with self._database.plain() as connection:
            damage = report.damage(connection)
        if damage:
            return damage  # nothing read from a damaged file would mean anything
        with self._following.moment() as (connection, vectors):
            return [
                *report.records(connection),
                *report.embeddings(connection, self._dim),
                *report.snapshot(connection, self._following.snapshot),
                *report.vectors(connection, vectors),
                *report.audio(connection, self.path, self.audio, read=audio),
            ]

    def outgrown(self) -> bool:
        """Say whether so much has changed since the snapshot that compacting pays."""
        with self._database.read() as connection:
            return compaction.worthwhile(connection, self.path, self.fingerprint, self._dim)

    def compact(
        self,
        queries: Floats | None = None,
        *,
        memory: int | None = None,
        recall: float = RECALL,
        progress: Progress | None = None,
    ) -> Compaction:
        """Write a new snapshot of everything, while others search, add and delete."""
        return compaction.compact(
            self.path,
            self._database,
            fingerprint=self.fingerprint,
            dim=self._dim,
            queries=queries,
            budget=memory,
            recall=recall,
            progress=progress,
        )

    def rebuild(
        self,
        queries: Floats | None = None,
        *,
        memory: int | None = None,
        recall: float = RECALL,
        progress: Progress | None = None,
    ) -> Compaction:
        """Derive anew whatever is derived: the catalog's indices and sums, and the snapshot."""
        with self._database.write() as connection:
            catalog.derive(connection)
        return self.compact(queries, memory=memory, recall=recall, progress=progress)

    def backup(self, target: Path, progress: Progress | None = None) -> Backup:
        """Copy the library, as it is at one moment, to a folder that is not there yet."""
        return backup.backup(self.path, self._database, target, progress)

    def close(self) -> None:
        """Let go of the library."""
        self._database.close()

    def __enter__(self) -> Self:
        """Return the store itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def _hit(self, found: catalog.Found, score: float) -> Hit:
        # The codes' rounding can bring the score of a vector with itself a hair over 1.
        score = min(1.0, max(-1.0, score))
        return Hit(self._located(found.clip), found.start, found.end, found.affect, score, found.embedding)

    def _stored(self, path: str) -> str:
        check_text(path, "the clip's path")
        absolute = Path(path).absolute()
        with suppress(ValueError):
            return absolute.relative_to(self.path.absolute()).as_posix()
        return str(absolute)

    def _located(self, clip: Clip) -> Clip:
        return clip if Path(clip.path).is_absolute() else replace(clip, path=str(self.path.absolute() / clip.path))


def _check_header(path: Path, application: int, version: int) -> None:
    if application != catalog.APPLICATION:
        raise LibraryInvalid(
            f"{path / CATALOG} is not the catalog of a library (or making it was interrupted). {_advice(path)}"
        )
    if version > catalog.SCHEMA_VERSION:
        raise LibraryNewer(
            f"the library {path} has format {version}; this version of emotionrank reads up to "
            f"{catalog.SCHEMA_VERSION}. Upgrade emotionrank to use it."
        )


def _advice(path: Path) -> str:
    return f"Make one with: emotionrank index build SOURCE... --library {path}"
