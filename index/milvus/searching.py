"""Search over the segments' collection, with the order, the paging and the completeness that every store has.

Milvus finds candidates; what their scores are and in which order they come is worked out here, from their
embeddings and in double precision. So equal vectors have equal scores wherever in the cluster they lie, ties are
in order of clip and start, and the pages of one query fit together.

Candidates are asked for until there are enough: those that belong to no clip (see `index.milvus`) or tie with the
last one do not count, and with `by_clip` a clip counts once. What has been found is left out of the next request.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from encoders.affect import Affect
from index.milvus import reading
from index.milvus.connection import Connection, Row
from index.milvus.expressions import one_of
from index.milvus.rows import Stored
from index.records import Hit

_FIRST: Final = 64  # candidates to ask for at least: asking for a few more costs nothing
_MOST: Final = 4096  # and at most, each with its embedding
_ATTEMPTS: Final = 8
_BREADTH: Final = 256  # how far the index looks around (HNSW's ef), at least
_ROUNDING: Final = 2e-6  # two servers' scores of one vector may differ by so much
_COLUMNS: Final = ("id", "clip", "edition", "starts_at", "ends_at", "segment_valence", "segment_arousal", "embedding")

Vector = npt.NDArray[np.float32]


@dataclass
class Search:
    """One search; `condition` is an expression. Its hits have their embeddings."""

    connection: Connection
    query: Vector
    condition: str
    by_clip: bool
    min_score: float | None

    _hits: list[tuple[Hit, str]] = field(default_factory=list, init=False)  # with the segments' row ids
    _dead: dict[str, str] = field(default_factory=dict, init=False)  # editions that do not hold: of which clips

    def run(self, count: int) -> list[Hit]:
        """Return the `count` best hits, fewer only where there are no more."""
        hits: list[Hit] = []
        for _ in range(_ATTEMPTS):
            hits = self._best(count)
            now = reading.clips(self.connection, sorted(set(self._dead.values())))
            if not any(clip in now and now[clip].edition == edition for edition, clip in self._dead.items()):
                break
            # An edition was on its way when it was met, and holds by now: its clip must not be missed.
            self._hits.clear()
            self._dead.clear()
        return hits

    def _best(self, count: int) -> list[Hit]:
        ask = min(max(_FIRST, 2 * count), _MOST)
        while not self._round(ask, last_chance=ask == _MOST) and len(self._hits) < count:
            ask = min(4 * ask, _MOST)
        hits = [hit for hit, _ in self._hits]
        if self.min_score is not None:
            hits = [hit for hit in hits if np.float32(hit.score) >= np.float32(self.min_score)]
        return sorted(hits, key=_order)[:count]

    def _round(self, ask: int, *, last_chance: bool) -> bool:
        """Take in the best `ask` of what has not been found yet. Return whether that was all there is."""
        rows = self._candidates(ask)
        exhausted = len(rows) < ask
        lowest = rows[-1]["distance"] if rows else 0.0
        if self.min_score is not None and lowest < self.min_score - _ROUNDING:
            exhausted = True
        clips = reading.clips(self.connection, sorted({row["clip"] for row in rows}))
        alive = [row for row in rows if row["clip"] in clips and clips[row["clip"]].edition == row["edition"]]
        if len(alive) < len(rows):
            # Left behind, or replaced since: then its clip's new edition is there already. Look again.
            living = {row["edition"] for row in alive}
            self._dead |= {row["edition"]: row["clip"] for row in rows if row["edition"] not in living}
            return False
        if not exhausted:
            # Of the candidates that score as the last one does, some may have been left out.
            clear = [row for row in alive if row["distance"] > lowest + _ROUNDING]
            if clear or not last_chance:
                alive = clear
        self._take(alive, clips)
        return exhausted

    def _candidates(self, ask: int) -> list[Row]:
        parts = [self.condition] if self.condition else []
        if self._hits and self.by_clip:
            parts.append(one_of("clip", [hit.clip.id for hit, _ in self._hits], wanted=False))
        elif self._hits:
            parts.append(one_of("id", [row for _, row in self._hits], wanted=False))
        if self._dead:
            parts.append(one_of("edition", sorted(self._dead), wanted=False))
        vector = self.query.tolist()
        return self.connection.nearest(
            self.connection.address.segments, vector, " and ".join(parts), _COLUMNS, ask, _BREADTH
        )

    def _take(self, rows: list[Row], clips: Mapping[str, Stored]) -> None:
        if not rows:
            return
        embeddings = np.array([row["embedding"] for row in rows], np.float32)
        # A sum over each row by itself: unlike a matrix product, the same for the same row in any company.
        products = embeddings.astype(np.float64) * self.query.astype(np.float64)
        scores = products.sum(axis=1).astype(np.float32).clip(-1, 1)
        found = [
            (
                Hit(
                    clips[row["clip"]].clip,
                    row["starts_at"],
                    row["ends_at"],
                    Affect(row["segment_valence"], row["segment_arousal"]),
                    score,
                    embedding,
                ),
                row["id"],
            )
            for row, score, embedding in zip(rows, scores.tolist(), embeddings, strict=True)
        ]
        found.sort(key=lambda item: _order(item[0]))
        if self.by_clip:
            best: dict[str, tuple[Hit, str]] = {}
            for item in found:
                best.setdefault(item[0].clip.id, item)
            found = list(best.values())
        self._hits += found


def _order(hit: Hit) -> tuple[float, str, float]:
    return -hit.score, hit.clip.id, hit.start
