"""Vector search over a local library's segments, with FAISS.

What is searched is derived from the catalog: the segments of a snapshot (mapped from its file), and behind them in
memory the tail, those added since. Filters and grouping happen inside the search, so that the caller gets as many
results as there are.

Results come in one order only: by score, and where scores are equal by clip id and then by start. Scores are always
those of the stored embeddings, to the last bit the same whether a snapshot, its index or the tail was asked.

Any number of threads may search while one adds or removes: a search sees the segments as they were when it began.
Each search runs on the thread that asks for it and starts no others: FAISS' own threads make concurrent queries
slower, not faster.
"""

import threading
from dataclasses import dataclass, replace
from typing import Literal

import faiss
import numpy as np
import numpy.typing as npt

from index.local.catalog import Rows
from index.local.codes import Codes, Floats, Ints, Mask
from index.local.part import Part, Top, in_order
from index.local.snapshot import Snapshot
from index.region import Region

_COMPACT_FROM = 1024  # removed rows that are worth making room for
_FIRST = 24  # results to ask a part for at least: asking for a few more costs little


@dataclass(frozen=True, slots=True)
class Ranked:
    """Results, best first: row numbers of segments in the catalog, and their cosines."""

    segments: Ints
    scores: Floats


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes that searching takes.

    `mapped` are a snapshot's codes: pages of a file, in memory as far as they were looked at and the system has room.
    """

    mapped: int
    index: int
    columns: int
    tail: int

    @property
    def total(self) -> int:
        """All of them, with every mapped page in memory."""
        return self.mapped + self.index + self.columns + self.tail


class Vectors:
    """The segments' embeddings, `dim` values each: a snapshot's, and those that are added."""

    def __init__(self, dim: int, snapshot: Snapshot | None = None) -> None:
        self.dim = dim
        self.snapshot = snapshot
        self._changing = threading.Lock()
        main = Part.empty(dim) if snapshot is None else Part.of(snapshot)
        self._last = 0 if snapshot is None else snapshot.manifest.last_segment
        self._parts = main, Part.empty(dim)

    def __len__(self) -> int:
        return sum(part.count for part in self._parts)

    @property
    def last_segment(self) -> int:
        """The highest row number of a segment that was ever added, 0 before the first."""
        return self._last

    @property
    def kind(self) -> Literal["exact", "ivf"]:
        """The kind of index that the snapshot's segments are searched with."""
        return "exact" if self.snapshot is None else self.snapshot.manifest.kind

    @property
    def memory(self) -> Memory:
        """What searching takes."""
        main, tail = self._parts
        index = 0 if main.approximate is None else main.approximate.memory
        return Memory(main.scan.codes.nbytes, index, main.bytes, tail.scan.codes.nbytes + tail.bytes)

    @property
    def located(self) -> bool:
        """Whether it is known of all segments where they lie in the plane, so that a region may be asked for."""
        return self._parts[0].affect is not None

    @property
    def tail(self) -> int:
        """How many segments there are that the snapshot has not."""
        return self._parts[1].count

    @property
    def removed(self) -> int:
        """How many of the snapshot's segments are not there any more."""
        main = self._parts[0]
        return len(main.segments) - main.count

    def add(self, rows: Rows) -> None:
        """Add segments; their row numbers are all over `last_segment`, and ascend, as their clips' do."""
        if not len(rows.segments):
            return
        with self._changing:
            main, tail = self._parts
            self._parts = main, tail.added(rows)
            self._last = int(rows.segments[-1])

    def remove(self, clips: Ints) -> None:
        """Remove the segments of these clips; they vanish at once, their memory is freed in large portions."""
        if not len(clips):
            return
        with self._changing:
            main, tail = (part.without(clips) for part in self._parts)
            dead = len(tail.segments) - tail.count
            if dead >= _COMPACT_FROM and 4 * dead > len(tail.segments):
                tail = tail.compacted()
            self._parts = main, tail

    def locate(self, segments: Ints, affect: Floats) -> None:
        """Say where the snapshot's segments lie: row numbers, ascending, and affect [n, 2]. The dead may be missing."""
        with self._changing:
            main, tail = self._parts
            known = np.full((len(main.segments), 2), np.nan, np.float32)  # which lies in no region
            _, places, given = np.intersect1d(main.segments, segments, assume_unique=True, return_indices=True)
            known[places] = affect[given]
            self._parts = replace(main, affect=known), tail

    def search(
        self,
        query: Floats,
        count: int,
        *,
        allowed: Ints | None = None,
        excluded: Ints | None = None,
        region: Region | None = None,
        min_score: float | None = None,
        by_clip: bool = False,
    ) -> Ranked:
        """Return the `count` best segments, fewer only where there are no more.

        `query` is a unit vector, float32 [dim]; it must be finite. `allowed` and `excluded` are row numbers of
        clips. With a `region`, which needs `located`, only segments that lie in it are returned. With `by_clip`, each
        clip is there once, with its best segment.
        """
        # FAISS' thread count belongs to the calling thread, so it has to be set in each.
        faiss.omp_set_num_threads(1)
        parts = self._parts
        all_in_main = (
            allowed is None and region is None and not parts[1].count and (excluded is None or not len(excluded))
        )
        if all_in_main and (first := parts[0].first(query, count, by_clip=by_clip)):
            rows, scores = first
            kept = count if min_score is None else int(np.count_nonzero(scores >= min_score))
            return Ranked(parts[0].segments[rows[:kept]], scores[:kept])
        wanted = [_wanted(part, allowed, excluded) for part in parts]
        within = [None if region is None else part.within(region) for part in parts]
        found = _Found.none()
        ask = max(_FIRST, count + 1)
        while len(found.scores) < count:
            tops = [
                part.top(query, ask, mask, rows, results=count)
                for part, mask, rows in zip(parts, wanted, within, strict=True)
            ]
            exhausted = all(top.complete for top in tops)
            # Rows that score no more than a part's last may have been left out, and it is not for FAISS to say
            # which of them come first: they are left to the next round.
            floor = max((float(top.scores[-1]) for top in tops if not top.complete), default=-np.inf)
            if min_score is not None and floor < min_score:
                exhausted, floor = True, -np.inf
            more = _Found.of(parts, [top if exhausted else _above(top, floor) for top in tops]).ordered()
            ask *= 4
            if by_clip:
                more = more.first_of_each_clip()
                # A round that looks harder may find what the one before missed, and should have come first.
                found = found.followed_by(more).ordered() if len(found.scores) else more
                if not exhausted and len(found.scores) < count:
                    wanted = [_without(part, mask, more.clips) for part, mask in zip(parts, wanted, strict=True)]
            else:
                found = more
            if exhausted:
                break
        if min_score is not None:
            count = min(count, int(np.count_nonzero(found.scores >= min_score)))
        return Ranked(found.segments[:count], found.scores[:count])

    def segments(self) -> Ints:
        """Return the row numbers of all segments, in order."""
        return np.concatenate([part.segments[part.mask(part.alive)] for part in self._parts])

    def codes(self, segments: Ints) -> Codes:
        """Return the embeddings [n, dim] of segments that are all there."""
        main, tail = self._parts
        result = np.empty((len(segments), self.dim), np.float16)
        last = main.segments[-1] if len(main.segments) else 0
        for part, chosen in ((main, segments <= last), (tail, segments > last)):
            result[chosen] = part.scan.codes[np.searchsorted(part.segments, segments[chosen])]
        return result


