"""Serve a library until it is stopped, with one process or several: what `serve` and `demo` have in common."""

import socket
from collections.abc import Callable
from contextlib import suppress

from encoders.encoder import Encoder
from service.app import create_app
from service.engine import open_engine
from service.serving import listening, workers
from service.settings import Settings


def serve(
    settings: Settings, bound: socket.socket, *, ready: Callable[[str], None], encoder: Encoder | None = None
) -> None:
    """Serve until SIGINT or SIGTERM; `ready` gets the URL once a search works. To be called from the main thread.

    A caller that has the bundle's `encoder` already may give it. The process has to end soon after, and does, whatever
    hangs in it. Raises AddressUnusable, WorkerFailed, SettingsInvalid, and what the bundle and the library raise.
    """
    if settings.workers > 1:
        workers.serve(settings, bound, ready=ready)
        return
    with open_engine(settings, encoder=encoder) as engine, suppress(KeyboardInterrupt):
        app = create_app(settings, engine=engine, warm=listening.answer_promptly)
        listening.serve(app, bound, ready=ready, stop_within=settings.stop_within)
    listening.end_soon()
