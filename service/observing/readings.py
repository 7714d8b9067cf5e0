"""What is read from the running service when it is scraped: lanes, library, process.

Lanes and process are read each time. The library is counted on a thread of its own, at most every `_COUNT_EVERY`
seconds, and a scrape waits for it a moment only: a library that hangs must not take the metrics with it.
`emotionrank_library_read_timestamp_seconds` says how old its figures are.

With several workers each one sets its readings down every second, since only one of them is asked.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from threading import active_count
from typing import Final

from prometheus_client import ProcessCollector

from encoders.bundle import Bundle
from encoders.errors import EmotionRankError
from index.store import Store
from service.inference.lanes import Lane
from service.inference.texts import Texts
from service.observing import sharing
from service.observing.metrics import Metrics
from service.problems import log

_COUNT_EVERY: Final = 10.0  # seconds
_PATIENCE: Final = 0.5  # seconds
_PUBLISH_EVERY: Final = 1.0  # seconds


class Readings:
    """The gauges of one application, and where they are read. To be used from one event loop, and closed."""

    def __init__(self, metrics: Metrics, bundle: Bundle, store: Store, texts: Texts, lanes: Sequence[Lane]) -> None:
        self._store = store
        self._texts = texts
        self._lanes = lanes
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="emotionrank-readings")
        self._counting: Future[None] | None = None
        self._counted = -_COUNT_EVERY
        self._process = ProcessCollector(registry=None)
        self._cpu_spent = 0.0
        self._wrong: Callable[[], str | None] = lambda: None

        gauge = metrics.gauge
        self._threads = gauge("lane_threads", "Threads of a lane.", "lane")
        self._busy = gauge("lane_busy", "Requests that a lane works on.", "lane")
        self._depth = gauge("queue_depth", "Requests that wait for a thread of a lane.", "lane")
        self._workers = gauge("workers", "Worker processes.")
        self._ready = gauge("ready", "Worker processes that are ready.")
        gauge("start_timestamp_seconds", "When the oldest worker began.", mode="livemin").set_to_current_time()
        self._memory = gauge("resident_memory_bytes", "Resident memory of the workers.")
        self._files = gauge("open_files", "Open file descriptors of the workers.")
        self._python_threads = gauge("threads", "Python's threads in the workers.")
        self._cpu = metrics.counter("cpu_seconds", "Processor time of the workers.")
        self._clips = gauge("library_clips", "Clips of the library.", mode="livemostrecent")
        self._segments = gauge("library_segments", "Segments of the library.", mode="livemostrecent")
        self._seconds = gauge("library_seconds", "Seconds of sound in the library.", mode="livemostrecent")
        self._tail = gauge(
            "index_tail_segments",
            "Segments added since the snapshot, which are searched one by one.",
            mode="livemostrecent",
        )
        self._read_at = gauge(
            "library_read_timestamp_seconds", "When the library was last counted.", mode="livemostrecent"
        )
        named = gauge("bundle_info", "The bundle in use.", "name", "version", "fingerprint", mode="livemostrecent")
        named.labels(bundle.info.name, bundle.info.version, bundle.fingerprint).set(1)

    def watch(self, wrong: Callable[[], str | None]) -> None:
        """Have `wrong` say why the service is not ready, or None, from here on."""
        self._wrong = wrong

    async def refresh(self) -> None:
        """Read everything."""
        self._read_own()
        if self._counting is None and time.monotonic() - self._counted >= _COUNT_EVERY:
            self._counting = self._pool.submit(self._count)
        if self._counting is not None:
            await asyncio.wait([asyncio.wrap_future(self._counting)], timeout=_PATIENCE)
            if self._counting.done():
                self._counting = None

    @asynccontextmanager
    async def published(self) -> AsyncIterator[None]:
        """While the block lasts, let other workers know this one's readings."""

        async def publish() -> None:
            while True:
                await self.refresh()
                await asyncio.sleep(_PUBLISH_EVERY)

        if not sharing.active():
            yield
            return
        task = asyncio.create_task(publish())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def close(self) -> None:
        """Read no more; a count that hangs is not waited for."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _read_own(self) -> None:
        for lane in self._lanes:
            taken = lane.taken
            self._threads.labels(lane.name).set(lane.threads)
            self._busy.labels(lane.name).set(min(taken, lane.threads))
            self._depth.labels(lane.name).set(max(0, taken - lane.threads))
        self._depth.labels("texts").set(self._texts.waiting)  # they hold seats of a lane while they wait
        self._workers.set(1)
        self._ready.set(self._wrong() is None)
        self._python_threads.set(active_count())
        read = {sample.name: sample.value for metric in self._process.collect() for sample in metric.samples}
        self._memory.set(read.get("process_resident_memory_bytes", 0))
        self._files.set(read.get("process_open_fds", 0))
        spent = read.get("process_cpu_seconds_total", self._cpu_spent)  # /proc cannot be read without a free descriptor
        self._cpu.inc(spent - self._cpu_spent)
        self._cpu_spent = spent

    def _count(self) -> None:
        try:
            counts, index = self._store.count(), self._store.index()
        except EmotionRankError as error:
            log.warning("the library could not be counted for the metrics: %s", error)
            return
        finally:
            self._counted = time.monotonic()
        self._clips.set(counts.clips)
        self._segments.set(counts.segments)
        self._seconds.set(counts.seconds)
        self._tail.set(index.tail or 0)
        self._read_at.set_to_current_time()
