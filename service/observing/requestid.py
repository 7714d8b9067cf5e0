"""The id of a request, by which its answer, its problem and what the log says of it are found again.

A caller's own id is kept when it is well-formed, so that one id can follow a request through several services;
otherwise one is made. The id is known wherever the request is worked on, in the lanes' threads too (a context
variable).
"""

import re
import secrets
from contextvars import ContextVar
from typing import Final

HEADER: Final = "X-Request-Id"

_WELL_FORMED: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+=-]{0,127}")
_current: Final[ContextVar[str | None]] = ContextVar("request_id", default=None)


def begin(given: str | None) -> str:
    """Take the id that the caller gave, or make one, for the request that this context is about; return it."""
    chosen = given if given and _WELL_FORMED.fullmatch(given) else secrets.token_hex(8)
    # Never reset: every request has a context of its own, and the outermost layer still answers its errors with it.
    _current.set(chosen)
    return chosen


def current() -> str | None:
    """Return the id of the request that this code works for; None outside any."""
    return _current.get()
