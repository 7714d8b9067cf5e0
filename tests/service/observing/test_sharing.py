"""Several processes' metrics are one: sums, what a dead one leaves behind, who takes its place."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from service.observing import sharing

WORKER = """
import json, sys
from service.observing.metrics import Metrics
metrics = Metrics()
for line in sys.stdin:
    if line.strip() == "scrape":
        found = {}
        for family in metrics.collector().collect():
            for sample in family.samples:
                labels = ",".join(v for k, v in sorted(sample.labels.items()))
                found[sample.name.removeprefix("emotionrank_") + (f"({labels})" if labels else "")] = sample.value
        print(json.dumps(found), flush=True)
    else:
        exec(line)
        print("{}", flush=True)
"""


class Worker:
    """A process that records what it is told, in a folder of metrics that it shares."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def tell(self, line: str) -> dict[str, float]:
        """Have it run a line, or `scrape`."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        found: dict[str, float] = json.loads(self.process.stdout.readline())
        return found

    def kill(self) -> None:
        """End it as `kill -9` does."""
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()


@pytest.fixture
def start() -> Iterator[Callable[[], Worker]]:
    """Start workers that share a folder."""
    with ExitStack() as stack:
        stack.enter_context(sharing.folder())

        def started() -> Worker:
            worker = Worker()
            stack.callback(worker.kill)
            return worker

        yield started


def test_whoever_is_asked_tells_the_sum(start: Callable[[], Worker]) -> None:
    one, other = start(), start()
    one.tell("metrics.cached(2, of=5); metrics.running.inc()")
    other.tell("metrics.cached(1, of=1); metrics.running.inc(); metrics.batch(3)")
    found = one.tell("scrape")
    assert found == other.tell("scrape")
    assert found["prompt_cache_total(hit)"] == 3
    assert found["prompt_cache_total(miss)"] == 3
    assert found["requests_running"] == 2
    assert found["text_batch_size_bucket(4.0)"] == 1


def test_a_dead_worker_leaves_its_counters_to_its_successor_and_no_gauge(start: Callable[[], Worker]) -> None:
    one, other = start(), start()
    for worker in (one, other):
        worker.tell("metrics.cached(1, of=1); metrics.running.inc()")
    other.kill()
    found = one.tell("scrape")
    assert found["prompt_cache_total(hit)"] == 2
    assert found["requests_running"] == 1
    folder = Path(os.environ[sharing.VARIABLE])
    files = {path.name for path in folder.glob("*.db")}
    for _ in range(3):
        successor = start()
        successor.tell("metrics.cached(1, of=1); metrics.running.inc()")
        assert one.tell("scrape")["requests_running"] == 2
        successor.kill()
    assert one.tell("scrape")["prompt_cache_total(hit)"] == 5
    assert {path.name for path in folder.glob("*.db")} <= files


def test_the_folder_goes_with_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(sharing.VARIABLE, raising=False)
    with sharing.folder():
        assert sharing.active()
        folder = Path(os.environ[sharing.VARIABLE])
        assert folder.is_dir()
    assert not sharing.active()
    assert not folder.exists()


OWNER = """
import os, time
from service.observing import sharing
with sharing.folder():
    print(os.environ[sharing.VARIABLE], flush=True)
    time.sleep(600)
"""


def test_the_folder_of_a_service_that_was_killed_goes_when_another_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(sharing.VARIABLE, raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    somebodys = tmp_path / "emotionrank-metrics-of-somebody"
    somebodys.mkdir()

    def start() -> tuple["subprocess.Popen[str]", Path]:
        process = subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        return process, Path(process.stdout.readline().strip())

    (dead, left), (alive, used) = start(), start()
    try:
        dead.kill()
        dead.communicate()
        worker = os.open(left / "slot-0", os.O_RDWR | os.O_CREAT)  # one of its workers has not ended yet
        fcntl.flock(worker, fcntl.LOCK_EX)
        with sharing.folder():
            assert {left, used, somebodys} < set(tmp_path.iterdir())
        os.close(worker)
        with sharing.folder():
            assert {used, somebodys, Path(os.environ[sharing.VARIABLE])} == set(tmp_path.iterdir())
    finally:
        alive.kill()
        alive.communicate()
