"""How long the stages of a request took: `Server-Timing` for its caller, histograms for the operator.

    with begun(scope) as timing:        the outermost layer, once a request
        with stage("encode"): ...       wherever the work is done
    timing["encode"], of(scope)         seconds

The record of the request travels in a context variable. The lanes run their work in the context of the caller, so
`stage` also works in their threads; outside any request it only runs its block. A stage inside another one is taken
off the outer one's time: the stages of a request never sum to more than it took, as long as its work is done by one
thread at a time, which is so.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, Literal

from starlette.types import Scope

Stage = Literal["queue", "decode", "encode", "search"]

SPANS: Final = 200

_KEY: Final = "emotionrank.timing"


class Timing(dict[Stage, float]):
    """Seconds by stage; `started` is when the request came in, on the clock of `time.perf_counter`.

    `spans` are the first SPANS intervals (stage, from, to) in which they were spent, for whoever traces; they may lie
    within each other.
    """

    def __init__(self) -> None:
        super().__init__()
        self.started = time.perf_counter()
        self.spans: list[tuple[Stage, float, float]] = []
        self._inner = 0.0  # time of stages that have ended: what an outer stage must not count again

    @property
    def total(self) -> float:
        """Seconds since the request came in."""
        return time.perf_counter() - self.started

    def add(self, stage: Stage, began: float, ended: float) -> None:
        """Count an interval that was measured elsewhere: in a batch of several requests, for one."""
        self._count(stage, ended - began, began, ended)

    @contextmanager
    def measure(self, stage: Stage) -> Iterator[None]:
        """Count the time of the block, less that of stages inside it."""
        began, before = time.perf_counter(), self._inner
        try:
            yield
        finally:
            ended = time.perf_counter()
            self._count(stage, ended - began - (self._inner - before), began, ended)
            self._inner = before + (ended - began)

    def _count(self, stage: Stage, seconds: float, began: float, ended: float) -> None:
        self[stage] = self.get(stage, 0.0) + seconds
        if len(self.spans) < SPANS:
            self.spans.append((stage, began, ended))

    def header(self) -> str:
        """Write it as the value of `Server-Timing`, in milliseconds, the stages in the order in which they ended."""
        spent: list[tuple[str, float]] = [*self.items(), ("total", self.total)]
        return ", ".join(f"{name};dur={1000 * seconds:.2f}" for name, seconds in spent)


_current: Final[ContextVar[Timing | None]] = ContextVar("timing", default=None)


@contextmanager
def begun(scope: Scope) -> Iterator[Timing]:
    """Keep the record of a request for as long as it is answered; `of(scope)` finds it, before and after."""
    timing = scope[_KEY] = Timing()
    token = _current.set(timing)
    try:
        yield timing
    finally:
        _current.reset(token)


def of(scope: Scope) -> Timing | None:
    """Return the record of a request; None for what is no HTTP request."""
    found: Timing | None = scope.get(_KEY)
    return found


def current() -> Timing | None:
    """Return the record of the request that this code works for; None outside any."""
    return _current.get()


@contextmanager
def stage(name: Stage) -> Iterator[None]:
    """Count the time of the block for the current request, if there is one."""
    timing = _current.get()
    if timing is None:
        yield
        return
    with timing.measure(name):
        yield
