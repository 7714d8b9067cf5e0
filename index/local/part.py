"""A part of what is searched: the segments of a snapshot, or those added since, and which of their clips are alive.

Segments ascend by row number, and those of one clip stand together, so that everything about clips is held once a
clip, and a filter is a handful of ranges of rows. A part never changes: adding and removing make a new one, which
shares with the old what it can, so that threads that search the old one are not disturbed.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple, Self, TypeVar

import numpy as np
import numpy.typing as npt

from index.local.approximate import DEPTH, Approximate, Effort
from index.local.catalog import Rows
from index.local.codes import Floats, Ints, Mask, Scan, Selector, scan, selector, taken
from index.local.snapshot import Snapshot
from index.region import Region

T = TypeVar("T", np.float16, np.float32, np.int64, np.uint64, np.float64, np.bool_)

_GATHERED = 0.02  # up to this share of the rows, copying them out is faster than testing every row against a mask
_SCANNED = 0.04  # up to this share, an approximate index does better to scan them in few dimensions than to go by cells
_SPARE = 4  # candidates for each result that is asked for: of the tenth to the twentieth, two for each miss one in ten
_FEW = 8  # clips of a part for each that is looked for: with fewer, one walk over all is faster than a search for each
_FILTERED = 128  # candidates at least where there is a filter: what it leaves may lie further off than what was tuned
_SCAN_GIVES = 64  # rows at least that an exact scan is asked for: a few more cost nothing, another round does
_EXACTLY = 8  # rows for each candidate: with fewer, looking for candidates saves nothing


def in_order(scores: Floats, ids: npt.NDArray[np.uint64], starts: npt.NDArray[np.float64]) -> Ints:
    """Return the places of results in the one order that there is: by score, then by clip id, then by start."""
    return np.lexsort((starts, ids, -scores))


class Top(NamedTuple):
    """The best rows, best first, and whether there are no others."""

    rows: Ints
    scores: Floats
    complete: bool


@dataclass(frozen=True, eq=False)
class Part:
    """The columns are a `Snapshot`'s, but for the end of `firsts`, the row that each clip begins with.

    `alive` says of each clip whether it is still there. Only a part that is never added to has an approximate index,
    or may be without `affect`.
    """

    scan: Scan
    segments: Ints
    starts: npt.NDArray[np.float64]
    clips: Ints
    ids: npt.NDArray[np.uint64]
    firsts: Ints
    alive: Mask
    affect: npt.NDArray[np.float32] | None
    approximate: Approximate | None = None

    @classmethod
    def empty(cls, dim: int) -> Self:
        """Return a part without segments."""
        none = np.empty(0, np.int64)
        return cls(
            scan(np.empty((0, dim), np.float16)),
            none,
            np.empty(0, np.float64),
            none,
            np.empty(0, np.uint64),
            none,
            np.empty(0, np.bool_),
            np.empty((0, 2), np.float32),
        )

    @classmethod
    def of(cls, snapshot: Snapshot) -> Self:
        """Return a snapshot's segments, all of them alive."""
        return cls(
            snapshot.scan,
            snapshot.segments,
            snapshot.starts,
            snapshot.clips,
            snapshot.ids,
            snapshot.offsets[:-1],
            np.ones(len(snapshot.clips), np.bool_),
            snapshot.affect,
            snapshot.approximate,
        )

    @cached_property
    def count(self) -> int:
        """How many segments are alive."""
        return self.size(None)

    @cached_property
    def lengths(self) -> Ints:
        """How many segments each clip has."""
        return np.diff(self.firsts, append=len(self.segments))

    @cached_property
    def living(self) -> Selector | None:
        """What selects the segments that are alive; None where all are."""
        return None if self.alive.all() else selector(self.mask(self.alive))

    @cached_property
    def _owners(self) -> npt.NDArray[np.int32]:
        """What `clip_of` says of each row, for `first`, which is asked most: looking it up is faster than searching."""
        return np.repeat(np.arange(len(self.clips), dtype=np.int32), self.lengths)

    @property
    def bytes(self) -> int:
        """The memory of the columns, without the codes."""
        columns = self.segments, self.starts, self.clips, self.ids, self.firsts, self.alive, self.affect
        owners = 0 if self.approximate is None else 4 * len(self.segments)
        return owners + sum(column.nbytes for column in columns if column is not None)

    def clip_of(self, rows: Ints) -> Ints:
        """Return the place of each row's clip in `clips` and `ids`."""
        return np.searchsorted(self.firsts, rows, side="right") - 1

    def among(self, clips: Ints) -> Mask:
        """Say of each clip of the part whether its row number is one of `clips`."""
        if _FEW * len(clips) > len(self.clips) > 0:
            return np.isin(self.clips, clips)
        mask = np.zeros(len(self.clips), np.bool_)
        if len(mask) and len(clips):
            places = np.minimum(np.searchsorted(self.clips, clips), len(mask) - 1)
            mask[places[self.clips[places] == clips]] = True
        return mask

    def size(self, wanted: Mask | None) -> int:
        """Count the segments that are alive and whose clips are wanted (None: all)."""
        return int(self.lengths[self.alive if wanted is None else wanted & self.alive].sum())

    def within(self, region: Region) -> Mask:
        """Return a mask of the rows that lie in a region; `affect` must be there."""
        assert self.affect is not None
        return region.holds(self.affect)

    def mask(self, clips: Mask) -> Mask:
        """Return a mask of rows from one of clips."""
        return np.repeat(clips, self.lengths)

    def rows(self, clips: Mask) -> Ints:
        """Return the rows of some clips, ascending."""
        places = np.flatnonzero(clips)
        lengths = self.lengths[places]
        ends = np.cumsum(lengths)
        return np.arange(ends[-1] if len(ends) else 0) + np.repeat(self.firsts[places] - ends + lengths, lengths)

    def first(self, query: Floats, count: int, *, by_clip: bool) -> tuple[Ints, Floats] | None:
        """Return the rows of the first `count` results among all segments, and their scores; None for a longer way.

        That is the way over `top`, which always leads there. This one is for what is asked most, few results of a
        library as it was compacted: it does without most of Python's work, which takes as long as FAISS'.
        """
        if self.approximate is None or self.living is not None:
            return None
        candidates = self.approximate.effort.candidates
        if _SPARE * count > candidates or _EXACTLY * candidates >= len(self.segments):
            return None
        rows, scored = self.approximate.first(query)
        if rows[-1] < 0:
            return None
        scores = scored.tolist()
        clips = self._owners[rows].tolist() if by_clip else None
        last = _last(clips, count)
        looked_at = scores[: last + 2]
        if len(set(looked_at)) < len(looked_at):
            # Of rows that score the same it is not for FAISS to say which come first.
            self._settle(rows, scores, last)
            clips = self._owners[rows].tolist() if by_clip else None
            last = _last(clips, count)
        if scores[last] == scores[-1]:
            return None  # one more that scores the same may be among those that were not found
        if clips is None:
            return rows[:count].copy(), scored[:count].copy()
        places = [clips.index(clip) for clip in dict.fromkeys(clips[: last + 1])]
        return rows[places], scored[places]

    def _settle(self, rows: Ints, scores: list[float], last: int) -> None:
        """Bring rows up to `last` that score the same into their order. They are few: `in_order` takes longer."""
        begin = 0
        while begin <= last:
            end = begin + 1
            while end < len(scores) and scores[end] == scores[begin]:
                end += 1
            if end - begin > 1:
                rows[begin:end] = sorted(rows[begin:end].tolist(), key=self._order)
            begin = end

    def _order(self, row: int) -> tuple[np.uint64, np.float64]:
        return self.ids[self._owners[row]], self.starts[row]

    def top(
        self, query: Floats, count: int, wanted: Mask | None, within: Mask | None = None, *, results: int = 0
    ) -> Top:
        """Return the `count` best segments alive of the clips wanted (None: all), fewer where there are no more.

        With `within`, a mask of rows, only of those rows. There may be more of them. An approximate index may miss
        some, but never returns fewer than there are; it looks as hard as so many `results` need in the end.
        """
        clips = self.alive if wanted is None else wanted & self.alive
        chosen = _Chosen(self, clips, None if within is None else within & self.mask(clips))
        free = wanted is None and within is None
        available = self.count if free else chosen.count
        if not available:
            return Top(np.empty(0, np.int64), np.empty(0, np.float32), complete=True)
        if self.approximate is not None:
            effort = _stepped(self.approximate.effort, max(DEPTH * count, _SPARE * results))
            if not free:
                factor = -(-_FILTERED // effort.candidates)
                effort = Effort(factor * effort.probes, factor * effort.candidates)
            if _EXACTLY * effort.candidates < available:
                rows, scores = self._near(query, effort, None if free else chosen, available)
                depth = effort.candidates // DEPTH
                return Top(rows[:depth], scores[:depth], complete=False)
        count = min(max(count, _SCAN_GIVES), available)
        if not free and available <= _GATHERED * len(self.segments):
            rows = chosen.rows
            places, scores = scan(taken(self.scan.codes, rows)).top(query, count)
            return Top(rows[places], scores, complete=count == available)
        selected = self.living if free else chosen.selector
        return Top(*self.scan.top(query, count, selected), complete=count == available)

    def _near(self, query: Floats, effort: Effort, chosen: "_Chosen | None", available: int) -> tuple[Ints, Floats]:
        """Return at least as many candidates as the effort says, best first; there are so many. None chooses all."""
        assert self.approximate is not None
        share = available / len(self.segments)
        if chosen is None or share > _SCANNED:
            wider = effort if share == 1 else effort._replace(probes=int(np.ceil(effort.probes / share)))
            rows, scores = self.approximate.best(query, wider, self.living if chosen is None else chosen.selector)
            if len(rows) == effort.candidates:
                return rows, scores
        rows = self.rows(self.alive) if chosen is None else chosen.rows
        near = self.approximate.look_at(query, rows, effort.candidates)
        return self.approximate.rank(query, near)

    def added(self, rows: Rows) -> Self:
        """Return the part with these segments behind its own."""
        assert self.affect is not None
        count = len(self.segments)
        first = np.flatnonzero(np.diff(rows.clips, prepend=self.clips[-1] if len(self.clips) else -1))
        return replace(
            self,
            scan=scan(_appended(self.scan.codes, rows.codes)),
            segments=_appended(self.segments, rows.segments),
            starts=_appended(self.starts, rows.starts),
            clips=_appended(self.clips, rows.clips[first]),
            ids=_appended(self.ids, rows.ids[first]),
            firsts=_appended(self.firsts, first + count),
            alive=_appended(self.alive, np.ones(len(first), np.bool_)),
            affect=_appended(self.affect, rows.affect),
        )

    def without(self, clips: Ints) -> Self:
        """Return the part with these clips dead."""
        return replace(self, alive=self.alive & ~self.among(clips))

    def compacted(self) -> Self:
        """Return the part without the dead: a copy of the rest."""
        keep = self.mask(self.alive)
        lengths = self.lengths[self.alive]
        return replace(
            self,
            scan=scan(self.scan.codes[keep]),
            segments=self.segments[keep],
            starts=self.starts[keep],
            clips=self.clips[self.alive],
            ids=self.ids[self.alive],
            firsts=np.cumsum(lengths) - lengths,
            alive=np.ones(len(lengths), np.bool_),
            affect=None if self.affect is None else self.affect[keep],
        )


def _last(clips: list[int] | None, count: int) -> int:
    """Return the place of the `count`th row, or clip's first row; that of the last row where there are fewer clips."""
    if clips is None:
        return count - 1
    seen: set[int] = set()
    for place, clip in enumerate(clips):
        seen.add(clip)
        if len(seen) == count:
            return place
    return len(clips) - 1


@dataclass(frozen=True, eq=False)
class _Chosen:
    """The rows of a part that a search may find: those of `clips`, or only those of a mask of rows."""

    part: Part
    clips: Mask
    mask: Mask | None

    @property
    def count(self) -> int:
        return int(self.part.lengths[self.clips].sum() if self.mask is None else np.count_nonzero(self.mask))

    @property
    def rows(self) -> Ints:
        return self.part.rows(self.clips) if self.mask is None else np.flatnonzero(self.mask)

    @property
    def selector(self) -> Selector:
        return selector(self.part.mask(self.clips) if self.mask is None else self.mask)


def _stepped(effort: Effort, candidates: int) -> Effort:
    """Return the effort for so many candidates. It grows in steps, so that what comes first is the same for many."""
    factor = 1
    while factor * effort.candidates < candidates:
        factor *= 4
    return Effort(effort.probes * factor, effort.candidates * factor)


def _appended(column: npt.NDArray[T], values: npt.NDArray[T]) -> npt.NDArray[T]:
    """Return the column with `values` behind it: a view of a buffer that doubles when it is full.

    The old column's values stay where they are, and nobody else writes behind them: of a part that was added to, the
    caller keeps only what came of it.
    """
    size = len(column) + len(values)
    buffer = column if column.base is None else column.base
    if not isinstance(buffer, np.ndarray) or buffer.ndim != column.ndim or len(buffer) < size:
        buffer = np.empty((max(size, 2 * len(column)), *column.shape[1:]), column.dtype)
        buffer[: len(column)] = column
    buffer[len(column) : size] = values
    return buffer[:size]
