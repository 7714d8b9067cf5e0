"""What the service counts and measures, for Prometheus.

One `Metrics` an application, with a registry of its own. The middleware of `service.observing.middleware` records
requests, `service.observing.readings` sets what is read at a scrape, the code records the rest (`batch`, `cached`,
...). With several workers, each one's scrape tells the sum of all (`service.observing.sharing`).

The labels are bounded: routes are templates and never paths, types of problems are those of the table, everything
else is a word of the code. Nothing that a request holds becomes a label.
"""

from collections.abc import Mapping
from typing import Final, Literal

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.registry import CollectorRegistry

from service.observing import sharing
from service.observing.timing import Stage

PREFIX: Final = "emotionrank_"
# Bounds in seconds: a search takes milliseconds, an hour's recording minutes.
SECONDS: Final = (0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)
# The statuses of what might have been done at another time, or for another caller.
REFUSALS: Final = frozenset({401, 403, 413, 429, 503})
# What the values of several workers become: their sum, the least, or the one set last. The dead do not count.
Mode = Literal["livesum", "livemin", "livemostrecent"]


class Metrics:
    """The metrics of one application. Any thread may record."""

    def __init__(self) -> None:
        if sharing.active():
            sharing.join()
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for every series, which nothing here needs
        self._registry = CollectorRegistry()
        self._requests = self.counter("requests", "Requests answered.", "method", "route", "status")
        self._seconds = self.histogram(
            "request_seconds", "From a request's arrival to the end of its answer.", SECONDS, "method", "route"
        )
        self._stages = self.histogram(
            "stage_seconds", "Time of a request in each of the stages that it went through.", SECONDS, "stage"
        )
        self.running: Final = self.gauge("requests_running", "Requests being answered now.")
        self._problems = self.counter("problems", "Requests answered with a problem, by its type.", "type")
        self._rejections = self.counter("rejections", "Requests turned away, by reason.", "reason")
        self._batches = self.histogram("text_batch_size", "Prompts that were encoded together.", SIZES)
        looked_up = self.counter("prompt_cache", "Prompts looked up in the cache of embeddings.", "result")
        self._hits, self._misses = looked_up.labels("hit"), looked_up.labels("miss")
        self._deaths = self.counter("decoder_deaths", "Decoders that ended before their work did.", "reason")

    def request(self, method: str, route: str, status: int, seconds: float, stages: Mapping[Stage, float]) -> None:
        """Count a request that has been answered; `stages` are seconds by stage."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)
        for stage, spent in stages.items():
            self._stages.labels(stage).observe(spent)

    def problem(self, code: str, status: int) -> None:
        """Count an answer that is a problem; those that turn a request away count as rejections too."""
        self._problems.labels(code).inc()
        if status in REFUSALS:
            self.rejected(code)

    def rejected(self, reason: str) -> None:
        """Count a request that was turned away with no problem for an answer; `reason` is a word of the code."""
        self._rejections.labels(reason).inc()

    def batch(self, size: int) -> None:
        """Count prompts that are encoded together."""
        self._batches.observe(size)

    def cached(self, found: int, *, of: int) -> None:
        """Count how many of some prompts the cache of embeddings had."""
        self._hits.inc(found)
        self._misses.inc(of - found)

    def decoder_died(self, reason: str) -> None:
        """Count a decoder that died or was killed; `reason` is a word of the code."""
        self._deaths.labels(reason).inc()

    def counter(self, name: str, meaning: str, *labels: str) -> Counter:
        """Make a counter."""
        return Counter(PREFIX + name, meaning, labels, registry=self._registry)

    def histogram(self, name: str, meaning: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        """Make a histogram."""
        return Histogram(PREFIX + name, meaning, labels, buckets=buckets, registry=self._registry)

    def gauge(self, name: str, meaning: str, *labels: str, mode: Mode = "livesum") -> Gauge:
        """Make a gauge."""
        return Gauge(PREFIX + name, meaning, labels, multiprocess_mode=mode, registry=self._registry)

    def collector(self) -> CollectorRegistry:
        """Return what a scrape reads: these metrics, or those of all workers."""
        return sharing.collector() if sharing.active() else self._registry
