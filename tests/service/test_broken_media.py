"""Broken and hostile media over HTTP: every file has an answer, and nothing of it stays behind."""

import gc
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import psutil
import pytest

from encoders.encoder import Encoder
from service.app import create_app
from service.engine import Engine, open_engine
from service.inference.decoding import Decoders
from service.problems import KINDS, TYPE_PREFIX
from service.settings import Settings
from tests import broken
from tests.broken import Mutant
from tests.service.conftest import running

# What may be said of a file that cannot be used.
OF_THE_FILE = {code for code, kind in KINDS.items() if code.startswith("audio-") and kind.status == 422}
TOGETHER = 2


@pytest.fixture
def client(encoder: Encoder, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    """A service of the test's own, with an own temporary folder; of both, nothing may be left behind."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    settings = Settings(library=tmp_path / "library", threads=TOGETHER)
    with ExitStack() as stack:
        # More than enough for any of these files: what meets these limits is counted.
        decoders = stack.enter_context(closing(Decoders(TOGETHER, memory_mb=256, seconds=20)))
        own = replace(
            stack.enter_context(open_engine(settings, encoder=encoder, decoders=decoders)),
            bank=engine.bank,  # embedded once for all tests
        )
        opened = stack.enter_context(running(create_app(settings, engine=own)))
        opened.timeout = httpx.Timeout(60)  # a hang
        assert opened.post("/v1/describe", files={"file": broken.whole()["wav"]}).status_code == 200
        with nothing_left(decoders):
            yield opened
        assert list((tmp_path / "temporary").iterdir()) == []


@contextmanager
def nothing_left(decoders: Decoders) -> Iterator[None]:
    """Check that no process died or stays, and that no descriptor and no thread is left."""
    own = psutil.Process()
    gc.collect()
    files, before = own.num_fds(), set(decoders.pids)
    processes = {child.pid for child in own.children(recursive=True)}
    yield
    gc.collect()
    assert decoders.deaths == 0
    assert set(decoders.pids) == before
    assert {child.pid for child in own.children(recursive=True)} == processes
    assert {psutil.Process(pid).status() for pid in before} == {psutil.STATUS_SLEEPING}
    # The pool of the client keeps some connections, one for each that was open at a time.
    assert own.num_fds() <= files + 2 * TOGETHER


def answer(client: httpx.Client, path: str, sent: Mutant) -> str:
    """Send a file; return "used" or the code of its problem, after a look at the answer."""
    field = "files" if path == "/v1/clips" else "file"
    found = client.post(path, files={field: ("voice.bin", sent.content)})
    if found.status_code in {200, 201}:
        return "used"
    assert found.status_code == 422, (sent.history, found.text)
    problem = found.json()
    code = str(problem["type"]).removeprefix(TYPE_PREFIX)
    assert code in OF_THE_FILE, (sent.history, problem)
    assert problem["detail"].startswith("voice.bin"), (sent.history, problem)
    return code


def answers(client: httpx.Client, path: str, sent: Iterator[Mutant]) -> Counter[str]:
    """Send many files, some at a time; count what became of them."""
    with ThreadPoolExecutor(TOGETHER) as threads:
        return Counter(threads.map(lambda mutant: answer(client, path, mutant), sent))


def test_whole_files_of_every_container_are_read(client: httpx.Client) -> None:
    given = {name: answer(client, "/v1/describe", Mutant(name, content)) for name, content in broken.whole().items()}
    assert {name for name, code in given.items() if code != "used"} == {"ape"}  # its sound is noise that was made up


def test_hostile_files_are_refused(client: httpx.Client) -> None:
    given = {name: answer(client, "/v1/describe", Mutant(name, content)) for name, content in broken.hostile().items()}
    assert "used" not in given.values()
    assert {name for name, code in given.items() if code == "audio-too-costly"} >= {"an index of 120 MB"}


def test_broken_files_are_used_or_refused(client: httpx.Client) -> None:
    given = answers(client, "/v1/describe", broken.mutants(seed=1, count=2 * len(broken.whole())))
    assert given.total() == 2 * len(broken.whole())
    assert given["used"]
    assert given["audio-unreadable"]
    assert given["audio-truncated"]


def test_of_broken_files_only_those_that_were_added_are_kept(client: httpx.Client, tmp_path: Path) -> None:
    given = answers(client, "/v1/clips", broken.mutants(seed=2, count=len(broken.whole())))
    listed = client.get("/v1/clips", params={"limit": 100}).json()["clips"]
    kept = {file.name.partition(".")[0] for file in (tmp_path / "library" / "audio").iterdir()}
    assert kept == {clip["id"] for clip in listed}
    assert 0 < len(listed) <= given["used"]  # two mutants may be the same


@pytest.mark.slow
@pytest.mark.timeout(900)  # on a busy machine
@pytest.mark.parametrize("seed", range(100, 106))
def test_broken_files_by_the_thousand(client: httpx.Client, seed: int) -> None:
    count = 10 * len(broken.whole())
    given = answers(client, "/v1/describe", broken.mutants(seed, count))
    assert given.total() == count
    assert set(given) >= {"used", "audio-unreadable", "audio-truncated", "audio-too-short", "audio-no-track"}
