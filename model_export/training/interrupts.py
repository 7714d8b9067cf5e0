"""Ctrl-C, and the SIGTERM of a scheduler, let a run finish its step and write its checkpoint."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(slots=True)
class Asked:
    """Whether somebody asked the run to stop."""

    to_stop: bool = False


@contextmanager
def watched() -> Iterator[Asked]:
    """For as long as the block lasts a first signal is noted; a second one has its usual effect.

    Outside the main thread, where Python allows no signal handlers, nothing is noted.
    """
    asked = Asked()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}

    def note(number: int, frame: FrameType | None) -> None:
        asked.to_stop = True
        signal.signal(number, before[signal.Signals(number)])

    for number in _SIGNALS:
        signal.signal(number, note)
    try:
        yield asked
    finally:
        for number in _SIGNALS:
            signal.signal(number, before[number])
