"""The metrics as a page of plain text, for whoever has a terminal and no Prometheus at hand.

Times are read off histograms, since the service began: a quantile is as fine as the buckets are, and one beyond the
last bucket is shown as over its bound.
"""

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from prometheus_client.registry import CollectorRegistry
from prometheus_client.samples import Sample

from service.observing.metrics import PREFIX

_QUANTILES: Final = (0.5, 0.9, 0.99)
_TITLES: Final = ("p50", "p90", "p99")


class Distribution(NamedTuple):
    """A histogram: how many observations each bound includes, in order; and their sum."""

    bounds: tuple[tuple[float, float], ...]
    sum: float

    @property
    def number(self) -> float:
        """How many observations there were."""
        return self.bounds[-1][1] if self.bounds else 0.0

    def quantile(self, portion: float) -> float:
        """Return the value that this portion of the observations does not exceed, between two bounds by proportion.

        Infinite beyond the last bound; not a number where there are no observations.
        """
        if not self.number:
            return math.nan
        rank = portion * self.number
        below, counted = 0.0, 0.0
        for bound, total in self.bounds:
            if total >= rank:
                if math.isinf(bound):
                    return math.inf
                return below + (bound - below) * (rank - counted) / (total - counted)
            below, counted = bound, total
        return math.inf


class Found:
    """What a scrape found, by metric and labels."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._samples: dict[str, list[Sample]] = {}
        for metric in registry.collect():
            for sample in metric.samples:
                self._samples.setdefault(sample.name.removeprefix(PREFIX), []).append(sample)

    def value(self, name: str, **labels: str) -> float:
        """Return the sum of the metric's values with these labels."""
        return sum((s.value for s in self._samples.get(name, ()) if labels.items() <= s.labels.items()), 0.0)

    def by(self, name: str, label: str) -> dict[str, float]:
        """Return the sum of the metric's values by one of its labels, the largest first."""
        sums: dict[str, float] = {}
        for sample in self._samples.get(name, ()):
            sums[sample.labels[label]] = sums.get(sample.labels[label], 0.0) + sample.value
        return dict(sorted(sums.items(), key=lambda item: (-item[1], item[0])))

    def labels(self, name: str) -> list[dict[str, str]]:
        """Return the sets of labels that a metric has."""
        return [sample.labels for sample in self._samples.get(name, ())]

    def distribution(self, name: str, **labels: str) -> Distribution:
        """Return the histogram with these labels, others summed up."""
        bounds: dict[float, float] = {}
        for sample in self._samples.get(name + "_bucket", ()):
            if labels.items() <= sample.labels.items():
                bound = float(sample.labels["le"])
                bounds[bound] = bounds.get(bound, 0.0) + sample.value
        return Distribution(tuple(sorted(bounds.items())), self.value(name + "_sum", **labels))


def of(registry: CollectorRegistry, *, version: str) -> str:
    """Write the summary of what a registry collects."""
    found = Found(registry)
    parts = ["\n".join(_head(found, version)), *_tables(found)]
    return "\n\n".join(parts) + "\n"


def _head(found: Found, version: str) -> Iterator[str]:
    workers = int(found.value("workers"))
    yield (
        f"EmotionRank {version}, up {duration(time.time() - found.value('start_timestamp_seconds'))}, "
        f"{workers} worker{'s' if workers != 1 else ''} ({found.value('ready'):.0f} ready), "
        f"{found.value('resident_memory_bytes') / 2**20:,.0f} MiB, "
        f"{found.value('cpu_seconds_total'):,.1f} s of processor time"
    )
    for bundle in found.labels("bundle_info")[:1]:
        yield f"bundle   {bundle['name']} {bundle['version']} ({bundle['fingerprint']})"
    if read := found.value("library_read_timestamp_seconds"):
        yield (
            f"library  {found.value('library_clips'):,.0f} clips, {found.value('library_segments'):,.0f} segments, "
            f"{found.value('library_seconds') / 3600:,.2f} h; segments newer than the snapshot: "
            f"{found.value('index_tail_segments'):,.0f} (counted {duration(time.time() - read)} ago)"
        )
    else:
        yield "library  not counted yet"


