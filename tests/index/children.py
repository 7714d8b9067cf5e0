"""Child processes for the tests: `python -m tests.index.children TASK LIBRARY ...`.

Each works on a library and says on stdout, one line a step, what it has done; a line is written only once the
store's method has returned, so whatever a parent has read was acknowledged.
"""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from encoders.errors import EmotionRankError
from index.errors import LibraryBusy
from index.local.library import LocalStore
from tests.index import making

ROOT = Path(__file__).parents[2]
TOGETHER = 4


def vectors_of(seed: str) -> making.Vectors:
    """Return the embeddings of a clip that a child adds, 1 to 5 of them; parents know them the same way."""
    rng = np.random.default_rng(int.from_bytes(seed.encode()))
    return making.unit(rng, int(rng.integers(1, 6)))


def start(task: str, library: Path, *arguments: object, largest_file: int = 0, user: int = 0) -> subprocess.Popen[str]:
    """Start a child; it may be kept from writing files over a size (bytes), or work as another user."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.index.children", task, str(library), *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"CHILD_LARGEST_FILE": str(largest_file), "CHILD_USER": str(user)},
    )


def kill(child: subprocess.Popen[str]) -> list[str]:
    """Kill a child and return the lines it wrote that have not been read yet."""
    child.kill()
    # `communicate` would pass over what reading a line has fetched already.
    assert child.stdout is not None
    assert child.stderr is not None
    with child, child.stdout, child.stderr:
        lines, errors = child.stdout.read().splitlines(), child.stderr.read()
    assert child.returncode == -signal.SIGKILL, errors
    return lines


def restrict() -> None:
    """Do as `start` was told, once everything is imported."""
    if size := int(os.environ.get("CHILD_LARGEST_FILE", "0")):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    if user := int(os.environ.get("CHILD_USER", "0")):
        os.setuid(user)


def churn(store: LocalStore, name: str) -> None:
    """Add clips with their audio for ever, delete every third again; "+seed" and "-seed" say what is done."""
    number = 0
    while True:
        number += 1
        seed = f"{name}-{number}"
        # "?" announces what may or may not have happened when the end comes.
        print(f"?+{seed}", flush=True)
        new = making.clip(seed, {"round": name})
        file = store.audio / f"{new.id}.wav"
        file.write_bytes(seed.encode())
        store.add(replace(new, path=str(file)), making.segments(vectors_of(seed)))
        print(f"+{seed}", flush=True)
        if number % 3 == 0:
            seed = f"{name}-{number - 1}"
            print(f"?-{seed}", flush=True)
            store.delete(making.clip(seed).id)
            print(f"-{seed}", flush=True)


def together(store: LocalStore, name: str) -> None:
    """Add clips for ever, TOGETHER in one transaction each time; said as `churn` says it."""
    number = 0
    while True:
        seeds = [f"{name}-{number + place}" for place in range(TOGETHER)]
        number += TOGETHER
        print(*(f"?+{seed}" for seed in seeds), sep="\n", flush=True)
        with store.together():
            for seed in seeds:
                store.add(making.clip(seed, {"round": name}), making.segments(vectors_of(seed)))
        print(*(f"+{seed}" for seed in seeds), sep="\n", flush=True)


def compact(store: LocalStore, count: str = "1000000") -> None:
    """Compact so many times, by default for ever; "c" says that it is done. Where another is at it, that is fine."""
    for _ in range(int(count)):
        with suppress(LibraryBusy):
            store.compact()
            print("c", flush=True)


def backup(store: LocalStore, target: str) -> None:
    """Copy the library for ever, to `<target>-1`, `<target>-2` ...; "b1" says that the first is done."""
    print("begun", flush=True)
    number = 0
    while True:
        number += 1
        with suppress(LibraryBusy):
            store.backup(Path(f"{target}-{number}"))
            print(f"b{number}", flush=True)


def add(store: LocalStore, name: str, count: str) -> None:
    """Add so many clips."""
    for number in range(int(count)):
        seed = f"{name}-{number}"
        store.add(making.clip(seed), making.segments(vectors_of(seed)))
        print(f"+{seed}", flush=True)


def main(task: str, library: str, *arguments: str) -> None:
    """Run a task; an error a user can cause is one line on stderr."""
    restrict()
    try:
        path = Path(library)
        if task == "read":
            with LocalStore.open(path, making.bundle(), read_only=True) as store:
                hits = store.search(np.ones(making.DIM, np.float32), k=1_000)
                print(*sorted(hit.clip.name for hit in hits))
            if not arguments:
                return
            task, arguments = arguments[0], arguments[1:]
        with LocalStore.create(path, making.bundle()) as store:
            tasks: list[Callable[..., None]] = [churn, together, add, compact, backup]
            next(own for own in tasks if own.__name__ == task)(store, *arguments)
    except EmotionRankError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
