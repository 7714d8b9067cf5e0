"""Broken and hostile media over HTTP: every file has an answer, and nothing of it stays behind."""

import gc
import logging
import os
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, replace
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
from tests.sounds import media, voice

log = logging.getLogger(__name__)

# What may be said of a file that cannot be used.
OF_THE_FILE = {code for code, kind in KINDS.items() if code.startswith("audio-") and kind.status == 422}
TOGETHER = 2


@dataclass(frozen=True)
class Service:
    """A service of a test's own, and which files crashed the process that decoded them."""

    client: httpx.Client
    decoders: Decoders
    crashed: list[str]


@pytest.fixture
def service(encoder: Encoder, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
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
        client = stack.enter_context(running(create_app(settings, engine=own)))
        client.timeout = httpx.Timeout(60)  # a hang
        assert client.post("/v1/describe", files={"file": broken.whole()["wav"]}).status_code == 200
        opened = Service(client, decoders, [])
        with nothing_left(opened):
            yield opened
        assert list((tmp_path / "temporary").iterdir()) == []


@contextmanager
def nothing_left(service: Service) -> Iterator[None]:
    """Check that each process that died failed one request and was replaced, and that no descriptor and thread is left.

    That libav crashes on a file is what there are processes for: the log says which file. More than one is too many.
    """
    own, decoders = psutil.Process(), service.decoders
    gc.collect()
    files, others = own.num_fds(), {child.pid for child in own.children(recursive=True)} - set(decoders.pids)
    yield
    decoders.await_ready()
    gc.collect()
    if service.crashed:
        log.warning("decoding crashed on: %s", "; ".join(service.crashed))
    assert decoders.deaths == len(service.crashed) <= 1
    now = decoders.pids
    assert len(now) == TOGETHER
    assert {child.pid for child in own.children(recursive=True)} == others | set(now)
    assert {psutil.Process(pid).status() for pid in now} == {psutil.STATUS_SLEEPING}
    # The pool of the client keeps some connections, one for each that was open at a time.
    assert own.num_fds() <= files + 2 * TOGETHER


def answer(service: Service, path: str, sent: Mutant) -> str:
    """Send a file; return "used" or the code of its problem, after a look at the answer."""
    field = "files" if path == "/v1/clips" else "file"
    found = service.client.post(path, files={field: ("voice.bin", sent.content)})
    if found.status_code in {200, 201}:
        return "used"
    assert found.status_code == 422, (sent.history, found.text)
    problem = found.json()
    code = str(problem["type"]).removeprefix(TYPE_PREFIX)
    assert code in OF_THE_FILE, (sent.history, problem)
    assert problem["detail"].startswith("voice.bin"), (sent.history, problem)
    if "failed badly" in problem["detail"]:
        service.crashed.append(sent.history)
    return code


def answers(service: Service, path: str, sent: Iterator[Mutant]) -> Counter[str]:
    """Send many files, some at a time; count what became of them."""
    with ThreadPoolExecutor(TOGETHER) as threads:
        return Counter(threads.map(lambda mutant: answer(service, path, mutant), sent))


def test_whole_files_of_every_container_are_read(service: Service) -> None:
    given = {name: answer(service, "/v1/describe", Mutant(name, content)) for name, content in broken.whole().items()}
    assert {name for name, code in given.items() if code != "used"} == {"ape"}  # its sound is noise that was made up
    assert service.decoders.deaths == 0


def test_hostile_files_are_refused(service: Service) -> None:
    given = {name: answer(service, "/v1/describe", Mutant(name, content)) for name, content in broken.hostile().items()}
    assert "used" not in given.values()
    assert {name for name, code in given.items() if code == "audio-too-costly"} >= {"an index of 120 MB"}


def test_broken_files_are_used_or_refused(service: Service) -> None:
    given = answers(service, "/v1/describe", broken.mutants(seed=1, count=2 * len(broken.whole())))
    assert given.total() == 2 * len(broken.whole())
    assert given["used"]
    assert given["audio-unreadable"]
    assert given["audio-truncated"]


def test_of_broken_files_only_those_that_were_added_are_kept(service: Service, tmp_path: Path) -> None:
    given = answers(service, "/v1/clips", broken.mutants(seed=2, count=len(broken.whole())))
    listed = service.client.get("/v1/clips", params={"limit": 100}).json()["clips"]
    kept = {file.name.partition(".")[0] for file in (tmp_path / "library" / "audio").iterdir()}
    assert kept == {clip["id"] for clip in listed}
    assert 0 < len(listed) <= given["used"]  # two mutants may be the same


def test_a_crash_in_the_midst_of_a_file_fails_its_own_request_and_no_other(service: Service) -> None:
    long = media(voice(90), "flac")
    before = set(service.decoders.pids)
    with ThreadPoolExecutor(TOGETHER) as threads:
        crashing = threads.submit(answer, service, "/v1/describe", Mutant("a crash that was made", long))
        (busy,) = until(lambda: [pid for pid in before if has_read(pid)])
        os.kill(busy, signal.SIGSEGV)
        other = threads.submit(answer, service, "/v1/describe", Mutant("as it is", broken.whole()["wav"]))
        assert crashing.result(60) == "audio-unreadable"
        assert other.result(60) == "used"
    assert service.crashed == ["a crash that was made"]
    assert busy not in service.decoders.pids
    for name in ("wav", "flac", "mp3"):
        assert answer(service, "/v1/describe", Mutant(name, broken.whole()[name])) == "used"


def has_read(pid: int) -> bool:
    """Tell whether a decoding process is in the midst of an upload, a file without a name."""
    with suppress(FileNotFoundError):  # closed while we look
        for file in Path(f"/proc/{pid}/fd").iterdir():
            if int(file.name) > 2 and "(deleted)" in str(file.readlink()):
                position = Path(f"/proc/{pid}/fdinfo/{file.name}").read_text().split()[1]
                return int(position) > 0
    return False


def until(found: Callable[[], list[int]]) -> list[int]:
    """Wait until something is found; a minute is for the busiest of machines."""
    ends = time.monotonic() + 60
    while not (now := found()):
        assert time.monotonic() < ends, "it did not happen"
        time.sleep(0.005)
    return now


@pytest.mark.slow
@pytest.mark.timeout(900)  # on a busy machine
@pytest.mark.parametrize("seed", range(100, 106))
def test_broken_files_by_the_thousand(service: Service, seed: int) -> None:
    count = 10 * len(broken.whole())
    given = answers(service, "/v1/describe", broken.mutants(seed, count))
    assert given.total() == count
    assert set(given) >= {"used", "audio-unreadable", "audio-truncated", "audio-too-short", "audio-no-track"}
