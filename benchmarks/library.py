"""A whole library of a million segments on the disk: compaction, opening, filters, searches through the store.

    python -m benchmarks.segments embed CORPUS... --output real.npz
    python -m benchmarks.library make real.npz FOLDER --segments 1000000
    python -m benchmarks.library measure FOLDER

`make` writes the catalog behind the store's back (adding clip by clip is what `benchmarks.build` measures), with a
metadata field that has a hundred values and one that has two, and compacts it with the bundle's prompts. `measure`
times, in processes of their own: opening to the first answer with the snapshot, and without; then, one thread, the
median of searches by prompts through the store, plain and filtered, and what a filter costs the first time.
"""

import argparse
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.segments import grow
from encoders.encoder import Encoder
from index import filters
from index.local.catalog import Rows
from index.local.library import CATALOG, LocalStore
from index.prompts import PromptBank

# Of each kind several, so that the first time has a median too.
FILTERS: dict[str, list[dict[str, Any]]] = {
    "keeps 1 %": [{"speaker": f"{speaker:02d}"} for speaker in range(20)],
    "keeps half": [{"half": half} for half in (True, False)],
    "keeps 99 %": [{"not": {"speaker": f"{speaker:02d}"}} for speaker in range(20)],
    "half and range": [{"half": half, "valence": {"gte": 4}} for half in (True, False)],
}
_OPENING = """
import sys, time
import numpy as np
from pathlib import Path
from index.local.library import LocalStore
query = np.load(sys.argv[2])
start = time.perf_counter()
with LocalStore.open(Path(sys.argv[1]), None, read_only=True) as store:
    hits = store.search(query, k=10)
    print(len(hits), time.perf_counter() - start)
"""


def make(real: Path, folder: Path, segments: int) -> None:
    """Write a library of made segments, and compact it."""
    encoder = Encoder.load()
    arrays = np.load(real)
    with LocalStore.create(folder, encoder.bundle) as store:
        connection = sqlite3.connect(folder / CATALOG, isolation_level=None)
        connection.execute("PRAGMA synchronous = OFF")
        rng = np.random.default_rng(1)
        for rows in grow(arrays["embedding"], arrays["recording"], segments):
            connection.execute("BEGIN")
            _insert(connection, rows, rng)
            connection.execute("COMMIT")
        connection.close()
        print(store.compact(PromptBank(encoder).embeddings()))


def measure(folder: Path) -> None:
    """Print what opening and searching take."""
    encoder = Encoder.load()
    queries = PromptBank(encoder).embeddings()
    file = folder.with_suffix(".query.npy")
    np.save(file, queries[0])
    print("opened to the first answer:", _fresh(folder, file))
    snapshots, aside = folder / "snapshots", folder / "aside"
    snapshots.rename(aside)
    try:
        print("without the snapshot:", _fresh(folder, file))
    finally:
        aside.rename(snapshots)
    with LocalStore.open(folder, encoder.bundle, read_only=True) as store:
        start = time.perf_counter()
        info = store.info()
        print(f"info: {time.perf_counter() - start:.2f} s\n{info.index}")
        store.search(queries[0], k=10)
        plain, again = _each(store, queries[:200], [None] * 200), _each(store, queries[:200], [None] * 200)
        print(f"search: {plain:.2f} ms, again {again:.2f} ms")
        for name, values in FILTERS.items():
            conditions = [filters.parse(value) for value in values]
            asked = queries[200 : 200 + len(values)]  # clips that no search before has read
            first = _each(store, asked, conditions)
            then = statistics.median(_each(store, queries[:50], [condition] * 50) for condition in conditions[:2])
            print(f"filter that {name}: {first:.2f} ms the first time, then {then:.2f} ms")


def _insert(connection: sqlite3.Connection, rows: Rows, rng: np.random.Generator) -> None:
    clips, first, counts = np.unique(rows.clips, return_index=True, return_counts=True)
    affect = rng.uniform(1, 7, (len(clips), 2))
    hashes = [f"{own:016x}" + 48 * "0" for own in rows.ids[first].tolist()]
    connection.executemany(
        "INSERT INTO clips (number, id, sha256, name, path, duration, added_at, valence, arousal, segments)"
        " VALUES (?, ?, ?, ?, ?, ?, '2026-01-01T00:00:00.000000+00:00', ?, ?, ?)",
        (
            (
                clip,
                own[:16],
                own,
                f"{clip}.wav",
                f"/audio/{clip}.wav",
                2.0 * count,
                *point,
                count,
            )
            for clip, own, count, point in zip(clips.tolist(), hashes, counts.tolist(), affect.tolist(), strict=True)
        ),
    )
    connection.executemany(
        'INSERT INTO segments (id, clip, start, "end", valence, arousal, embedding) VALUES (?, ?, ?, ?, ?, ?, ?)',
        (
            (segment, clip, start, start + 3, *affect[clip - clips[0]].tolist(), code.tobytes())
            for segment, clip, start, code in zip(
                rows.segments.tolist(), rows.clips.tolist(), rows.starts.tolist(), rows.codes, strict=True
            )
        ),
    )
    fields = [
        field
        for clip in clips.tolist()
        for field in ((clip, "half", "boolean", clip % 2), (clip, "speaker", "text", f"{clip % 100:02d}"))
    ]
    connection.executemany("INSERT INTO metadata VALUES (?, ?, ?, ?)", fields)
    connection.executemany("INSERT INTO changes (kind, clip) VALUES ('add', ?)", ((clip,) for clip in clips.tolist()))


def _fresh(folder: Path, query: Path) -> str:
    command = [sys.executable, "-c", _OPENING, str(folder), str(query)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    hits, seconds = done.stdout.split()
    return f"{hits} hits after {float(seconds):.2f} s"


def _each(store: LocalStore, queries: npt.NDArray[np.float32], conditions: Sequence[filters.Filter | None]) -> float:
    """Return the median milliseconds of searches, each query with its own condition."""
    spans = []
    for query, condition in zip(queries, conditions, strict=True):
        start = time.perf_counter()
        store.search(query, k=10, filter=condition)
        spans.append(time.perf_counter() - start)
    return 1000 * statistics.median(spans)


def main() -> None:
    """Make a library, or measure one."""
    parser = argparse.ArgumentParser(description="A large library: compaction, opening, filters, searches.")
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("make", help="make a library of made segments")
    making.add_argument("real", type=Path, help="what `benchmarks.segments embed` wrote")
    making.add_argument("folder", type=Path)
    making.add_argument("--segments", type=int, default=1_000_000)
    measuring = commands.add_parser("measure", help="time what it takes to use one")
    measuring.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    if arguments.command == "make":
        make(arguments.real, arguments.folder, arguments.segments)
    else:
        measure(arguments.folder)


if __name__ == "__main__":
    main()
