"""When a call is sent again, and after which pause.

- The service was too busy (429) or away (502, 503, 504), and did nothing: after the pause that its `Retry-After`
  asks for, and a random moment more, so that those who were refused together do not come back together. Asked for a
  pause longer than `longest`, the caller is told at once instead.
- The connection could not be made: nothing was sent.
- The connection broke on the way: only calls that may be done twice. All but `delete` may: searches change nothing, and
  a clip that is added twice is one clip. An answer that takes too long is never asked for again.

An answer that came and cannot be decoded is raised at once.
"""

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final, Literal

import httpx

from service.client.errors import AnswerUnreadable, Unreachable, refusal

Repeat = Literal["never", "refused", "lost"]

_REFUSED: Final = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
# A proxy says these of a request that it may have passed on.
_PERHAPS_DONE: Final = frozenset({HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT})
_NEVER_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


@dataclass(frozen=True, slots=True)
class Retries:
    """At most `most` further tries; pauses, in seconds, from `first`, doubling, up to `longest`."""

    most: int = 4
    first: float = 0.2
    longest: float = 10.0


class Tries:
    """The tries of one call."""

    def __init__(self, policy: Retries, repeat: Repeat) -> None:
        self._policy = policy
        self._repeat = repeat
        self._done = 0

    def refused(self, answer: httpx.Response) -> float:
        """Return the pause before the next try; raises `ProblemError` when there is none."""
        asked = _asked(answer.headers.get("retry-after"))
        done = answer.status_code in _PERHAPS_DONE and self._repeat != "lost"
        over = self._repeat == "never" or self._done >= self._policy.most or asked > self._policy.longest
        if answer.status_code not in _REFUSED or done or over:
            raise refusal(answer)
        return self._pause(asked)

    def lost(self, error: httpx.RequestError, address: str) -> float:
        """Return the pause before the next try; raises `Unreachable` when there is none.

        Raises AnswerUnreadable for an answer that came and cannot be decoded.
        """
        if not isinstance(error, httpx.TransportError):
            raise AnswerUnreadable(f"{address} answered, but not so that it can be read: {error}") from error
        sent = not isinstance(error, _NEVER_SENT)
        slow = isinstance(error, httpx.TimeoutException) and sent
        allowed = self._repeat == "lost" or (self._repeat == "refused" and not sent)
        if slow or not allowed or self._done >= self._policy.most:
            why = str(error) or type(error).__name__
            tries = f", {self._done + 1} times" if self._done else ""
            unknown = " Whether the request was carried out is not known." if sent and self._repeat != "lost" else ""
            longer = " It may still be at work; the client's `timeout` says how long to wait." if slow else ""
            raise Unreachable(f"no answer from {address}{tries}: {why}.{unknown}{longer}") from error
        return self._pause(0.0)

    def _pause(self, asked: float) -> float:
        backoff = min(self._policy.longest, self._policy.first * 2**self._done)
        self._done += 1
        return asked + random.uniform(0, backoff) if asked else random.uniform(backoff / 2, backoff)


def _asked(header: str | None) -> float:
    """Read Retry-After, seconds or a date, as seconds from now; 0 for none."""
    if header is None:
        return 0.0
    if header.isascii() and header.isdigit():
        return float(header)
    try:
        until = parsedate_to_datetime(header)
    except (ValueError, OverflowError):
        return 0.0
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max(0.0, (until - datetime.now(UTC)).total_seconds())
