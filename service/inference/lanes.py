"""Work off the event loop: bounded lanes of threads.

Decoding, encoding, searching and the catalog all block, so none of it runs on the event loop or in the thread
pool that the framework shares. A lane has its own threads and a fixed number of seats: those that work and
those that wait. Whoever finds no seat is told so at once (`Overloaded`), so that a wait never grows without
end; whoever hangs up while waiting gives the seat back, and nothing is done for them. A request takes one seat,
however many files it brings; its files are worked on one after the other.

There are three lanes, so that an hour-long upload does not hold up a search: `quick` for searches and the catalog
(milliseconds), `audio` for decoding and encoding (seconds), `map` for walks over the whole library. Prompts have a
stage of their own (`texts`), which the holder of a seat uses. Health checks use none.
"""

import asyncio
import math
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from contextvars import copy_context
from typing import Any, Final, Protocol, TypeVar

from service.errors import Overloaded
from service.inference import callers
from service.observing import timing

T = TypeVar("T")


# Seconds for which a lane may be full of a burst. Where somebody has waited at any time for longer, more comes than is
# done, and a long queue only makes everybody wait: from then on a part of it is let in.
BURST: Final = 0.25
_STANDING: Final = 2  # a half
# A service that is stopped has waited for its requests already (the setting `stop_within`).
CLOSE_WITHIN: Final = 2.0  # seconds
_PAUSE: Final = 0.01


def close(pool: ThreadPoolExecutor, busy: Callable[[], bool]) -> None:
    """Close a pool: drop what waits, and wait for what runs while `busy` says so, but no longer than CLOSE_WITHIN."""
    pool.shutdown(wait=False, cancel_futures=True)
    until = time.monotonic() + CLOSE_WITHIN
    while busy() and time.monotonic() < until:
        time.sleep(_PAUSE)


class Work(Protocol):
    """Call a blocking function on one of the lane's threads and wait for what it returns or raises."""

    async def __call__(self, function: Callable[..., T], *args: object, **options: object) -> T:
        """Run `function(*args, **options)`."""


class Lane:
    """A pool of `threads` threads with room for `queue` waiting requests; where `bursts`, all of it in a burst only."""

    def __init__(self, name: str, threads: int, queue: int, retry_after: int, *, bursts: bool = False) -> None:
        self.name = name
        self.threads = threads
        self.seats = threads + queue
        self._standing = threads + math.ceil(queue / _STANDING) if bursts else self.seats
        self._waited_since: float | None = None  # since when there is always somebody who waits
        self._lock = threading.Lock()
        self._taken = 0
        self._retry_after = retry_after
        self._running: dict[object, float] = {}  # when each piece of work that runs began
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=f"emotionrank-{name}")

    @property
    def taken(self) -> int:
        """How many requests work or wait here now."""
        return self._taken

    @property
    def held(self) -> float:
        """Seconds for which all threads have been at the same pieces of work; 0 while one is free."""
        with self._lock:
            began = list(self._running.values())
        return time.perf_counter() - max(began) if len(began) >= self.threads else 0.0

    @asynccontextmanager
    async def seat(self, *, always: bool = False) -> AsyncIterator[Work]:
        """Take a seat for a request that has several pieces of work; raises `Overloaded` when there is none.

        With `always` there is one more, for the service itself; it waits its turn like everyone.
        Each piece raises what its function raises, and `ClientDisconnect` where its caller hung up before it began.
        """
        with self._lock:
            if not always:
                self.refuse_if_full()
            self._taken += 1
            self._note_waiting()
        running: list[Future[Any]] = []

        async def work(function: Callable[..., T], *args: object, **options: object) -> T:
            if running:
                await callers.check()
            future = self._submit(function, *args, **options)
            running[:] = [future]
            if self._taken <= self.threads:  # it begins at once
                return await asyncio.wrap_future(future)
            return await callers.begun_only_for_callers(future)

        try:
            yield work
        finally:
            # A request that was given up (a time limit, a shutdown) still keeps a thread busy until its work ends.
            if running:
                running[0].add_done_callback(self._leave)
            else:
                self._leave()

    def refuse_if_full(self) -> None:
        """Raise `Overloaded` when there is no seat: for those who can tell before they have read a body."""
        if self._taken >= (self._standing if self._overrun() else self.seats):
            raise Overloaded(
                f"{self._taken} requests work or wait already, which is all that is let in. "
                f"Try again in {self._retry_after} s.",
                self._retry_after,
            )

    async def run(self, function: Callable[..., T], *args: object, **options: object) -> T:
        """Take a seat and do one piece of work; raises `Overloaded`, and whatever the work raises."""
        async with self.seat() as work:
            return await work(function, *args, **options)

    def close(self) -> None:
        """Drop what waits, and finish what runs, unless it takes longer than CLOSE_WITHIN."""
        close(self._pool, lambda: bool(self._running))

    def _submit(self, function: Callable[..., T], *args: object, **options: object) -> Future[T]:
        queued = time.perf_counter()

        def work() -> T:
            began = time.perf_counter()
            if (spent := timing.current()) is not None:
                spent.add("queue", queued, began)
            this = object()
            with self._lock:
                self._running[this] = began
            try:
                return function(*args, **options)
            finally:
                with self._lock:
                    del self._running[this]

        # With the caller's context: the request's timing and trace go on in the thread.
        return self._pool.submit(copy_context().run, work)

    def _leave(self, _: object = None) -> None:
        with self._lock:
            self._taken -= 1
            self._note_waiting()

    def _note_waiting(self) -> None:
        if self._taken <= self.threads:
            self._waited_since = None
        elif self._waited_since is None:
            self._waited_since = time.monotonic()

    def _overrun(self) -> bool:
        """Tell whether more has come than is done for longer than a burst."""
        since = self._waited_since
        return since is not None and time.monotonic() - since > BURST
