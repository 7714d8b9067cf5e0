"""A worker that hangs ends, and another takes its place."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.service.serving.test_workers import WORKERS, each, workers
from tests.service.test_serve import served

PROGRAM = """
import itertools, os, signal, sys, time
from service.serving import stuck

def stop(*_):
    print("asked to stop", flush=True)
    if sys.argv[1] == "orderly":
        os._exit(0)

def hung():
    asked = next(asks)
    if sys.argv[1] == "now and then":
        if asked == 20:
            print("never asked to stop", flush=True)
            os._exit(0)
        return "slow" if asked % 2 else None
    return "a search hangs"

asks = itertools.count()
stuck._TO_END = 0.1
signal.signal(signal.SIGTERM, stop)
stuck.ends_when(hung, stop_within=0, after=0.05)
while True:
    time.sleep(60)
"""


@pytest.mark.parametrize(
    ("how", "said", "code"),
    [
        ("orderly", "asked to stop", 0),
        ("hanging on", "asked to stop", 1),
        ("now and then", "never asked to stop", 0),
    ],
)
def test_a_process_that_hangs_for_long_ends_in_order_or_at_once(how: str, said: str, code: int) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, timeout=120, check=False
    )
    assert (ended.stdout.strip(), ended.returncode) == (said, code), ended.stderr


# Read by each process as it starts: the next search that a worker makes by itself hangs, once for each such file.
CUSTOM = """
import sys
if any("spawn_main" in argument for argument in sys.orig_argv):
    import pathlib, time
    from service.serving import stuck, watch
    stuck.AFTER, watch.SLOWEST, watch.EVERY = 5.0, 5.0, 0.5
    find = watch._find

    def hanging(*arguments):
        try:
            pathlib.Path({hang!r}).unlink()
        except FileNotFoundError:
            return find(*arguments)
        time.sleep(3600)

    watch._find = hanging
"""


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_worker_that_is_stuck_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hang = tmp_path / "hang"
    (tmp_path / "sitecustomize.py").write_text(CUSTOM.format(hang=str(hang)))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *filter(None, sys.path)]))
    arguments = ("--library", str(tmp_path / "library"), "--workers", str(WORKERS), "--threads", "1")
    with served(*arguments, "--stop-within", "1") as (child, url):
        before = workers(child)
        each(url, before, lambda client: client.get("/readyz").status_code == 200)
        hang.touch()
        until = time.monotonic() + 120
        while set(before) <= set(after := workers(child)):
            assert time.monotonic() < until
            time.sleep(0.2)
        assert not hang.exists()
        assert len(set(before) & set(after)) == 1
        each(url, after, lambda client: client.get("/readyz").status_code == 200)
