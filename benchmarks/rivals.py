"""Other engines on the same segments and queries, each in a process of its own: `benchmarks.search` starts them.

    python -m benchmarks.rivals hnswlib FOLDER

FOLDER holds codes.f16 and questions.npz (queries, best: the rows of the ten best segments of each). The outcome is
JSON on stdout. Each engine is built with all cores, and asked by one thread, one query at a time, as a service is.
hnswlib and usearch get M = 16 and efConstruction = 200, and their usual storage: float32 for hnswlib, float16 for
usearch. What they are asked with (ef) goes up until their recall is one of WANTED.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

K: Final = 10
WANTED: Final = (0.95, 0.99)
EFS: Final = (10, 14, 20, 28, 40, 56, 80, 112, 160, 224, 320, 448, 640, 1024, 2048)
LINKS, BUILD_EF = 16, 200
_PORTION: Final = 16_384


def resident() -> dict[str, int]:
    """Return the bytes that this process has in memory: its own, and pages of files."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {name: 1024 * int(fields[field].split()[0]) for name, field in (("own", "RssAnon"), ("files", "RssFile"))}


def asked(search: Callable[[Floats], Ints], queries: Floats, best: Ints) -> dict[str, float]:
    """Ask each query once after a round to warm up: recall@10, milliseconds, queries a second on one core."""
    for query in queries[:20]:
        search(query)
    spans, found = [], []
    for query, own in zip(queries, best, strict=True):
        start = time.perf_counter()
        rows = search(query)
        spans.append(time.perf_counter() - start)
        found.append(len(set(rows[:K].tolist()) & set(own.tolist())) / len(own))
    return {
        "recall": float(np.mean(found)),
        "p50_ms": 1000 * float(np.quantile(spans, 0.5)),
        "p99_ms": 1000 * float(np.quantile(spans, 0.99)),
        "qps": len(spans) / sum(spans),
    }


def main() -> None:
    """Run one engine and print its outcome."""
    engine, folder = sys.argv[1], Path(sys.argv[2])
    questions = np.load(folder / "questions.npz")
    queries, best = questions["queries"], questions["best"]
    dim = queries.shape[1]
    codes = np.memmap(folder / "codes.f16", np.float16, "r").reshape(-1, dim)
    before = resident()["own"]
    start = time.perf_counter()
    search, set_ef = {"hnswlib": _hnswlib, "usearch": _usearch, "milvus-lite": _milvus}[engine](codes, folder)
    outcome: dict[str, Any] = {"engine": engine, "segments": len(codes), "build_s": time.perf_counter() - start}
    outcome["memory"] = resident()["own"] - before
    outcome["runs"] = []
    for wanted in WANTED:
        for ef in EFS:
            set_ef(ef)
            # A look at some of the queries spares the timing of efforts that are far too small.
            some = asked(search, queries[::4], best[::4])
            if some["recall"] < wanted - 0.02:
                continue
            run = asked(search, queries, best)
            if run["recall"] >= wanted or ef == EFS[-1]:
                outcome["runs"].append({"wanted": wanted, "ef": ef, **run})
                break
    print(json.dumps(outcome))


def _portions(codes: npt.NDArray[np.float16]) -> Iterator[tuple[Ints, Floats]]:
    for begin in range(0, len(codes), _PORTION):
        some = codes[begin : begin + _PORTION].astype(np.float32)
        yield np.arange(begin, begin + len(some)), some


def _hnswlib(codes: npt.NDArray[np.float16], folder: Path) -> tuple[Callable[[Floats], Ints], Callable[[int], None]]:
    import hnswlib

    index = hnswlib.Index(space="ip", dim=codes.shape[1])
    index.init_index(max_elements=len(codes), M=LINKS, ef_construction=BUILD_EF, random_seed=0)
    index.set_num_threads(len(os.sched_getaffinity(0)))
    for rows, some in _portions(codes):
        index.add_items(some, rows)
    index.set_num_threads(1)

    def search(query: Floats) -> Ints:
        rows: Ints = index.knn_query(query, k=K)[0][0].astype(np.int64)
        return rows

    return search, index.set_ef


def _usearch(codes: npt.NDArray[np.float16], folder: Path) -> tuple[Callable[[Floats], Ints], Callable[[int], None]]:
    from usearch.index import Index

    index = Index(ndim=codes.shape[1], metric="ip", dtype="f16", connectivity=LINKS, expansion_add=BUILD_EF)
    for begin in range(0, len(codes), _PORTION):
        some = np.ascontiguousarray(codes[begin : begin + _PORTION])
        index.add(np.arange(begin, begin + len(some)), some, threads=len(os.sched_getaffinity(0)))

    def search(query: Floats) -> Ints:
        return np.asarray(index.search(query, K, threads=1).keys).astype(np.int64)

    def set_ef(ef: int) -> None:
        index.expansion_search = ef  # type: ignore[misc]  # its setter is annotated as a function

    return search, set_ef


def _milvus(codes: npt.NDArray[np.float16], folder: Path) -> tuple[Callable[[Floats], Ints], Callable[[int], None]]:
    from pymilvus import DataType, MilvusClient

    client = MilvusClient(str(folder / "milvus.db"))
    schema = client.create_schema(auto_id=False)
    schema.add_field("row", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=codes.shape[1])
    indices = client.prepare_index_params()
    indices.add_index("vector", index_type="HNSW", metric_type="IP", params={"M": LINKS, "efConstruction": BUILD_EF})
    client.create_collection("segments", schema=schema, index_params=indices)
    for rows, some in _portions(codes):
        for begin in range(0, len(rows), 1024):
            part = slice(begin, begin + 1024)
            client.insert(
                "segments",
                [{"row": row, "vector": vector} for row, vector in zip(rows[part].tolist(), some[part], strict=True)],
            )
    client.load_collection("segments")
    held = {"ef": EFS[0]}

    def search(query: Floats) -> Ints:
        hits = client.search("segments", [query.tolist()], limit=K, search_params={"params": {"ef": held["ef"]}})
        return np.array([hit["row"] for hit in hits[0]], np.int64)

    return search, lambda ef: held.update(ef=ef)


if __name__ == "__main__":
    main()
