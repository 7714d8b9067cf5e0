"""A worker that is stuck ends, so that its supervisor starts another in its place.

What hangs in a thread (a library on a disk that is gone, a fault in C) cannot be ended from within the process; another
process can be. So a worker that its watch has called stuck for AFTER seconds without a break stops as it does at
SIGTERM: its other requests have `stop_within` seconds to finish in, and it then ends whatever still hangs. A library
or an encoder that fails is no reason: it would fail in the next process too.
"""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Final

log: Final = logging.getLogger("emotionrank.service")

AFTER: Final = 60.0  # seconds
_EVERY: Final = 1.0
# What a worker needs to end, beyond the time that its requests have.
_TO_END: Final = 5.0  # seconds
_FAILED: Final = 1


def ends_when(hung: Callable[[], str | None], *, stop_within: float, after: float) -> None:
    """From a thread of its own, end this process once `hung` has said what hangs for `after` seconds in a row."""

    def look() -> None:
        since: float | None = None
        while since is None or time.monotonic() - since < after:
            time.sleep(min(_EVERY, after))
            reason = hung()
            if reason is None:
                since = None
            elif since is None:
                since = time.monotonic()
        log.error("this worker is stuck, another takes its place: %s", reason)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(stop_within + _TO_END)
        os._exit(_FAILED)

    threading.Thread(target=look, name="stuck", daemon=True).start()
