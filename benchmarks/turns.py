"""The search and hnswlib in turns, at equal recall: `python -m benchmarks.turns FOLDER`.

FOLDER is what `benchmarks.search --folder FOLDER` made. hnswlib's index (M 16, efConstruction 200) is built there once,
which takes minutes for a million segments, and kept as hnswlib.bin. Then, ROUNDS times, each way of asking answers all
queries, one at a time, on one thread; a query's time is its median over the rounds, so that what else the machine does
falls out. Recall is recall@10 by score: a hit counts when it scores no less than the tenth best, for several segments
may score the same. The ratio is that of the times at ours's recall, hnswlib's between the two of its efs around it.
"""

import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from benchmarks.rivals import BUILD_EF, LINKS, K
from index.local.codes import Codes, scan, taken
from index.local.library import LocalStore

ROUNDS: Final = 9
EFS: Final = (14, 20, 28, 40)
_SETTLE: Final = 10  # seconds for the codes to be read from the disk

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Search = Callable[[Floats], Ints]


def main() -> None:
    """Print recall and times, and the ratios."""
    folder = Path(sys.argv[1])
    questions = np.load(folder / "questions.npz")
    queries, best = questions["queries"], questions["best"]
    with LocalStore.open(folder / "library", None, read_only=True) as store:
        vectors = store._following.vectors()
        assert vectors.snapshot is not None
        codes, segments = vectors.snapshot.codes, vectors.snapshot.segments
        rival = hnswlib(codes, folder / "hnswlib.bin")
        time.sleep(_SETTLE)

        def near(ef: int, query: Floats) -> Ints:
            rows: Ints = rival.knn_query(query, k=K)[0][0]
            return rows

        ours: dict[str, Search] = {
            "ours": lambda query: vectors.search(query, K).segments,
            "ours, best of each clip": lambda query: vectors.search(query, K, by_clip=True).segments,
        }
        theirs = {f"hnswlib, ef {ef}": (ef, partial(near, ef)) for ef in EFS}
        spans: dict[str, list[list[float]]] = {name: [] for name in (*ours, *theirs)}
        for _ in range(ROUNDS):
            for name, search in ours.items():
                spans[name].append([_seconds(search, query) for query in queries])
            for name, (ef, search) in theirs.items():
                rival.set_ef(ef)
                spans[name].append([_seconds(search, query) for query in queries])
        micros = {name: 1e6 * np.median(own, axis=0) for name, own in spans.items()}
        recalls = {}
        for name, (ef, search) in theirs.items():
            rival.set_ef(ef)
            recalls[name] = recall(codes, search, queries, best)
        recalls["ours"] = recall(codes, lambda query: np.searchsorted(segments, ours["ours"](query)), queries, best)
        print(vectors.snapshot.manifest.parameters, f"{vectors.memory.total / 1e6:,.0f} MB")
        for name, own in micros.items():
            print(
                f"{name:24} recall {recalls.get(name, float('nan')):.4f}"
                f"  a query: p50 {np.median(own):6.1f} us, mean {own.mean():6.1f} us"
            )
        for kind, of in (("p50", np.median), ("mean", np.mean)):
            curve = np.interp(
                recalls["ours"], [recalls[name] for name in theirs], [of(micros[name]) for name in theirs]
            )
            print(f"hnswlib's {kind} at ours's recall: {curve:.1f} us, {curve / of(micros['ours']):.2f} times ours")


def hnswlib(codes: Codes, file: Path) -> Any:
    """Return hnswlib's index of the codes, built where it is not there."""
    import hnswlib as library

    index = library.Index(space="ip", dim=codes.shape[1])
    if file.exists():
        index.load_index(str(file))
    else:
        index.init_index(len(codes), M=LINKS, ef_construction=BUILD_EF)
        index.set_num_threads(len(os.sched_getaffinity(0)))
        for begin in range(0, len(codes), 1 << 14):
            index.add_items(codes[begin : begin + (1 << 14)].astype(np.float32))
        index.save_index(str(file))
    index.set_num_threads(1)
    return index


def recall(codes: Codes, search: Search, queries: Floats, best: Ints) -> float:
    """Return the share of hits that score no less than the tenth best."""

    def scores(query: Floats, rows: Ints) -> Floats:
        return scan(taken(codes, rows.astype(np.int64))).top(query, len(rows))[1]

    return float(
        np.mean(
            [scores(query, search(query)) >= scores(query, own)[-1] for query, own in zip(queries, best, strict=True)]
        )
    )


def _seconds(search: Search, query: Floats) -> float:
    started = time.perf_counter()
    search(query)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