@dataclass(frozen=True, slots=True)
class _Found:
    """Segments that were found, one a place of each array."""

    segments: Ints
    clips: Ints
    ids: npt.NDArray[np.uint64]
    starts: npt.NDArray[np.float64]
    scores: Floats

    @classmethod
    def none(cls) -> "_Found":
        ints = np.empty(0, np.int64)
        return cls(ints, ints, np.empty(0, np.uint64), np.empty(0, np.float64), np.empty(0, np.float32))

    @classmethod
    def of(cls, parts: tuple[Part, ...], tops: list[Top]) -> "_Found":
        found = cls.none()
        for part, top in zip(parts, tops, strict=True):
            if len(top.rows):
                clips = part.clip_of(top.rows)
                found = found.followed_by(
                    cls(part.segments[top.rows], part.clips[clips], part.ids[clips], part.starts[top.rows], top.scores)
                )
        return found

    def ordered(self) -> "_Found":
        return self._at(in_order(self.scores, self.ids, self.starts))

    def first_of_each_clip(self) -> "_Found":
        _, first = np.unique(self.clips, return_index=True)
        return self._at(np.sort(first))

    def followed_by(self, other: "_Found") -> "_Found":
        if not len(self.scores):
            return other
        return _Found(
            np.concatenate([self.segments, other.segments]),
            np.concatenate([self.clips, other.clips]),
            np.concatenate([self.ids, other.ids]),
            np.concatenate([self.starts, other.starts]),
            np.concatenate([self.scores, other.scores]),
        )

    def _at(self, places: Ints) -> "_Found":
        return _Found(
            self.segments[places], self.clips[places], self.ids[places], self.starts[places], self.scores[places]
        )


def _above(top: Top, floor: float) -> Top:
    keep = top.scores > floor
    return top._replace(rows=top.rows[keep], scores=top.scores[keep])


def _wanted(part: Part, allowed: Ints | None, excluded: Ints | None) -> Mask | None:
    mask = None if allowed is None else part.among(allowed)
    return mask if excluded is None or not len(excluded) else _without(part, mask, excluded)


def _without(part: Part, mask: Mask | None, clips: Ints) -> Mask:
    others = ~part.among(clips)
    return others if mask is None else mask & others
