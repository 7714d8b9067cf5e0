"""The Milvus store: `index.store.Store` over a Milvus server. See `index.milvus` for how a library lies there."""

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from encoders.bundle import Bundle
from encoders.encoder import EncodedSegment
from index import checks, facets
from index.errors import LibraryError, LibraryNotFound
from index.facets import Facet
from index.filters import Filter
from index.milvus import checking, listing, reading, schema
from index.milvus.connection import Address, Connection, connect
from index.milvus.expressions import compile_filter, of_segments
from index.milvus.rows import CLIP, read_clip
from index.milvus.scan import scan
from index.milvus.searching import Search
from index.milvus.writing import Writer
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
)
from index.region import Region
from index.store import Progress


class MilvusStore:
    """A library in Milvus, open; see `index.store.Store` for what the methods promise.

    Made by `create` and `open`. Milvus keeps no audio files: a clip's path leads wherever it was given.
    """

    def __init__(self, connection: Connection, properties: dict[str, str], *, read_only: bool) -> None:
        self.address = connection.address
        self._connection = connection
        self._properties = properties
        self._dim = int(properties["dim"])
        self._writer = Writer(connection, self._dim, read_only=read_only)

    @classmethod
    def create(cls, address: Address, bundle: Bundle) -> Self:
        """Open the library at `address`, made first where there is none. Raises as `open`."""
        connection = connect(address)
        try:
            schema.create(connection, checks.properties(bundle))
            return cls._opened(connection, bundle, read_only=False)
        except BaseException:
            connection.close()
            raise

    @classmethod
    def open(cls, address: Address, bundle: Bundle | None, *, read_only: bool = False) -> Self:
        """Open the library at `address`; `bundle` None is for looking at it only, whatever bundle made it.

        Raises LibraryNotFound, LibraryInvalid, LibraryNewer, LibraryMismatch, LibraryAway.
        """
        connection = connect(address)
        try:
            if not schema.exists(connection):
                raise LibraryNotFound(
                    f"there is no library at {address}. Make one with: emotionrank index build SOURCE... --library "
                    f"{address}"
                )
            return cls._opened(connection, bundle, read_only=read_only)
        except BaseException:
            connection.close()
            raise

    @classmethod
    def _opened(cls, connection: Connection, bundle: Bundle | None, *, read_only: bool) -> Self:
        properties = schema.properties(connection)
        checks.check_bundle(str(connection.address), properties, bundle)
        schema.load(connection, connection.address.segments)
        return cls(connection, properties, read_only=read_only)

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the bundle that made the library's embeddings."""
        return self._properties["fingerprint"]

    def add(self, clip: NewClip, segments: Sequence[EncodedSegment]) -> Clip:
        """Add a clip with its segments, or update the one of the same content."""
        return self._writer.add(clip, segments)

    def update(
        self, clip_id: str, *, name: str | None = None, path: str | None = None, metadata: Metadata | None = None
    ) -> Clip:
        """Change what is given of a clip."""
        return self._writer.update(clip_id, name=name, path=path, metadata=metadata)

    def delete(self, clip_id: str) -> None:
        """Remove a clip."""
        self._writer.delete(clip_id)

    def get(self, clip_id: str) -> Clip:
        """Return a clip."""
        return reading.clip(self._connection, clip_id).clip

    def segments(self, clip_id: str) -> list[EncodedSegment]:
        """Return a clip's segments in order of time."""
        return reading.whole(self._connection, clip_id)[1]

    def has(self, ids: Iterable[str]) -> set[str]:
        """Return those of `ids` that the library has."""
        return reading.has(self._connection, ids)

    def stamps(self, paths: Sequence[str]) -> dict[str, dict[str, Stamp | None]]:
        """Return the clips whose path is one of `paths`, and their stamps."""
        return reading.stamps(self._connection, paths)

    def restamp(self, stamps: Mapping[str, Stamp]) -> None:
        """Set the stamps of clips; of more than some hundred, each portion is set whole or not at all."""
        self._writer.restamp(stamps)

    def together(self) -> AbstractContextManager[None]:
        """Change nothing: each write is sent by itself."""
        return nullcontext()

    def claim(self, clip_id: str) -> AbstractContextManager[bool]:
        """Grant the right to make a clip: Milvus has nothing that could be held, and let go of in a crash."""
        return nullcontext(True)

    def clips(self, *, offset: int = 0, limit: int = 100, filter: Filter | None = None) -> list[Clip]:
        """Return the clips that a filter keeps, in the order they were added."""
        checks.check_page(offset, limit)
        return [stored.clip for stored in listing.page(self._connection, compile_filter(filter), offset, limit)]

    def state(self) -> str | None:
        """Tell nothing: Milvus numbers no changes."""
        return None

    def count(self, filter: Filter | None = None) -> Counts:
        """Count the clips that a filter keeps, their segments and their seconds."""
        return reading.count(self._connection, compile_filter(filter))

    def fields(self, among: Iterable[str] | None = None) -> set[str]:
        """Return the names of the metadata fields that clips have: those of `among`, or all."""
        return reading.fields(self._connection, among)

    def facets(
        self, fields: Sequence[str] | None = None, *, filter: Filter | None = None, limit: int = 20
    ) -> list[Facet]:
        """Count the clips that a filter keeps by the values of each field: all of them are fetched."""
        rows = self._connection.every(self.address.clips, compile_filter(filter), CLIP)
        return facets.count((read_clip(row).clip for row in rows), fields, limit)

    def places(self, filter: Filter | None = None) -> Places:
        """Return where the segments of the clips that a filter keeps lie in the plane."""
        return scan(self._connection, compile_filter(filter), of_segments(filter, None, ()))

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
        search = Search(self._connection, query, of_segments(filter, region, exclude), group_by_clip, min_score)
        hits = search.run(offset + k)[offset:]
        return hits if embeddings else [replace(hit, embedding=None) for hit in hits]

    def info(self) -> LibraryInfo:
        """Say what the library is."""
        return LibraryInfo(
            address=str(self.address),
            kind="milvus",
            bundle_name=self._properties["bundle_name"],
            bundle_version=self._properties["bundle_version"],
            fingerprint=self.fingerprint,
            dim=self._dim,
            created_at=datetime.fromisoformat(self._properties["created_at"]),
            counts=self.count(),
            bytes=None,
            valence=checking.histogram(self._connection, "valence"),
            arousal=checking.histogram(self._connection, "arousal"),
            index=self.index(),
            segmentation=reading.ways(self._connection),
        )

    def index(self) -> IndexInfo:
        """Say what the library is searched with."""
        return IndexInfo(
            kind="hnsw",
            parameters=schema.HNSW,
            reason="Milvus keeps the vectors and their index itself, in the memory of its query nodes",
            recall=None,
            latency_ms=None,
            memory={},
            made_at=None,
            changes=None,
            tail=None,
            problem=None,
        )

    def verify(self, *, audio: bool = False) -> list[Drift]:
        """Check that every clip has just its segments, that their embeddings are sound, and its audio is there."""
        return checking.verify(self._connection, audio=audio)

    def outgrown(self) -> bool:
        """Say that compacting does not pay: Milvus does it by itself."""
        return False

    def compact(
        self,
        queries: npt.NDArray[np.float32] | None = None,
        *,
        memory: int | None = None,
        recall: float = 0.95,
        progress: Progress | None = None,
    ) -> Compaction:
        """Remove what killed processes left behind, and ask Milvus to compact. `changes` is how much was removed."""
        started = time.monotonic()
        removed = self._writer.sweep()
        self._connection.compact(self.address.segments)
        counts = self.count()
        return Compaction(
            segments=counts.segments,
            clips=counts.clips,
            changes=removed,
            kind="hnsw",
            parameters=schema.HNSW,
            reason="Milvus compacts and indexes by itself; removed were segments that no clip has",
            recall=None,
            latency_ms=None,
            bytes=None,
            seconds=time.monotonic() - started,
        )

    def rebuild(
        self,
        queries: npt.NDArray[np.float32] | None = None,
        *,
        memory: int | None = None,
        recall: float = 0.95,
        progress: Progress | None = None,
    ) -> Compaction:
        """Write anew the segments of clips that are searched with other metadata than they have, and compact."""
        self._writer.repair()
        return self.compact()

    def backup(self, target: Path, progress: Progress | None = None) -> Backup:
        """Refuse: a library in Milvus is backed up by Milvus' own tools, or copied."""
        raise LibraryError(
            f"the library {self.address} lies in Milvus, which has its own backups. To copy it to a folder: "
            f"emotionrank index copy {self.address} {target}"
        )

    def close(self) -> None:
        """Let go of the library."""
        self._connection.close()

    def __enter__(self) -> Self:
        """Return the store itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()
