"""A library in Milvus, measured through its store.

    python -m benchmarks.milvus milvus://HOST:PORT/NAME

Makes a library of random unit vectors there (the name must be free), and times what callers do. Of milvus-lite the
figures say what the store costs on top of a server; of a cluster, what a cluster takes. Prints JSON.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from encoders.affect import Affect
from encoders.bundle import load
from encoders.encoder import EncodedSegment
from index import filters
from index.open import open_store
from index.records import Metadata, NewClip

REPEATS = 20


def milliseconds(work: Callable[[], Any], repeats: int = REPEATS) -> float:
    """Return the median time of a call."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - began))
    return round(statistics.median(times), 2)


def main() -> None:
    """Measure the library that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("library")
    parser.add_argument("--clips", type=int, default=2000)
    parser.add_argument("--segments", type=int, default=10, help="of each clip")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    bundle = load()
    dim = bundle.info.embedding_dim

    def segments() -> list[EncodedSegment]:
        vectors = rng.standard_normal((options.segments, dim)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return [EncodedSegment(1.5 * n, 1.5 * n + 3, vector, Affect(4.0, 4.0)) for n, vector in enumerate(vectors)]

    with open_store(options.library, bundle=bundle, create=True) as store:
        if store.count().clips:
            raise SystemExit(f"{options.library} is not empty. Name another library.")
        began = time.perf_counter()
        for number in range(options.clips):
            metadata: Metadata = {"speaker": f"{number % 100:02d}", "number": number}
            store.add(
                NewClip(f"{number:016x}" + "0" * 48, f"{number}.wav", f"/{number}.wav", 16.5, metadata), segments()
            )
        adding = time.perf_counter() - began
        query = rng.standard_normal(dim).astype(np.float32)
        one = store.clips(limit=1)[0].id
        numbers = iter(range(1000))
        speaker = filters.parse({"speaker": "07"})
        below = filters.parse({"number": {"lt": options.clips // 100}})
        print(
            json.dumps(
                {
                    "clips": options.clips,
                    "segments": options.clips * options.segments,
                    "segments added a second": round(options.clips * options.segments / adding),
                    "clips added a second": round(options.clips / adding, 1),
                    "search ms": milliseconds(lambda: store.search(query, k=10)),
                    "search, equal keeps 1 %, ms": milliseconds(lambda: store.search(query, k=10, filter=speaker)),
                    "search, range keeps 1 %, ms": milliseconds(lambda: store.search(query, k=10, filter=below)),
                    "get ms": milliseconds(lambda: store.get(one)),
                    "update ms": milliseconds(lambda: store.update(one, metadata={"n": next(numbers)})),
                    "count ms": milliseconds(store.count, 3),
                    "page in the middle ms": milliseconds(lambda: store.clips(offset=options.clips // 2), 3),
                },
                indent=2,
            )
        )


if __name__ == "__main__":
    main()
