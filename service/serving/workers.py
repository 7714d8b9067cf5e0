"""Several processes that serve one library on one port, under uvicorn's own supervisor.

The parent claims the port, verifies the bundle and opens the library once, so that what is wrong with them is one
clear error; then it starts the workers, which share the port's socket. Each has an engine of its own, warm before it
takes its first request. A worker that dies is replaced, and so is one that is stuck (`service.serving.stuck`); SIGHUP
replaces all of them one by one, and workers end when their parent does, however that ends. What they share is the
library: its snapshot is mapped, its catalog takes writers in turn, and each asks it before a search whether another
has changed anything.

Settings reach a worker as they are: uvicorn's configuration, which every worker is sent, holds them.
"""

import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, ClassVar, Final

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from encoders.errors import EmotionRankError
from service.serving import listening, stuck
from service.serving.protocol import Protocol
from service.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI

    from service.serving.watch import Watch

# uvicorn kills a worker that does not answer its parent for so long. Python's lock is not held longer than that by
# anything here, but loading libraries on a slow machine comes near.
_SIGN_OF_LIFE: Final = 60  # seconds
# What a worker needs to end, beyond the time that its requests have.
_TO_END: Final = 10.0  # seconds


class WorkerFailed(EmotionRankError):  # noqa: N818 - the tree's naming, see encoders.errors
    """A worker could not start, so none would."""

    code: ClassVar[str] = "worker-failed"


def serve(
    settings: Settings, bound: socket.socket, *, ready: Callable[[str], None], log_level: str = "warning"
) -> None:
    """Serve with `settings.workers` processes until SIGINT or SIGTERM; `ready` gets the URL once one of them searches.

    Raises AddressUnusable, WorkerFailed, SettingsInvalid, and what the bundle and the library raise. To be called from
    the main thread.
    """
    from service.engine import check
    from service.observing import sharing

    check(settings)
    config = uvicorn.Config(
        partial(make_app, settings),
        factory=True,
        http=Protocol,
        workers=settings.workers,
        log_level="warning",
        timeout_graceful_shutdown=settings.stop_within,
        timeout_worker_healthcheck=_SIGN_OF_LIFE,
    )
    supervisor = _Supervisor(config, [bound])
    with sharing.folder(), listening.listened(bound), listening.announced(bound, ready):
        supervisor.run()
    if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
        raise WorkerFailed("a worker could not start; the lines above say why.")


def make_app(settings: Settings) -> "FastAPI":
    """Make the application of one worker, in its process."""
    from service.app import create_app

    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    app = create_app(settings, warm=listening.answer_promptly)

    def hung() -> str | None:
        watch: Watch | None = getattr(app.state, "watch", None)  # there is none before it is warm
        return None if watch is None else watch.hung()

    stuck.ends_when(hung, stop_within=settings.stop_within, after=stuck.AFTER)
    return app


class _Supervisor(Multiprocess):
    """uvicorn's, with an end to its patience: a second Ctrl-C, or a worker that does not end in time, is final.

    And a worker that ends while it is asked for a sign of life is replaced at once, not when it would count as hung.
    """

    def init_processes(self) -> None:
        """Start the workers."""
        super().init_processes()
        self._leave_them_their_ends()

    def keep_subprocess_alive(self) -> None:
        """Replace the workers that have ended or hang."""
        super().keep_subprocess_alive()
        self._leave_them_their_ends()

    def _leave_them_their_ends(self) -> None:
        # As long as this process holds a worker's end of the pipe too, the pipe does not tell that the worker is gone.
        for process in self.processes:
            process.child_conn.close()

    def join_all(self) -> None:
        """Wait until every worker has ended."""
        until = time.monotonic() + (self.config.timeout_graceful_shutdown or 0) + _TO_END
        while any(process.process.is_alive() for process in self.processes):
            if time.monotonic() > until or signal.SIGINT in self.signal_queue:
                for process in self.processes:
                    process.process.kill()
                break
            time.sleep(0.05)
        super().join_all()


def _end_with_parent() -> None:
    """Stop this worker, in good order, when its parent is gone: nobody would replace or stop it any more."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
