"""The Milvus store: `index.store.Store` over a Milvus server. See `index.milvus` for how a library lies there."""

import math
import re
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from encoders.bundle import Bundle
from encoders.encoder import EncodedSegment
from index import checks
from index.errors import LibraryError, LibraryInvalid, LibraryNotFound, LibraryReadOnly
from index.filters import Filter
from index.milvus import checking, encoding, listing, rows, schema
from index.milvus.connection import Address, Connection, connect
from index.milvus.expressions import compile_filter, one_of
from index.milvus.searching import Search
from index.records import Clip, Counts, Drift, Hit, LibraryInfo, Metadata, NewClip, check_metadata, check_text


class MilvusStore:
    """A library in Milvus, open; see `index.store.Store` for what the methods promise.

    Made by `create` and `open`. A clip's path is kept as it is given: Milvus has no folder for audio files.
    """

    def __init__(self, connection: Connection, properties: dict[str, str], *, read_only: bool) -> None:
        self.address = connection.address
        self._connection = connection
        self._properties = properties
        self._dim = int(properties["dim"])
        self._read_only = read_only
        self._writing = threading.Lock()  # reading a clip and writing it anew must not be interleaved here
        self._last_added = 0

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
        schema.load(connection, connection.address.segments)
        schema.load(connection, connection.address.clips)
        properties = schema.properties(connection)
        checks.check_bundle(str(connection.address), properties, bundle)
        return cls(connection, properties, read_only=read_only)

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the bundle that made the library's embeddings."""
        return self._properties["fingerprint"]

    def add(self, clip: NewClip, segments: Sequence[EncodedSegment]) -> Clip:
        """Add a clip with its segments, or update the one of the same content."""
        checks.check_clip(clip)
        with self._changing():
            there = self._found(clip)
            if there is None:
                affect = checks.check_segments(clip.name, segments, self._dim)
                added = Clip(
                    id=clip.id,
                    name=clip.name,
                    path=clip.path,
                    sha256=clip.sha256,
                    duration=float(clip.duration),
                    added_at=encoding.moment(self._now()),
                    metadata=check_metadata(clip.metadata or {}),
                    affect=affect,
                    segments=len(segments),
                )
                new = rows.Stored(added, rows.new_edition())
                rows.clip_row(new)  # what does not fit is refused before anything is written
                self._write_segments(new, segments)
                there = self._found(clip)  # another process may have been faster
                if there is None:
                    self._commit(new)
                    return added
                self._remove_segments(new)
            return self._changed(clip.id, name=clip.name, path=clip.path, metadata=clip.metadata)

    def update(
        self, clip_id: str, *, name: str | None = None, path: str | None = None, metadata: Metadata | None = None
    ) -> Clip:
        """Change what is given of a clip."""
        metadata = None if metadata is None else check_metadata(metadata)
        for text, what in ((name, "the clip's name"), (path, "the clip's path")):
            if text is not None:
                check_text(text, what)
        with self._changing():
            return self._changed(clip_id, name=name, path=path, metadata=metadata)

    def delete(self, clip_id: str) -> None:
        """Remove a clip."""
        with self._changing():
            stored = self._one(clip_id)
            self._connection.delete(self.address.clips, [clip_id])
            self._remove_segments(stored)

    def get(self, clip_id: str) -> Clip:
        """Return a clip."""
        return self._one(clip_id).clip

    def segments(self, clip_id: str) -> list[EncodedSegment]:
        """Return a clip's segments in order of time."""
        return self._whole(clip_id)[1]

    def has(self, ids: Iterable[str]) -> set[str]:
        """Return those of `ids` that the library has."""
        wanted = [clip for clip in ids if _is_id(clip)]
        return {row["id"] for row in self._connection.by_id(self.address.clips, wanted, ["id"])}

    def clips(self, *, offset: int = 0, limit: int = 100, filter: Filter | None = None) -> list[Clip]:
        """Return the clips that a filter keeps, in the order they were added."""
        checks.check_page(offset, limit)
        return [stored.clip for stored in listing.page(self._connection, compile_filter(filter), offset, limit)]

    def count(self, filter: Filter | None = None) -> Counts:
        """Count the clips that a filter keeps, their segments and their seconds."""
        found = self._connection.every(self.address.clips, compile_filter(filter), ("segments", "duration"))
        each = [(row["segments"], row["duration"]) for row in found]
        return Counts(len(each), sum(segments for segments, _ in each), math.fsum(seconds for _, seconds in each))

    def search(
        self,
        vector: npt.NDArray[np.float32],
        *,
        k: int,
        offset: int = 0,
        min_score: float | None = None,
        filter: Filter | None = None,
        group_by_clip: bool = True,
        exclude: frozenset[str] = frozenset(),
    ) -> list[Hit]:
        """Return the `k` best hits after the first `offset`."""
        checks.check_search(k, offset, min_score)
        query = checks.unit(vector, self._dim, "the query's vector")
        condition = compile_filter(filter)
        if excluded := sorted(clip for clip in exclude if _is_id(clip)):
            condition += f" and {one_of('clip', excluded, wanted=False)}"
        search = Search(self._connection, query, condition, group_by_clip, min_score, self._stored)
        return search.run(offset + k)[offset:]

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
            bytes=0,
            valence=checking.histogram(self._connection, "valence"),
            arousal=checking.histogram(self._connection, "arousal"),
        )

    def verify(self) -> list[Drift]:
        """Check that every clip has just its segments, that their embeddings are sound, and its audio is there."""
        return checking.verify(self._connection)

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

    @contextmanager
    def _changing(self) -> Iterator[None]:
        if self._read_only:
            raise LibraryReadOnly(f"the library {self.address} was opened for reading only.")
        with self._writing:
            yield

    def _changed(self, clip_id: str, *, name: str | None, path: str | None, metadata: Metadata | None) -> Clip:
        """Give a clip what is not None of these, and return it."""
        old, segments = self._whole(clip_id)
        clip = replace(
            old.clip,
            name=old.clip.name if name is None else name,
            path=old.clip.path if path is None else path,
            metadata=old.clip.metadata if metadata is None else dict(metadata),
        )
        if rows.clip_row(replace(old, clip=clip)) == rows.clip_row(old):
            return old.clip
        # A new edition even for what no filter looks at: another process may be replacing the old one.
        new = rows.Stored(clip, rows.new_edition())
        self._write_segments(new, segments)
        self._commit(new)
        self._remove_segments(old)
        return clip

    def _write_segments(self, stored: rows.Stored, segments: Sequence[EncodedSegment]) -> None:
        try:
            self._connection.write(self.address.segments, list(rows.segment_rows(stored, segments)))
        except BaseException:
            self._remove_segments(stored)
            raise

    def _commit(self, stored: rows.Stored) -> None:
        # Whether a commit that fails has happened cannot be known: its segments stay.
        self._connection.write(self.address.clips, [rows.clip_row(stored)])

    def _remove_segments(self, stored: rows.Stored) -> None:
        """Remove segments that no clip names; where that fails they stay invisible, and `compact` removes them."""
        with suppress(LibraryError):
            self._connection.delete(self.address.segments, rows.segment_ids(stored))

    def _found(self, clip: NewClip) -> rows.Stored | None:
        there = self._stored([clip.id]).get(clip.id)
        if there is not None and there.clip.sha256 != clip.sha256:
            raise checks.clip_conflict(clip)
        return there

    def _one(self, clip_id: str) -> rows.Stored:
        there = self._stored([clip_id]).get(clip_id) if _is_id(clip_id) else None
        if there is None:
            raise checks.clip_not_found(clip_id)
        return there

    def _stored(self, ids: Sequence[str]) -> dict[str, rows.Stored]:
        return {row["id"]: rows.read_clip(row) for row in self._connection.by_id(self.address.clips, ids, rows.CLIP)}

    def _whole(self, clip_id: str) -> tuple[rows.Stored, list[EncodedSegment]]:
        """Return a clip and its segments, of one edition."""
        while True:
            stored = self._one(clip_id)
            found = self._connection.by_id(self.address.segments, rows.segment_ids(stored), rows.SEGMENT)
            segments = rows.read_segments(found)
            if len(segments) == stored.clip.segments:
                return stored, segments
            if self._one(clip_id).edition == stored.edition:  # not just replaced by another process
                raise LibraryInvalid(
                    f"the library {self.address} is damaged: of the clip {clip_id}, {len(segments)} of "
                    f"{stored.clip.segments} segments are there. Delete the clip and add it again."
                )

    def _now(self) -> int:
        """Return the microseconds since 1970, later with each call: clips keep the order of adding."""
        self._last_added = max(self._last_added + 1, encoding.microseconds(datetime.now(UTC)))
        return self._last_added


def _is_id(clip: str) -> bool:
    return re.fullmatch("[0-9a-f]{16}", clip) is not None
