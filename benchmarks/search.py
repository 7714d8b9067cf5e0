"""Search in a large library, against the exact scan and other engines: `python -m benchmarks.search`.

    python -m benchmarks.search --real real.npz --segments 1000000 --engines ours --folder /tmp/million

The segments are grown from real ones (`benchmarks.segments` says how): those of --real (what its `embed` wrote), or of
the audio files under --corpus, or else of the demo's synthetic voices. The queries are the prompts of the bundle's
vocabulary: every other one tunes the index (as compacting a library does), the others are asked, so that no figure
comes from a query that the index has seen. Recall is recall@10 against the exact scan. A query's vector is ready when
its time begins; it is asked by one thread. A library of this size is made with its catalog, compacted, and opened by a
new process, which measures what it has in memory.
"""

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.rivals import asked, resident
from benchmarks.segments import Floats, embed, grow
from encoders.affect import Affect
from encoders.encoder import EncodedSegment, Encoder
from index import filters
from index.local import catalog, choice
from index.local.codes import scan
from index.local.library import LocalStore
from index.local.vectors import Vectors
from index.records import NewClip
from service.demo import samples

LIBRARY: Final = "library"
SHARES: Final = (0.001, 0.01, 0.1, 0.5)  # of the clips that a filter keeps
_CLIPS: Final = 2_000  # in one transaction


