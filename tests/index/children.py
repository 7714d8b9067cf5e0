"""Child processes for the tests: `python -m tests.index.children TASK LIBRARY ...`.

Each works on a library and says on stdout, one line a step, what it has done; a line is written only once the
store's method has returned, so whatever a parent has read was acknowledged.
"""

import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np

from encoders.errors import EmotionRankError
from index.local.library import LocalStore
from tests.index import making

ROOT = Path(__file__).parents[2]


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


def restrict() -> None:
    """Do as `start` was told, once everything is imported."""
    if size := int(os.environ.get("CHILD_LARGEST_FILE", "0")):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    if user := int(os.environ.get("CHILD_USER", "0")):
        os.setuid(user)


def churn(store: LocalStore, name: str) -> None:
    """Add clips for ever, and delete every third again; "+seed" and "-seed" say what is done."""
    number = 0
    while True:
        number += 1
        seed = f"{name}-{number}"
        # "?" announces what may or may not have happened when the end comes.
        print(f"?+{seed}", flush=True)
        store.add(making.clip(seed, {"round": name}), making.segments(vectors_of(seed)))
        print(f"+{seed}", flush=True)
        if number % 3 == 0:
            seed = f"{name}-{number - 1}"
            print(f"?-{seed}", flush=True)
            store.delete(making.clip(seed).id)
            print(f"-{seed}", flush=True)


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
            if task == "churn":
                churn(store, *arguments)
            else:
                add(store, *arguments)
    except EmotionRankError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
