"""The metrics of several worker processes, as one.

    with sharing.folder(): ...start the workers...     the process that starts them
    sharing.join()                                     a worker, before it makes its first metric
    sharing.collector()                                the sum over all workers, at each scrape

This is prometheus-client's multiprocess mode: every value lives in a memory-mapped file, and whichever worker is
scraped adds up the files of all. Two things are chosen differently. A worker's files are named after a *slot*, the
lowest number that no living worker holds (a lock that the kernel gives back), and not after its process: a worker that
takes a dead one's place goes on with its counters, so that they never fall, and the files never become more. And
what a dead worker said of itself (its queue, its memory) is removed at the next scrape, whoever notices. The folder of
a service that was killed is removed by the next one to start.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Final

from prometheus_client import values
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import CollectorRegistry

# prometheus-client's own variable: its files are found by it.
VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"

_PREFIX: Final = "emotionrank-metrics-"
_OWNER: Final = "owner"  # locked by the process that made the folder, until it ends

_held: dict[Path, int] = {}  # by folder: the lock of this process's slot, held until it ends


def active() -> bool:
    """Say whether this process shares its metrics with others."""
    return VARIABLE in os.environ


@contextmanager
def folder() -> Iterator[None]:
    """Let the processes that are started in the block share their metrics, in a temporary folder."""
    _sweep()
    before = os.environ.get(VARIABLE)
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as path:
        owner = _lock(Path(path, _OWNER))
        os.environ[VARIABLE] = path
        try:
            yield
        finally:
            if owner is not None:
                os.close(owner)
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


def _sweep() -> None:
    """Remove the folders of those who were killed: ours, and such that neither an owner nor a worker of it lives."""
    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError), ExitStack() as held:
            if left.is_symlink() or left.stat().st_uid != os.getuid():
                continue
            for file in (left / _OWNER, *left.glob("slot-*")):
                lock = os.open(file, os.O_RDWR)  # without an owner's file it may just be being made
                held.callback(os.close, lock)
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left)


def _locked(place: Path, slot: int) -> int | None:
    """Lock a slot; None where a living process has it."""
    return _lock(place / f"slot-{slot}")


def _lock(file: Path) -> int | None:
    """Lock a file, made where there is none, until what is returned is closed; None where somebody else has it."""
    lock = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    with suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return lock
    os.close(lock)
    return None
