"""Vector search over a local library's segments: exact inner product, with FAISS.

What is searched is derived from the catalog and lives in memory: the embeddings as the float16 codes that the
catalog stores (against float32: half the memory, 0.6 of the time, and no further loss), and for each a clip,
so that filters and grouping happen inside the search and the caller gets as many results as there are.

Results come in one order only: by score, and where scores are equal by clip id and then by start. The first
`n` results therefore do not depend on how many more are asked for, which is what paging needs.

Any number of threads may search while one adds or removes. Each search runs on the thread that asks for it
and starts no others: FAISS' own threads make concurrent queries slower, not faster.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import faiss
import numpy as np
import numpy.typing as npt

from index.local.catalog import Ints, Rows

Mask = npt.NDArray[np.bool_]
T = TypeVar("T", np.int64, np.uint64, np.float64, np.bool_)

_COMPACT_FROM = 1024  # removed rows that are worth making room for
_FIRST = 64  # results to ask FAISS for at least: asking for a few more costs nothing


@dataclass(frozen=True, slots=True)
class Ranked:
    """Results, best first: row numbers of segments in the catalog, and their cosines."""

    segments: Ints
    scores: npt.NDArray[np.float32]


class Vectors:
    """The segments' embeddings, `dim` values each."""

    def __init__(self, dim: int) -> None:
        self.dim = dim
        self._lock = _SharedLock()
        self._index = _new_index(dim)
        self._segments = np.empty(0, np.int64)
        self._clips = np.empty(0, np.int64)
        self._ids = np.empty(0, np.uint64)
        self._starts = np.empty(0, np.float64)
        self._alive = np.empty(0, np.bool_)
        self._dead = 0

    def __len__(self) -> int:
        return len(self._segments) - self._dead

    @property
    def last_segment(self) -> int:
        """The highest row number of a segment that was ever added, 0 before the first."""
        return int(self._segments[-1]) if len(self._segments) else 0

    def add(self, rows: Rows) -> None:
        """Add segments; their row numbers are all over `last_segment`."""
        codes = np.ascontiguousarray(rows.codes).view(np.uint8)
        with self._lock.exclusive():
            self._index.add_sa_codes(codes)
            self._segments = _appended(self._segments, rows.segments)
            self._clips = _appended(self._clips, rows.clips)
            self._ids = _appended(self._ids, rows.ids)
            self._starts = _appended(self._starts, rows.starts)
            self._alive = _appended(self._alive, np.ones(len(rows.segments), np.bool_))

    def remove(self, clips: Ints) -> None:
        """Remove the segments of these clips; they vanish at once, their memory is freed in large portions."""
        with self._lock.exclusive():
            self._alive &= ~_among(self._clips, clips)
            self._dead = int(len(self._alive) - np.count_nonzero(self._alive))
            if self._dead >= _COMPACT_FROM and 4 * self._dead > len(self._alive):
                self._compact()

    def search(
        self,
        query: npt.NDArray[np.float32],
        count: int,
        *,
        allowed: Ints | None = None,
        excluded: Ints | None = None,
        min_score: float | None = None,
        by_clip: bool = False,
    ) -> Ranked:
        """Return the `count` best segments, fewer only where there are no more.

        `query` is a unit vector, float32 [dim]; it must be finite. `allowed` and `excluded` are row numbers of
        clips. With `by_clip`, each clip is there once, with its best segment.
        """
        # FAISS' thread count belongs to the calling thread, so it has to be set in each.
        faiss.omp_set_num_threads(1)
        with self._lock.shared():
            rows, scores = self._search(query, count, self._mask(allowed, excluded), min_score, by_clip)
            if min_score is not None:
                keep = scores >= min_score
                rows, scores = rows[keep], scores[keep]
            return Ranked(self._segments[rows[:count]], scores[:count])

    def segments(self) -> Ints:
        """Return the row numbers of all segments, in order."""
        with self._lock.shared():
            return self._segments[self._alive]

    def codes(self, segments: Ints) -> npt.NDArray[np.float16]:
        """Return the embeddings [n, dim] of segments that are all there."""
        with self._lock.shared():
            size = self._index.ntotal * self._index.code_size
            codes = faiss.rev_swig_ptr(self._index.codes.data(), size).view("<f2").reshape(-1, self.dim)
            return codes[np.searchsorted(self._segments, segments)]

    def _search(
        self,
        query: npt.NDArray[np.float32],
        count: int,
        mask: Mask | None,
        min_score: float | None,
        by_clip: bool,
    ) -> tuple[Ints, npt.NDArray[np.float32]]:
        rows, scores = np.empty(0, np.int64), np.empty(0, np.float32)
        available = len(self._segments) if mask is None else int(np.count_nonzero(mask))
        ask = max(_FIRST, 2 * count)
        while available and len(rows) < count:
            more_rows, more_scores = self._top(query, min(ask, available), mask)
            exhausted = ask >= available or (min_score is not None and more_scores[-1] < min_score)
            if not exhausted:
                # Rows that score the same as the last may have been left out, and it is not for FAISS to
                # say which of them come first: they are left to the next round.
                whole = more_scores > more_scores[-1]
                more_rows, more_scores = more_rows[whole], more_scores[whole]
            ask *= 4
            order = np.lexsort((self._starts[more_rows], self._ids[more_rows], -more_scores))
            more_rows, more_scores = more_rows[order], more_scores[order]
            if by_clip:
                _, first = np.unique(self._clips[more_rows], return_index=True)
                first.sort()
                more_rows, more_scores = more_rows[first], more_scores[first]
                rows, scores = np.concatenate([rows, more_rows]), np.concatenate([scores, more_scores])
                if not exhausted and len(rows) < count:
                    mask = self._without(mask, self._clips[more_rows])
                    available = int(np.count_nonzero(mask))
            else:
                rows, scores = more_rows, more_scores
            if exhausted:
                break
        return rows, scores

    def _top(
        self, query: npt.NDArray[np.float32], count: int, mask: Mask | None
    ) -> tuple[Ints, npt.NDArray[np.float32]]:
        """Return the `count` best rows among those of the mask, best first; there must be so many."""
        if mask is None:
            scores, rows = self._index.search(query[np.newaxis], count)
        else:
            bits = np.packbits(mask, bitorder="little")
            selector = faiss.IDSelectorBitmap(len(bits), faiss.swig_ptr(bits))
            parameters = faiss.SearchParameters()
            parameters.sel = selector
            scores, rows = self._index.search(query[np.newaxis], count, params=parameters)
        return rows[0], scores[0]

    def _mask(self, allowed: Ints | None, excluded: Ints | None) -> Mask | None:
        mask = self._alive if self._dead else None
        if allowed is not None:
            keep = _among(self._clips, allowed)
            mask = keep if mask is None else mask & keep
        if excluded is not None and len(excluded):
            mask = self._without(mask, excluded)
        return mask

    def _without(self, mask: Mask | None, clips: Ints) -> Mask:
        others = ~_among(self._clips, clips)
        return others if mask is None else mask & others

    def _compact(self) -> None:
        bits = np.packbits(~self._alive, bitorder="little")
        self._index.remove_ids(faiss.IDSelectorBitmap(len(bits), faiss.swig_ptr(bits)))
        self._segments = self._segments[self._alive]
        self._clips = self._clips[self._alive]
        self._ids = self._ids[self._alive]
        self._starts = self._starts[self._alive]
        self._alive = np.ones(len(self._segments), np.bool_)
        self._dead = 0


