"""Load for an HTTP service: requests over kept connections, as fast as they are answered or at a given rate.

Written for as little work a request as Python allows, since it shares the cores with the service that it measures: one
protocol object a connection, requests as ready bytes, of the answer only its status and length. A machine with cores to
spare can use wrk or hey instead (`docs/benchmarks.md`).

- `closed`: each of so many callers asks again as soon as it is answered.
- `opened`: requests come at random times (a Poisson process) at a mean rate, whatever became of the ones before. An
  answer's time counts from when its request was due: waiting for a slow service is not left out.
"""

import asyncio
import math
import random
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np

REFUSED: Final = 429

_IDLE: Final = 4.0  # seconds
_STATUS: Final = re.compile(rb"HTTP/1\.1 (\d+)")
_LENGTH: Final = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)
_OWN: Final = re.compile(rb"\r\nserver-timing:[^\r]*total;dur=([0-9.]+)", re.IGNORECASE)


@dataclass(slots=True)
class Outcome:
    """Seconds of every answer, by status; `own`, how many of them the service says that it took itself.

    `late`: by how much requests were sent after they were due. What is neither late nor the service's own was waiting
    for a core: of this process, or of the service before it saw the request.
    """

    seconds: float = 0.0
    answers: dict[int, list[float]] = field(default_factory=dict)
    own: dict[int, list[float]] = field(default_factory=dict)
    late: list[float] = field(default_factory=list)

    def add(self, answer: "Answer", took: float) -> None:
        """Note one answer."""
        self.answers.setdefault(answer.status, []).append(took)
        self.own.setdefault(answer.status, []).append(answer.own)

    def count(self, status: int) -> int:
        """How many answers had that status."""
        return len(self.answers.get(status, ()))

    def milliseconds(self, status: int, percent: float, *, own: bool = False) -> float:
        """A percentile of the answers with that status, or of the service's own time; NaN where there is none."""
        taken = (self.own if own else self.answers).get(status)
        return 1000 * float(np.percentile(taken, percent)) if taken else math.nan

    def lag(self, percent: float) -> float:
        """A percentile of how late requests were sent, in milliseconds; 0 where nothing says when they were due."""
        return 1000 * float(np.percentile(self.late, percent)) if self.late else 0.0


class Answer(NamedTuple):
    """What is kept of an answer: its status, and the seconds that the service says that it took."""

    status: int
    own: float


class _Connection(asyncio.Protocol):
    """One connection, with one request under way at most."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._held = bytearray()
        self._answer: asyncio.Future[Answer] | None = None
        self._used = time.perf_counter()

    @property
    def fresh(self) -> bool:
        """Whether it may be used again: the service closes connections that are idle for 5 s."""
        return self._transport is not None and time.perf_counter() - self._used < _IDLE

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def ask(self, request: bytes) -> asyncio.Future[Answer]:
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._used = time.perf_counter()
        self._transport.write(request)
        return self._answer

    def data_received(self, data: bytes) -> None:
        self._held += data
        end = self._held.find(b"\r\n\r\n")
        if end < 0 or self._answer is None:
            return
        head = bytes(self._held[:end])
        status, length = _STATUS.match(head), _LENGTH.search(head)
        if status is None or length is None:
            self._answer.set_exception(ValueError(f"an answer without status or length: {head!r}"))
        elif len(self._held) >= end + 4 + int(length[1]):
            self._held.clear()
            own = _OWN.search(head)
            self._answer.set_result(Answer(int(status[1]), float(own[1]) / 1000 if own else math.nan))

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error or ConnectionResetError("the service hung up"))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


def request(path: str, media_type: str, body: bytes) -> bytes:
    """Write out a POST."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {media_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def closed(port: int, requests: Iterator[bytes], callers: int, seconds: float) -> Outcome:
    """Ask with that many callers for so long."""
    outcome = Outcome()

    async def call(until: float) -> None:
        connection = await _connected(port)
        while (began := time.perf_counter()) < until:
            outcome.add(await connection.ask(next(requests)), time.perf_counter() - began)
        connection.close()

    async def all_of_them() -> None:
        began = time.perf_counter()
        await asyncio.gather(*(call(began + seconds) for _ in range(callers)))
        outcome.seconds = time.perf_counter() - began

    asyncio.run(all_of_them())
    return outcome


def opened(port: int, requests: Iterator[bytes], rate: float, seconds: float, seed: int = 0) -> Outcome:
    """Ask `rate` times a second for so long, then wait for the last answers."""
    outcome = Outcome()
    free: list[_Connection] = []

    async def call(due: float) -> None:
        while free and not free[-1].fresh:
            free.pop().close()
        connection = free.pop() if free else await _connected(port)
        outcome.late.append(time.perf_counter() - due)
        outcome.add(await connection.ask(next(requests)), time.perf_counter() - due)
        free.append(connection)

    async def all_of_them() -> None:
        times = random.Random(seed)
        began = due = time.perf_counter()
        running: set[asyncio.Task[None]] = set()
        while (due := due + times.expovariate(rate)) < began + seconds:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            running.add(asyncio.create_task(call(due)))
        await asyncio.gather(*running)
        outcome.seconds = time.perf_counter() - began
        for connection in free:
            connection.close()

    asyncio.run(all_of_them())
    return outcome


def in_turn(port: int, requests: Iterator[bytes], inside: Callable[[], object], rounds: int) -> tuple[Outcome, Outcome]:
    """Ask once, do the same inside this process, and so on; return both. What disturbs one disturbs the other."""
    over_http, here = Outcome(), Outcome()

    async def turns() -> None:
        connection = await _connected(port)
        for _ in range(rounds):
            began = time.perf_counter()
            answer = await connection.ask(next(requests))
            between = time.perf_counter()
            inside()
            over_http.add(answer, between - began)
            inside_took = time.perf_counter() - between
            here.add(Answer(200, inside_took), inside_took)
        connection.close()

    asyncio.run(turns())
    return over_http, here


async def _connected(port: int) -> _Connection:
    _, connection = await asyncio.get_running_loop().create_connection(_Connection, "127.0.0.1", port)
    return connection
