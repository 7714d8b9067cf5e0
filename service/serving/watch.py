"""Whether the service really works: in the background it does what its callers ask for, and says how that went.

Every EVERY seconds a prompt is embedded and searched for, and, while a thread is free for it, every EVERY_SOUND seconds
a second of sound is decoded and encoded: through the same stages as requests, behind whoever waits there already. So an
encoder, a decoder, a lane or a library that hangs or fails shows within seconds, and asking costs nothing: `/readyz`
reads what came of the last time. The first time is the warm-up: until then the application takes no requests.
"""

import asyncio
import io
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

import numpy as np

from encoders.encoder import Vectors
from encoders.errors import EmotionRankError
from index import query
from index.encode import encode_clip
from index.errors import QueryError
from service.engine import Engine
from service.uploads import Upload
from service.wav import wav

log: Final = logging.getLogger("emotionrank.service")

EVERY: Final = 2.0  # seconds between two searches
EVERY_SOUND: Final = 15.0
AGAIN: Final = 0.5  # after one that failed
SLOWEST: Final = 10.0  # seconds that a search may take, its wait included
SLOWEST_SOUND: Final = 60.0
WARM_WITHIN: Final = 120.0

_PROMPT: Final = "a calm, warm voice"
# A recording is encoded many times faster than it lasts, on any machine.
_FASTER_THAN_SOUND: Final = 4


class Check:
    """One thing that is done again and again: what it is in words, what came of it the last time, and when."""

    def __init__(self, what: str, work: Callable[[], Awaitable[object]], every: float, slowest: float) -> None:
        self.what = what
        self._work = work
        self._every = every
        self._slowest = slowest
        self._began: float | None = None  # the time that is going on now
        self._ended = 0.0
        self._failure: str | None = None
        self.took = 0.0  # seconds, the last time that it worked
        self.done_once = asyncio.Event()

    @property
    def age(self) -> float:
        """Seconds since the last time ended."""
        return time.monotonic() - self._ended

    def hung(self) -> str | None:
        """Say in one sentence that it does not end, or None."""
        running = 0.0 if self._began is None else time.monotonic() - self._began
        return f"{self.what} that began {running:.0f} s ago has not ended." if running > self._slowest else None

    def late(self) -> bool:
        """Tell whether it should have begun again long ago: nothing on the event loop goes on."""
        return self.done_once.is_set() and self._began is None and self.age > self._every + self._slowest

    def wrong(self) -> str | None:
        """Say in one sentence what is wrong with it, or None."""
        if (found := self.hung()) is not None:
            return found
        if not self.done_once.is_set():
            return f"{self.what} is being done for the first time."
        return self._failure

    async def repeat(self) -> None:
        """Do it until cancelled."""
        while True:
            self._began = time.monotonic()
            try:
                await self._work()
            except Exception as error:  # whatever it is: the next time may go well
                self._failed(error)
            else:
                self.took = time.monotonic() - self._began
                if self._failure is not None:
                    log.warning("ready again: %s works", self.what)
                self._failure = None
            self._began, self._ended = None, time.monotonic()
            self.done_once.set()
            await asyncio.sleep(AGAIN if self._failure else self._every)

    def _failed(self, error: Exception) -> None:
        # What errors of libraries say may name paths of this machine.
        how = f" ({error.code})" if isinstance(error, EmotionRankError) else " unexpectedly"
        failure = f"{self.what} fails{how}. The service's log says more."
        if failure != self._failure:
            log.warning(
                "not ready: %s fails: %s",
                self.what,
                error,
                exc_info=None if isinstance(error, EmotionRankError) else error,
            )
        self._failure = failure


class Watch:
    """What is watched of an engine; `watched` runs it. It may be read from any thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._recording = _recording()
        self.search = Check("a search", self._search, EVERY, SLOWEST)
        self.sound = Check("encoding a sound", self._sound, EVERY_SOUND, SLOWEST_SOUND)

    @property
    def checks(self) -> tuple[Check, ...]:
        """Everything that is done again and again."""
        return self.search, self.sound

    def wrong(self) -> str | None:
        """Say in one sentence why the service is not ready; None when it is."""
        for check in self.checks:
            if (found := check.wrong()) is not None:
                return found
        if (trouble := self._engine.decoders.trouble) is not None:
            return f"{trouble}."
        return self._held()

    def hung(self) -> str | None:
        """Say in one sentence what hangs, where only another process can help; None where nothing does."""
        for check in self.checks:
            if (found := check.hung()) is not None:
                return found
            if check.late():
                return f"{check.what} was last begun {check.age:.0f} s ago: the event loop does not go on."
        return self._held()

    def _held(self) -> str | None:
        lane, settings = self._engine.audio, self._engine.settings
        held = lane.held
        if held > SLOWEST_SOUND + settings.max_duration / _FASTER_THAN_SOUND:
            return f"all {lane.threads} threads for sound have been at the same recordings for {held:.0f} s."
        return None

    async def warm_up(self) -> None:
        """Have made what is made at its first use, so that no caller waits for it."""
        try:
            await self._engine.quick.run(_make, self._engine)
        except Exception:
            log.exception("the vocabulary could not be embedded")

    async def _search(self) -> None:
        engine = self._engine
        async with engine.quick.seat(always=True) as work:
            engine.texts.forget(_PROMPT)
            await work(_find, engine, (await engine.texts.embed([_PROMPT])).embedding)

    async def _sound(self) -> None:
        engine = self._engine
        if engine.audio.taken < engine.audio.threads:  # else those at work there show whether it works
            async with engine.audio.seat(always=True) as work:
                await work(_encode, engine, Upload("the service's own sound", io.BytesIO(self._recording)))


@asynccontextmanager
async def watched(engine: Engine) -> AsyncIterator[Watch]:
    """Warm an engine up, and watch it until the block ends. One that cannot be warmed up is watched nevertheless."""
    watch = Watch(engine)
    with suppress(TimeoutError):
        async with asyncio.timeout(WARM_WITHIN):
            await watch.warm_up()
    tasks = [asyncio.create_task(check.repeat(), name=f"watch: {check.what}") for check in watch.checks]
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(WARM_WITHIN):
                for check in watch.checks:
                    await check.done_once.wait()
        yield watch
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _make(engine: Engine) -> None:
    engine.bank.embeddings()
    with suppress(QueryError):  # a vocabulary need not span the plane
        engine.bank.plane()


def _find(engine: Engine, prompt: Vectors) -> None:
    asked = query.Query(parts=[query.TextPart(_PROMPT)], k=1)
    query.search(engine.store, engine.encoder, asked, engine.bank, prompts=prompt)


def _encode(engine: Engine, upload: Upload) -> None:
    with engine.decoders.sound(upload) as sound:
        encode_clip(engine.encoder, sound, name=upload.name)


def _recording(seconds: float = 1.0, rate: int = 16_000, pitch: float = 150.0) -> bytes:
    """Make a buzz: a WAV file of a tone with some harmonics."""
    time = np.arange(round(seconds * rate)) / rate
    harmonics = np.arange(1, 9)[:, None]
    sound = (np.sin(2 * np.pi * pitch * harmonics * time) / harmonics).sum(axis=0)
    return wav(sound / 4, rate)