def main() -> None:
    """Make the library, measure, print the table, and keep it all as JSON."""
    parser = argparse.ArgumentParser(description="Recall, latency and memory of the search.")
    parser.add_argument("--segments", type=int, default=100_000)
    parser.add_argument("--real", type=Path, help="embeddings that `benchmarks.segments embed` wrote")
    parser.add_argument("--corpus", type=Path, nargs="*", default=[], help="folders of audio files to embed")
    parser.add_argument("--engines", nargs="*", default=["ours", "hnswlib", "usearch"])
    parser.add_argument("--milvus-segments", type=int, default=0, help="compare milvus-lite at this smaller size")
    parser.add_argument("--folder", type=Path, help="keep everything here, and use what is here")
    parser.add_argument("--output", type=Path, help="write the figures here, as JSON")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(_measured(arguments.folder)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        outcomes = _run(folder, arguments)
    print(_table(outcomes))
    if arguments.output:
        arguments.output.write_text(json.dumps(outcomes, indent=2))


def _run(folder: Path, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    encoder = Encoder.load()
    queries = encoder.embed_prompts([prompt.text for prompt in encoder.bundle.prompts]).embedding
    made: dict[str, Any] = {}
    if not (folder / LIBRARY).exists():
        real, recording = _real(encoder, arguments)
        print(f"{len(real):,} real segments of {recording.max() + 1:,} recordings", file=sys.stderr)
        made = _fill(folder / LIBRARY, encoder, real, recording, arguments.segments, queries[::2])
        _ask(folder, queries[1::2])
    outcomes = []
    if "ours" in arguments.engines:
        outcomes.append(made | _child("benchmarks.search", "--measure", "--folder", str(folder)))
    outcomes += [_child("benchmarks.rivals", engine, str(folder)) for engine in arguments.engines if engine != "ours"]
    if arguments.milvus_segments:
        part = folder / "part"
        part.mkdir(exist_ok=True)
        dim = queries.shape[1]
        codes = np.memmap(folder / "codes.f16", np.float16, "r").reshape(-1, dim)[: arguments.milvus_segments]
        codes.tofile(part / "codes.f16")
        _ask(part, queries[1::2])
        outcomes.append(_child("benchmarks.rivals", "milvus-lite", str(part)))
        shutil.rmtree(part)
    return outcomes


def _real(encoder: Encoder, arguments: argparse.Namespace) -> tuple[Floats, Any]:
    if arguments.real:
        held = np.load(arguments.real)
        return held["embedding"], held["recording"]
    if folders := [folder for folder in arguments.corpus if folder.is_dir()]:
        return embed(encoder, folders)
    with tempfile.TemporaryDirectory() as spoken:
        print("no corpus: speaking one", file=sys.stderr)
        return embed(encoder, [samples.make(Path(spoken)).parent])


def _fill(
    folder: Path, encoder: Encoder, real: Floats, recording: Any, segments: int, queries: Floats
) -> dict[str, Any]:
    """Make a library of made clips, a tenth of them in each of ten groups (for the filters), and compact it."""
    with LocalStore.create(folder, encoder.bundle) as store:
        pending: list[tuple[NewClip, list[EncodedSegment]]] = []

        def flush() -> None:
            with store._database.write() as connection:  # one transaction for many clips: a build takes one for each
                for clip, own in pending:
                    catalog.add(connection, clip, Affect(4.0, 4.0), own)
            pending.clear()

        number = 0
        for rows in grow(real, recording, segments):
            bounds = np.flatnonzero(np.diff(rows.clips, prepend=-1, append=-1))
            for begin, end in pairwise(bounds):
                sha = hashlib.sha256(str(number).encode()).hexdigest()
                own = [
                    EncodedSegment(start, start + 4.0, code.astype(np.float32), Affect(4.0, 4.0))
                    for start, code in zip(rows.starts[begin:end].tolist(), rows.codes[begin:end], strict=True)
                ]
                place = {"share": (number * 0.6180339887) % 1.0}
                pending.append((NewClip(sha, f"{number}.wav", f"/none/{number}.wav", 2.0 * len(own) + 2, place), own))
                number += 1
            if len(pending) >= _CLIPS:
                flush()
        flush()
        plan = choice.choose(segments, real.shape[1])
        print(f"{plan.kind}: {plan.reason}; about {plan.seconds_to_build:.0f} s", file=sys.stderr)
        start = time.perf_counter()
        done = store.compact(queries)
        return {"build_s": time.perf_counter() - start, "estimate_s": plan.seconds_to_build, "reason": done.reason}


def _ask(folder: Path, queries: Floats) -> None:
    """Write the queries to ask, with the rows of their best segments by the exact scan."""
    dim = queries.shape[1]
    if not (folder / "codes.f16").exists():
        (source,) = (folder / LIBRARY / "snapshots").glob("*/codes.f16")
        (folder / "codes.f16").symlink_to(source.absolute())
    codes = np.memmap(folder / "codes.f16", np.float16, "r").reshape(-1, dim)
    _, best = scan(codes).index.search(queries, 10)
    np.savez(folder / "questions.npz", queries=queries, best=best)


def _measured(folder: Path) -> dict[str, Any]:
    """Open the library, and measure: this runs in a process of its own."""
    questions = np.load(folder / "questions.npz")
    queries, best = questions["queries"], questions["best"]
    bundle = Encoder.load().bundle
    before = resident()
    for file in [*(folder / LIBRARY).glob("snapshots/*/*"), folder / LIBRARY / "library.db"]:
        if file.is_file():
            with file.open("rb") as handle:
                os.posix_fadvise(handle.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    start = time.perf_counter()
    with LocalStore.open(folder / LIBRARY, bundle, read_only=True) as store:
        store.search(queries[0], k=10)
        opened = time.perf_counter() - start
        for file in (*(folder / LIBRARY).glob("snapshots/*/codes.f16"), folder / LIBRARY / "library.db"):
            with file.open("rb") as handle:  # as after some time of service: the system has read the files
                while handle.read(1 << 24):
                    pass
        vectors: Vectors = store._following.vectors()
        assert vectors.snapshot is not None
        manifest = vectors.snapshot.manifest
        segments = vectors.snapshot.segments
        run = asked(lambda query: np.searchsorted(segments, vectors.search(query, 10).segments), queries, best)
        through = asked(lambda query: _through(store, query), queries, best)
        grouped = asked(lambda query: vectors.search(query, 10, by_clip=True).segments, queries, best)
        after = resident()  # before the exact scan looks at every page
        whole = scan(vectors.snapshot.codes)
        exact = asked(lambda query: whole.top(query, 10)[0], queries[::16], best[::16])
        filtered = {str(share): _filtered(store, vectors, queries, share) for share in SHARES}
        return {
            "engine": f"emotionrank ({manifest.kind})",
            "segments": len(vectors),
            "parameters": manifest.parameters,
            "tuned_recall": manifest.recall,
            "opened_s": opened,
            "memory": vectors.memory.total,
            "memory_parts": {"own": after["own"] - before["own"], "files": after["files"] - before["files"]},
            "runs": [{"wanted": 0.95, **run}],
            "through_store_p50_ms": through["p50_ms"],
            "grouped_p50_ms": grouped["p50_ms"],
            "exact_p50_ms": exact["p50_ms"],
            "filtered": filtered,
        }


def _through(store: LocalStore, query: Floats) -> Any:
    store.search(query, k=10)
    return np.empty(0, np.int64)


def _filtered(store: LocalStore, vectors: Vectors, queries: Floats, share: float) -> dict[str, float]:
    """Ask for clips of a range of the field `share`: recall, latency, and that there are always ten hits."""
    condition = filters.parse({"share": {"lt": share}})
    with store._database.read() as connection:
        allowed = store._kept.numbers(connection, condition)
    assert vectors.snapshot is not None
    held = vectors.snapshot
    kept = np.flatnonzero(np.repeat(np.isin(held.clips, allowed), np.diff(held.offsets)))
    own = scan(held.codes[kept])
    asked_for = queries[::4]
    best = np.stack([held.segments[kept[own.top(query, 10)[0]]] for query in asked_for])
    run = asked(lambda query: vectors.search(query, 10, allowed=allowed).segments, asked_for, best)
    hits = [len(store.search(query, k=10, filter=condition)) for query in asked_for[:20]]
    through = asked(lambda query: _filtered_through(store, query, condition), asked_for, best)
    return run | {"through_store_p50_ms": through["p50_ms"], "fewest_hits": min(hits)}


def _filtered_through(store: LocalStore, query: Floats, condition: filters.Filter) -> Any:
    store.search(query, k=10, filter=condition)
    return np.empty(0, np.int64)


def _child(module: str, *arguments: str) -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-m", module, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        return {"engine": arguments[0], "failed": done.stderr.strip().splitlines()[-1:], "runs": []}
    outcome: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return outcome


def _table(outcomes: list[dict[str, Any]]) -> str:
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    lines = [
        f"{machine}, {time.strftime('%Y-%m-%d')}",
        f"{'engine':22}{'segments':>10}{'build s':>9}{'MB':>8}{'recall@10':>11}{'p50 ms':>9}{'p99 ms':>9}{'QPS':>8}",
    ]
    for outcome in outcomes:
        if "failed" in outcome:
            lines.append(f"{outcome['engine']:22}{outcome['failed']}")
        lines += [
            f"{outcome['engine']:22}{outcome['segments']:10,}{outcome.get('build_s', float('nan')):9.1f}"
            f"{outcome['memory'] / 1e6:8.0f}{run['recall']:11.3f}{run['p50_ms']:9.2f}{run['p99_ms']:9.2f}"
            f"{run['qps']:8.0f}"
            for run in outcome["runs"]
        ]
        for name, value in outcome.items():
            if name not in {"engine", "segments", "build_s", "memory", "runs", "failed"}:
                lines.append(f"    {name}: {json.dumps(value)}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
