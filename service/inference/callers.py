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

_receive: Final[ContextVar[Receive | None]] = ContextVar("receive", default=None)


@contextmanager
def known(receive: Receive) -> Iterator[None]:
    """Have `receive` tell of the caller of this request for as long as the block lasts."""
    token = _receive.set(receive)
    try:
        yield
    finally:
        _receive.reset(token)


async def begun_only_for_callers(work: Future[T]) -> T:
    """Return what queued work returns or raises; drop it when its caller hangs up before it has begun.

    Raises `ClientDisconnect` for work that was dropped.
    """
    receive = _receive.get()
    if receive is None:
        return await asyncio.wrap_future(work)
    outcome = asyncio.wrap_future(work)
    watch = asyncio.create_task(_gone(receive))
    try:
        await asyncio.wait((outcome, watch), return_when=asyncio.FIRST_COMPLETED)
        if not outcome.done() and work.cancel():
            raise ClientDisconnect
        return await outcome
    finally:
        watch.cancel()
        outcome.cancel()  # where this request itself was cancelled; it does nothing to work that has begun


async def check() -> None:
    """Raise `ClientDisconnect` if the caller has hung up by now."""
    receive = _receive.get()
    if receive is None:
        return
    watch = asyncio.create_task(_gone(receive))
    # Once for the task to begin, once for what `receive` has at hand to be told.
    for _ in range(2):
        await asyncio.sleep(0)
    if watch.done():
        raise ClientDisconnect
    watch.cancel()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
