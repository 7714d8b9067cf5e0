"""How hard an approximate index has to look: the least effort that reaches a recall, on text queries.

What counts is how the library is asked. Prompts lie apart from all segments (between the two kinds of embeddings there
is a gap), so that an index that is tuned with segments as queries misses what prompts would find. Therefore the
queries here are prompts: those of the bundle's vocabulary.

Half of them choose the effort, the other half says what recall and latency it has. Neither half may have had a say in
how the index was built.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import faiss
import numpy as np

from encoders.sessions import available_cpus
from index.local.approximate import Approximate, Effort
from index.local.codes import Floats, Ints, Scan

K: Final = 10
CANDIDATES: Final = (48, 64, 96, 128, 256, 512, 1024, 2048)
QUERIES: Final = 256  # at most: the exact search of as many is most of the time that tuning takes

_TIMED: Final = 32  # queries that an exact search is timed with
_SURE: Final = 1.645  # standard errors that the recall is above the one wanted: right 19 times in 20


@dataclass(frozen=True, slots=True)
class Tuned:
    """An effort, and what it gives on queries that did not choose it: recall@10, median milliseconds on one core."""

    effort: Effort
    recall: float
    latency_ms: float


def tune(index: Approximate, queries: Floats, recall: float) -> Tuned | None:
    """Find the least effort that reaches `recall`; None where none does.

    `queries` are unit vectors [q, dim], two at least.
    """
    chosen = queries[np.linspace(0, len(queries) - 1, min(QUERIES, len(queries))).astype(int)]
    faiss.omp_set_num_threads(available_cpus())
    _, best = index.codes.index.search(chosen, min(K, len(index.codes.codes)))
    faiss.omp_set_num_threads(1)
    learn, judge = (chosen[::2], best[::2]), (chosen[1::2], best[1::2])
    efforts = _sufficient(index, *learn, recall)
    if not efforts:
        return None
    timed = sorted((_latency(index, learn[0], effort), effort) for effort in efforts)
    effort = timed[0][1]
    found = [set(index.look(query, effort).tolist()) for query in judge[0]]
    return Tuned(effort, float(np.mean(_recalls(found, judge[1]))), _latency(index, judge[0], effort))


def exact_latency(codes: Scan, queries: Floats) -> float | None:
    """Return the median milliseconds of an exact search on one core; None without queries or segments."""
    if not len(queries) or not len(codes.codes):
        return None
    faiss.omp_set_num_threads(1)
    count = min(K, len(codes.codes))
    return _median(lambda query: codes.top(query, count), queries[:_TIMED])


def _sufficient(index: Approximate, queries: Floats, best: Ints, recall: float) -> list[Effort]:
    """Return, for each number of candidates, the fewest probes with which they reach the recall for sure."""
    probes = [2**power for power in range(int(np.log2(index.cells.nlist)) + 1)]
    sufficient: list[Effort] = []
    seen: dict[int, list[Ints]] = {}
    most = min(CANDIDATES[-1], len(index.codes.codes))
    for candidates in CANDIDATES:
        for some in probes:
            if sufficient and some > sufficient[-1].probes:
                break
            if some not in seen:
                seen[some] = [index.look(query, Effort(some, most)) for query in queries]
            recalls = _recalls([set(rows[:candidates].tolist()) for rows in seen[some]], best)
            if np.mean(recalls) - _SURE * np.std(recalls) / np.sqrt(len(recalls)) >= recall:
                # No fewer probes reach it with fewer candidates, so more candidates must pay with fewer probes.
                if not sufficient or some < sufficient[-1].probes:
                    sufficient.append(Effort(some, candidates))
                break
    return sufficient


def _recalls(found: list[set[int]], best: Ints) -> list[float]:
    return [len(rows & set(own.tolist())) / len(own) for rows, own in zip(found, best, strict=True)]


def _latency(index: Approximate, queries: Floats, effort: Effort) -> float:
    return _median(index.with_effort(effort).first, queries)


def _median(work: Callable[[Floats], object], queries: Floats) -> float:
    spans = []
    for query in queries:
        start = time.perf_counter()
        work(query)
        spans.append(time.perf_counter() - start)
    return 1000 * float(np.median(spans))
