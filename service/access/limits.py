"""How much one caller may ask: so many requests in a time, so many at once.

The rate is that of a bucket which holds `requests` and fills up evenly in `period` seconds (GCRA): a caller who was
quiet may send all of them at once, and one who sends evenly is never refused. A refusal costs nothing of the
allowance and says exactly how long to wait.

Own code, for a reason: the memory storage of the library `limits` goes through all callers at every request (8.7 ms a
request with 20,000 callers, measured), so that whoever can send from many addresses could stop the event loop with it.
This takes a microsecond however many there are. It counts in this process only: with several workers each has counts of
its own.
"""

import math
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from service.errors import ConcurrencyLimited, RateLimited, SettingsInvalid

_PERIODS: Final = {"second": 1.0, "minute": 60.0, "hour": 3600.0}
_RATE: Final = re.compile(r"\s*([1-9][0-9]{0,8})\s*/\s*(second|minute|hour)\s*")
# Callers who have been quiet for a period are forgotten whenever the number kept has doubled since the last time.
_FORGET_FROM: Final = 1024
_CONCURRENCY_PAUSE: Final = 1  # seconds


@dataclass(frozen=True, slots=True)
class Rate:
    """So many requests in so many seconds."""

    requests: int
    period: float

    def __str__(self) -> str:
        unit = next(name for name, seconds in _PERIODS.items() if seconds == self.period)
        return f"{self.requests} {'an' if unit == 'hour' else 'a'} {unit}"


def read_rate(text: str) -> Rate:
    """Read "600/minute" (or second, or hour); raises `SettingsInvalid`."""
    found = _RATE.fullmatch(text)
    if found is None:
        raise SettingsInvalid("a rate is a number a second, minute or hour, such as 600/minute.")
    return Rate(int(found[1]), _PERIODS[found[2]])


class Limits:
    """The counts of all callers. To be used from one thread, that of the event loop."""

    def __init__(
        self, rate: Rate | None, concurrency: int | None, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate = rate
        self._concurrency = concurrency
        self._now = now
        self._full_again: dict[str, float] = {}  # caller -> when the whole allowance is there again
        self._forget_at = _FORGET_FROM
        self._running: Counter[str] = Counter()

    @property
    def any(self) -> bool:
        """Whether there is a limit at all."""
        return self._rate is not None or self._concurrency is not None

    @property
    def callers(self) -> int:
        """How many callers are remembered."""
        return len(self._full_again.keys() | self._running.keys())

    @contextmanager
    def place(self, caller: str) -> Iterator[None]:
        """Count a request of the caller while the block runs; raises `RateLimited` or `ConcurrencyLimited`."""
        if self._concurrency is not None and self._running[caller] >= self._concurrency:
            raise ConcurrencyLimited(
                f"{self._concurrency} requests of yours are being answered, the most for one caller at a time. "
                "Wait for one to end.",
                _CONCURRENCY_PAUSE,
            )
        if self._rate is not None:
            self._take(caller, self._rate)
        if self._concurrency is None:
            yield
            return
        self._running[caller] += 1
        try:
            yield
        finally:
            self._running[caller] -= 1
            if not self._running[caller]:
                del self._running[caller]

    def _take(self, caller: str, rate: Rate) -> None:
        now = self._now()
        each = rate.period / rate.requests
        full_again = max(self._full_again.get(caller, now), now) + each
        wait = full_again - now - rate.period
        if wait > 1e-9 * rate.period:  # more than rounding
            raise RateLimited(f"one caller may send {rate} here. Try again in {wait:.3g} s.", math.ceil(wait))
        self._full_again[caller] = full_again
        if len(self._full_again) >= self._forget_at:
            self._full_again = {caller: full for caller, full in self._full_again.items() if full > now}
            self._forget_at = max(_FORGET_FROM, 2 * len(self._full_again))
