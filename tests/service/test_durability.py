"""No request that was answered 2xx for a write is missing after `kill -9` of the server, whatever it was at."""

import io
import os
import random
import shutil
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest

from index.open import open_store
from index.records import clip_id
from service.uploads import Upload
from tests.service.conftest import problem_of
from tests.service.test_serve import served
from tests.sounds import media, voice

CALLERS = 4


class Caller(threading.Thread):
    """Adds clips of its own for as long as it is answered, and deletes every third again; notes what was answered."""

    def __init__(self, url: str, name: str, there: set[str]) -> None:
        super().__init__(name=name)
        self.added = 0
        self.there = there  # the ids that were acknowledged and not asked to be deleted
        self.gone: set[str] = set()
        self.faults: list[str] = []
        self._url = url

    def run(self) -> None:
        """Work until the connection breaks."""
        seed = int(self.name)
        with suppress(httpx.TransportError), httpx.Client(base_url=self._url, timeout=60) as client:
            while True:
                seed += 1
                answer = client.post("/v1/clips", files={"files": ("voice.wav", media(voice(0.3, seed=seed)))})
                if answer.status_code == 429:
                    time.sleep(0.05)
                    continue
                if answer.status_code != 201:
                    self.faults.append(answer.text)
                    return
                clip = answer.json()["results"][0]["clip"]["id"]
                self.there.add(clip)
                self.added += 1
                if self.added % 3 == 0:
                    self.there.discard(clip)  # from here on it may be gone
                    if client.delete(f"/v1/clips/{clip}").status_code == 204:
                        self.gone.add(clip)


def killed_while_writing(library: Path, number: int, wait: float, *arguments: str) -> set[str]:
    """Have callers write, and kill all of the service that long after the first write; return what must be there."""
    with served("--library", str(library), *arguments) as (child, url):
        callers = [Caller(url, str(100_000 * number + 10_000 * caller), set()) for caller in range(CALLERS)]
        for caller in callers:
            caller.start()
        until = time.monotonic() + 60
        while not any(caller.added for caller in callers):
            assert time.monotonic() < until
            time.sleep(0.01)
        time.sleep(wait)
        family = psutil.Process(child.pid).children(recursive=True)
        for process in [child.pid, *(process.pid for process in family)]:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        child.wait()
        for caller in callers:
            caller.join(60)
            assert caller.faults == []
    there, gone = set[str](), set[str]()
    for caller in callers:
        there |= caller.there
        gone |= caller.gone
    with open_store(library, bundle=None) as store:
        assert there - store.has(there) == set()
        assert store.has(gone) == set()
    return there


def rounds(library: Path, count: int, *arguments: str) -> None:
    """Kill so often, over one library; at the end all that was ever acknowledged is there, heard and found."""
    rng = random.Random(count)
    there: set[str] = set()
    for number in range(1, count + 1):
        there |= killed_while_writing(library, number, rng.uniform(0, 1.5), *arguments)
    with served("--library", str(library)) as (child, url), httpx.Client(base_url=url, timeout=60) as client:
        for clip in there:
            assert clip_id(Upload("", io.BytesIO(client.get(f"/v1/clips/{clip}/audio").content)).sha256()) == clip
        hits = client.post("/v1/search", json={"query": "calm", "k": 1000}).json()["hits"]
        assert there <= {hit["clip"]["id"] for hit in hits} or len(hits) == 1000
        child.send_signal(signal.SIGTERM)
        assert child.wait(60) == 0
    with open_store(library, bundle=None) as store:
        # Half-written copies are left until an hour has shown that nobody is still at them.
        assert [drift for drift in store.verify(audio=True) if "/.partial-" not in drift.message] == []
    print(f"{count} rounds, {len(there)} clips acknowledged")


@pytest.mark.timeout(400)  # programs take long to start on a busy machine
def test_nothing_acknowledged_is_missing_after_a_kill(tmp_path: Path) -> None:
    rounds(tmp_path / "library", 2)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("workers", [1, 2])
def test_nothing_acknowledged_is_missing_after_many_kills(tmp_path: Path, workers: int) -> None:
    rounds(tmp_path / "library", 12, "--workers", str(workers))


@pytest.mark.parametrize("replaced", [False, True], ids=["deleted", "replaced"])
def test_a_library_that_is_taken_away_under_the_service_loses_no_acknowledged_clip(
    own: httpx.Client, tmp_path: Path, replaced: bool
) -> None:
    def add(seed: int) -> httpx.Response:
        return own.post("/v1/clips", files={"files": ("voice.wav", media(voice(0.4, seed=seed)))})

    assert add(1).status_code == 201
    library, aside = tmp_path / "library", tmp_path / "aside"
    library.rename(aside)
    if replaced:
        shutil.copytree(aside, library)
    kept = sorted(tmp_path.rglob("*"))
    # A form of files is answered file by file; the error of one stands for the request.
    away = add(2)
    problem_of(away, 503, "library-away")
    assert away.headers["retry-after"] == "1"
    problem_of(own.post("/v1/search", json={"query": "calm"}), 503, "library-away")
    problem_of(own.get("/v1/clips"), 503, "library-away")
    assert sorted(tmp_path.rglob("*")) == kept
    if replaced:
        shutil.rmtree(library)
    aside.rename(library)
    assert add(3).status_code == 201
    assert own.get("/v1/info").json()["library"]["clips"] == 2
