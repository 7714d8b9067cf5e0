"""Who waits for an answer, and whether they still do: no work is begun for a caller that has hung up.

`GuardedRoute` makes the caller known once the body is read; from then on `receive` has nothing to tell but that
the connection is gone. Work that has begun is always finished: a clip half added is worth nothing to anybody.
"""

import asyncio
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, TypeVar

from starlette.requests import ClientDisconnect
from starlette.types import Receive

T = TypeVar("T")


class _Caller:
    """The caller of one request, who is watched from when it is first asked for."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._watch: asyncio.Task[None] | None = None

    def watch(self) -> asyncio.Task[None]:
        """Return the task that ends when the caller hangs up: one for all the waits of a request."""
        if self._watch is None:
            self._watch = asyncio.create_task(_gone(self._receive))
        return self._watch

    def leave(self) -> None:
        if self._watch is not None:
            self._watch.cancel()


_current: Final[ContextVar[_Caller | None]] = ContextVar("caller", default=None)


@contextmanager
def known(receive: Receive) -> Iterator[None]:
    """Have `receive` tell of the caller of this request for as long as the block lasts."""
    caller = _Caller(receive)
    token = _current.set(caller)
    try:
        yield
    finally:
        _current.reset(token)
        caller.leave()


async def begun_only_for_callers(work: Future[T]) -> T:
    """Return what queued work returns or raises; drop it when its caller hangs up before it has begun.

    Raises `ClientDisconnect` for work that was dropped.
    """
    caller = _current.get()
    if caller is None:
        return await asyncio.wrap_future(work)
    dropped = False

    def drop(_: object) -> None:
        nonlocal dropped
        dropped = work.cancel()

    watch = caller.watch()
    watch.add_done_callback(drop)
    try:
        return await asyncio.wrap_future(work)  # where this request itself is cancelled, so is work that has not begun
    except asyncio.CancelledError:
        if dropped:
            raise ClientDisconnect from None
        raise
    finally:
        watch.remove_done_callback(drop)


async def check() -> None:
    """Raise `ClientDisconnect` if the caller has hung up by now."""
    caller = _current.get()
    if caller is None:
        return
    watch = caller.watch()
    # Once for the task to begin, once for what `receive` has at hand to be told.
    for _ in range(2):
        await asyncio.sleep(0)
    if watch.done():
        raise ClientDisconnect


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
