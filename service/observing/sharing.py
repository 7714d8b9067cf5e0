"""The metrics of several worker processes, as one.

    with sharing.folder(): ...start the workers...     the process that starts them
    sharing.join()                                     a worker, before it makes its first metric
    sharing.collector()                                the sum over all workers, at each scrape

This is prometheus-client's multiprocess mode: every value lives in a memory-mapped file, and whichever worker is
scraped adds up the files of all. Two things are chosen differently. A worker's files are named after a *slot*, the
lowest number that no living worker holds (a lock that the kernel gives back), and not after its process: a worker that
takes a dead one's place goes on with its counters, so that they never fall, and the files never become more. And
what a dead worker said of itself (its queue, its memory) is removed at the next scrape, whoever notices.
"""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Final

from prometheus_client import values
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import CollectorRegistry

# prometheus-client's own variable: its files are found by it.
VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"

_held: dict[Path, int] = {}  # by folder: the lock of this process's slot, held until it ends


def active() -> bool:
    """Say whether this process shares its metrics with others."""
    return VARIABLE in os.environ


@contextmanager
def folder() -> Iterator[None]:
    """Let the processes that are started in the block share their metrics, in a temporary folder."""
    before = os.environ.get(VARIABLE)
    with tempfile.TemporaryDirectory(prefix="emotionrank-metrics-") as path:
        os.environ[VARIABLE] = path
        try:
            yield
        finally:
            os.environ.pop(VARIABLE)
            if before is not None:
                os.environ[VARIABLE] = before


def join() -> None:
    """Take a slot of the folder, once a process: metrics that are made from here on are shared."""
    place = _place()
    if place in _held:
        return
    slot, lock = next((slot, lock) for slot in count() if (lock := _locked(place, slot)) is not None)
    _held[place] = lock
    for left in place.glob(f"gauge_*_{slot}.db"):
        left.unlink()
    values.ValueClass = values.MultiProcessValue(lambda: slot)  # type: ignore[no-untyped-call]


def collector() -> CollectorRegistry:
    """Return a registry that collects what all workers counted."""
    place = _place()
    for left in place.glob("slot-*"):
        slot = int(left.name.removeprefix("slot-"))
        lock = _locked(place, slot)
        if lock is not None:  # nobody's: its worker is dead
            mark_process_dead(slot, str(place))  # type: ignore[no-untyped-call]
            os.close(lock)
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(place))  # type: ignore[no-untyped-call]
    return registry


def _place() -> Path:
    return Path(os.environ[VARIABLE])


def _locked(place: Path, slot: int) -> int | None:
    """Lock a slot; None where a living process has it."""
    lock = os.open(place / f"slot-{slot}", os.O_RDWR | os.O_CREAT, 0o600)
    with suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return lock
    os.close(lock)
    return None