def _tables(found: Found) -> Iterator[str]:
    routes = sorted({(labels["route"], labels["method"]) for labels in found.labels("requests_total")})
    rows = []
    for route, method in routes:
        named = {"route": route, "method": method}
        answers = {
            status: found.value("requests_total", status=status, **named)
            for status in found.by("requests_total", "status")
        }
        taken = found.distribution("request_seconds", **named)
        rows.append(
            [
                f"{method} {route}",
                *(f"{sum(n for status, n in answers.items() if status[0] == first):,.0f}" for first in "245"),
                *(milliseconds(taken.quantile(portion)) for portion in _QUANTILES),
            ]
        )
    yield _table(f"Requests ({found.value('requests_running'):,.0f} running)", ["2xx", "4xx", "5xx", *_TITLES], rows)

    rows = []
    for stage, seconds in found.by("stage_seconds_sum", "stage").items():
        spent = found.distribution("stage_seconds", stage=stage)
        times = [milliseconds(spent.quantile(portion)) for portion in _QUANTILES]
        rows.append([stage, f"{spent.number:,.0f}", *times, f"{seconds:,.1f} s"])
    yield _table("Stages", ["requests", *_TITLES, "in all"], rows)

    lanes = found.by("lane_threads", "lane")
    yield _table(
        "Lanes",
        ["threads", "busy", "waiting"],
        [
            [
                lane,
                f"{lanes[lane]:.0f}",
                f"{found.value('lane_busy', lane=lane):.0f}",
                f"{found.value('queue_depth', lane=lane):.0f}",
            ]
            for lane in sorted(lanes)
        ],
    )

    batches = found.distribution("text_batch_size")
    hits, misses = (found.value("prompt_cache_total", result=result) for result in ("hit", "miss"))
    rows = [
        ["waiting", f"{found.value('queue_depth', lane='texts'):.0f}"],
        ["batches", f"{batches.number:,.0f}"],
        ["prompts a batch", f"{batches.sum / batches.number:.2f}" if batches.number else "-"],
        ["looked up", f"{hits + misses:,.0f}"],
        ["in the cache", f"{100 * hits / (hits + misses):.1f} %" if hits + misses else "-"],
    ]
    yield _table("Prompts", [""], rows)
    for title, name, label in (
        ("Turned away", "rejections_total", "reason"),
        ("Problems", "problems_total", "type"),
        ("Decoders that died", "decoder_deaths_total", "reason"),
    ):
        counted = found.by(name, label)
        yield _table(title, [""], [[what, f"{number:,.0f}"] for what, number in counted.items()])


def _table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Draw a table: the first column to the left, the others to the right."""
    lines = [[title, *columns], *rows]
    if len(lines) == 1:
        return f"{title}: none"
    widths = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            [line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))]
        ).rstrip()
        for line in lines
    )


def milliseconds(seconds: float) -> str:
    """Write a time with two or three digits: '4.2 ms', '87 ms', '1,250 ms'."""
    if math.isnan(seconds):
        return "-"
    if math.isinf(seconds):
        return "over"
    return f"{1000 * seconds:,.1f} ms" if seconds < 0.0995 else f"{1000 * seconds:,.0f} ms"


def duration(seconds: float) -> str:
    """Write a duration in its two largest units: '4 s', '3 min 2 s', '5 d 1 h'."""
    whole = max(0, round(seconds))
    parts = [(whole // 86400, "d"), (whole // 3600 % 24, "h"), (whole // 60 % 60, "min"), (whole % 60, "s")]
    first = next((place for place, (number, _) in enumerate(parts) if number), 3)
    return " ".join(f"{number} {unit}" for number, unit in parts[first : first + 2])