def _new_index(dim: int) -> faiss.IndexScalarQuantizer:
    return faiss.IndexScalarQuantizer(dim, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)


def _appended(column: npt.NDArray[T], values: npt.NDArray[T]) -> npt.NDArray[T]:
    """Return the column with `values` behind it: a view of a buffer that doubles when it is full."""
    size = len(column) + len(values)
    buffer = column if column.base is None else column.base
    if not isinstance(buffer, np.ndarray) or len(buffer) < size:
        buffer = np.empty(max(size, 2 * len(column)), column.dtype)
        buffer[: len(column)] = column
    buffer[len(column) : size] = values
    return buffer[:size]


def _among(values: Ints, members: Ints) -> Mask:
    """Say of each value whether it is one of `members`; row numbers are dense, so a table is fastest."""
    if not len(values):
        return np.zeros(0, np.bool_)
    size = int(values.max()) + 1
    table = np.zeros(size, np.bool_)
    table[members[members < size]] = True
    return table[values]


@dataclass
class _SharedLock:
    """Many may hold it shared, or one exclusively. Who waits for it exclusively goes before new sharers."""

    _changed: threading.Condition = field(default_factory=threading.Condition)
    _sharing: int = 0
    _waiting: int = 0
    _held: bool = False

    @contextmanager
    def shared(self) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: not self._held and not self._waiting)
            self._sharing += 1
        try:
            yield
        finally:
            with self._changed:
                self._sharing -= 1
                self._changed.notify_all()

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        with self._changed:
            self._waiting += 1
            try:
                self._changed.wait_for(lambda: not self._held and not self._sharing)
            finally:
                self._waiting -= 1
            self._held = True
        try:
            yield
        finally:
            with self._changed:
                self._held = False
                self._changed.notify_all()
