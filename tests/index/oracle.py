"""A library in plain Python: what every store must answer, written without any code of the stores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from encoders.affect import Affect
from encoders.encoder import EncodedSegment
from index.records import Clip, Counts, Metadata, NewClip
from index.region import Region
from tests.index import making
from tests.index.test_filters import keeps
from tests.index.test_region import lies_in

Clause = Mapping[str, Any]


@dataclass
class Oracle:
    """Holds clips in the order they were added. `added_at` is not the library's: compare without it."""

    held: dict[str, tuple[Clip, list[EncodedSegment]]] = field(default_factory=dict)

    def add(self, new: NewClip, segments: Sequence[EncodedSegment]) -> None:
        """Add a clip, or update the one of the same content."""
        if new.id in self.held:
            clip, kept = self.held[new.id]
            clip = replace(clip, name=new.name, path=new.path, stamp=new.stamp)
            self.held[new.id] = clip, kept
            if new.metadata is not None:
                self.update(new.id, metadata=new.metadata)
            return
        affect = Affect(*np.mean([segment.affect for segment in segments], axis=0).tolist())
        clip = Clip(
            id=new.id,
            name=new.name,
            path=new.path,
            sha256=new.sha256,
            duration=new.duration,
            added_at=datetime.now(UTC),
            metadata=dict(new.metadata or {}),
            affect=affect,
            segments=len(segments),
            stamp=new.stamp,
        )
        self.held[new.id] = clip, list(segments)

    def update(self, clip: str, **changes: Any) -> None:
        """Change the clip."""
        old, segments = self.held[clip]
        if "metadata" in changes:
            changes["metadata"] = dict(changes["metadata"])
        if "path" in changes:
            changes["stamp"] = None
        self.held[clip] = replace(old, **changes), segments

    def delete(self, clip: str) -> None:
        """Remove the clip."""
        del self.held[clip]

    def clips(self, clause: Clause) -> list[Clip]:
        """Return the clips that a filter keeps, in the order they were added."""
        return [clip for clip, _ in self.held.values() if keeps(clause, clip)]

    def count(self, clause: Clause) -> Counts:
        """Count what a filter keeps."""
        kept = self.clips(clause)
        return Counts(len(kept), sum(clip.segments for clip in kept), sum(clip.duration for clip in kept))

    def scan(
        self,
        query: making.Vectors,
        clause: Clause,
        *,
        by_clip: bool,
        exclude: frozenset[str],
        region: Region | None = None,
    ) -> making.Scan:
        """Return (clip, start, score) of everything that a search may find, best first."""
        direction = making.normal(query).astype(np.float64)
        found = sorted(
            (-float(np.float32(segment.embedding.astype(np.float64) @ direction)), clip.id, segment.start)
            for clip, segments in self.held.values()
            if clip.id not in exclude and keeps(clause, clip)
            for segment in segments
            if region is None or lies_in(region, segment.affect)
        )
        if by_clip:
            best: dict[str, tuple[float, str, float]] = {}
            for entry in found:
                best.setdefault(entry[1], entry)
            found = list(best.values())
        return [(clip, start, -score) for score, clip, start in found]


def plain(clip: Clip) -> dict[str, Any]:
    """Return what is to be compared of a clip: all but when it was added, its metadata with their types."""
    typed: Metadata = {key: clip.metadata[key] for key in sorted(clip.metadata)}
    return {
        name: getattr(clip, name)
        for name in ("id", "name", "path", "sha256", "duration", "affect", "segments", "stamp")
    } | {"metadata": repr(typed)}
