"""Writes to a library in Milvus, each of them whole or not at all: see `index.milvus` for how."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from encoders.encoder import EncodedSegment
from index import checks
from index.errors import ClipNotFound, LibraryError, LibraryReadOnly
from index.milvus import checking, encoding, reading, rows
from index.milvus.connection import Connection, Row
from index.milvus.rows import Stored
from index.records import Clip, Metadata, NewClip, Stamp, check_metadata, check_text


class Writer:
    """Writes through a connection. May be used by any number of threads; they take turns."""

    def __init__(self, connection: Connection, dim: int, *, read_only: bool) -> None:
        self._connection = connection
        self._clips, self._segments = connection.address.clips, connection.address.segments
        self._dim = dim
        self._read_only = read_only
        self._turn = threading.Lock()
        self._last_added = 0
        self._ways: set[str] = set()  # ways of cutting that the library is known to know

    def add(self, clip: NewClip, segments: Sequence[EncodedSegment]) -> Clip:
        """Add a clip with its segments, or update the one of the same content."""
        checks.check_clip(clip)
        clip = replace(clip, path=str(Path(clip.path).absolute()))
        with self._changing():
            if self._found(clip) is None:
                added = self._added(clip, segments)
                if added is not None:
                    return added
            return self._changed(clip.id, name=clip.name, path=clip.path, metadata=clip.metadata, stamp=clip.stamp)

    def update(self, clip_id: str, *, name: str | None, path: str | None, metadata: Metadata | None) -> Clip:
        """Change what is given of a clip."""
        metadata = None if metadata is None else check_metadata(metadata)
        if name is not None:
            check_text(name, "the clip's name")
        if path is not None:
            path = str(Path(check_text(path, "the clip's path")).absolute())
        with self._changing():
            return self._changed(clip_id, name=name, path=path, metadata=metadata)

    def delete(self, clip_id: str) -> None:
        """Remove a clip."""
        with self._changing():
            stored = reading.clip(self._connection, clip_id)
            self._connection.delete(self._clips, [clip_id, rows.stamp_id(clip_id)])
            self._remove_segments(stored)

    def restamp(self, stamps: Mapping[str, Stamp]) -> None:
        """Set the stamps of clips; those of more than some hundred are set in portions."""
        with self._changing():
            there = self._connection.by_id(self._clips, [*reading.has(self._connection, stamps)], ("id", "path"))
            self._connection.write(
                self._clips, [rows.stamp_row(row["id"], row["path"], stamps[row["id"]]) for row in there]
            )

    def sweep(self) -> int:
        """Remove segments that no clip has; see `checking.left_behind`. Return how many there were."""
        with self._changing():
            ids = [row["id"] for row in checking.left_behind(self._connection)]
            self._connection.delete(self._segments, ids)
            return len(ids)

    def repair(self) -> int:
        """Write anew the segments whose filter columns are not their clip's. Return of how many clips."""
        drifted = [stored.clip.id for stored in checking.drifted(self._connection)]
        for clip in drifted:
            with self._changing(), suppress(ClipNotFound):
                self._replaced(clip, lambda clip: clip)
        return len(drifted)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        if self._read_only:
            raise LibraryReadOnly(f"the library {self._connection.address} was opened for reading only.")
        with self._turn:
            yield

    def _found(self, clip: NewClip) -> Stored | None:
        there = reading.clips(self._connection, [clip.id]).get(clip.id)
        if there is not None and there.clip.sha256 != clip.sha256:
            raise checks.clip_conflict(clip)
        return there

    def _added(self, new: NewClip, segments: Sequence[EncodedSegment]) -> Clip | None:
        """Add a clip that is not there, and return it; None where another process was faster."""
        clip = Clip(
            id=new.id,
            name=new.name,
            path=new.path,
            sha256=new.sha256,
            duration=float(new.duration),
            added_at=encoding.moment(self._now()),
            metadata=dict(new.metadata or {}),
            affect=checks.check_segments(new.name, segments, self._dim),
            segments=len(segments),
            stamp=new.stamp,
        )
        stored = Stored(clip, rows.new_edition())
        row = rows.clip_row(stored)  # what does not fit is refused before anything is written
        self._learn_way(new.segmentation)
        self._write_segments(stored, segments)
        if self._found(new) is not None:
            self._remove_segments(stored)
            return None
        self._commit(row, clip.stamp)
        return clip

    def _changed(
        self,
        clip_id: str,
        *,
        name: str | None,
        path: str | None,
        metadata: Metadata | None,
        stamp: Stamp | None = None,
    ) -> Clip:
        """Give a clip what is not None of these, and return it; a new path has just the stamp that comes with it."""

        def changed(clip: Clip) -> Clip:
            return replace(
                clip,
                name=clip.name if name is None else name,
                path=clip.path if path is None else path,
                metadata=clip.metadata if metadata is None else dict(metadata),
                stamp=clip.stamp if path is None else stamp,
            )

        old = reading.clip(self._connection, clip_id)
        clip = changed(old.clip)
        if path is not None and stamp is None and old.clip.stamp is not None:
            self._connection.delete(self._clips, [rows.stamp_id(clip_id)])
        if rows.clip_row(replace(old, clip=clip)) == rows.clip_row(old):
            if clip.stamp is not None and clip.stamp != old.clip.stamp:
                self._connection.write(self._clips, [rows.stamp_row(clip_id, rows.path_key(clip), clip.stamp)])
            return clip
        return self._replaced(clip_id, changed)

    def _replaced(self, clip_id: str, changed: Callable[[Clip], Clip]) -> Clip:
        """Write a clip anew, changed, in a new edition, even for what no filter looks at.

        For another process may be replacing the old one; only its own rows can be sure to stay.
        """
        old, segments = reading.whole(self._connection, clip_id)
        new = Stored(changed(old.clip), rows.new_edition())
        row = rows.clip_row(new)
        self._write_segments(new, segments)
        self._commit(row, new.clip.stamp)
        self._remove_segments(old)
        return new.clip

    def _commit(self, row: Row, stamp: Stamp | None) -> None:
        # Whether a commit that fails has happened cannot be known: its segments stay.
        stamps = [] if stamp is None else [rows.stamp_row(row["id"], row["path"], stamp)]
        self._connection.write(self._clips, [*stamps, row])

    def _write_segments(self, stored: Stored, segments: Sequence[EncodedSegment]) -> None:
        try:
            self._connection.write(self._segments, list(rows.segment_rows(stored, segments)))
        except BaseException:
            self._remove_segments(stored)
            raise

    def _remove_segments(self, stored: Stored) -> None:
        """Remove segments that no clip names; where that fails they stay invisible, and `sweep` removes them."""
        with suppress(LibraryError):
            self._connection.delete(self._segments, rows.segment_ids(stored))

    def _learn_way(self, way: str) -> None:
        if way in self._ways:
            return
        self._ways.update(reading.ways(self._connection))
        if way not in self._ways:
            self._connection.write(self._clips, [rows.way_row(way)])
            self._ways.add(way)

    def _now(self) -> int:
        """Return the microseconds since 1970, later with each call: clips keep the order of adding."""
        self._last_added = max(self._last_added + 1, encoding.microseconds(datetime.now(UTC)))
        return self._last_added
