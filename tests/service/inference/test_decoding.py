"""Decoding in processes of its own: the same sound and the same errors, and a process that ends harms one request."""

import gc
import io
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from encoders.audio import Samples, decode
from encoders.errors import AudioError, AudioTooLong, AudioUnreadable
from service.errors import AudioTooCostly, NotReady
from service.inference import decoding
from service.inference.decoding import Decoders
from service.uploads import Upload
from tests import broken
from tests.sounds import media, voice

SPEECH = media(voice(3))
LONG = media(voice(40), "flac")


def upload(content: bytes, name: str = "voice.wav") -> Upload:
    return Upload(name, io.BytesIO(content))


def heard(decoders: Decoders, sent: Upload) -> Samples:
    with decoders.sound(sent) as sound:
        return decode(sound, name=sent.name)


def until(happened: Callable[[], bool]) -> None:
    """Wait for what has to happen; a minute is for the busiest of machines."""
    ends = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < ends, "it did not happen"
        time.sleep(0.01)


@pytest.fixture
def own() -> Iterator[Decoders]:
    """Two decoding processes of the test's own, to be killed."""
    with closing(Decoders(2)) as started:
        started.await_ready()
        yield started


@pytest.mark.parametrize("container", ["wav", "mp3", "webm", "m4a"])
def test_the_sound_is_the_same_as_in_this_process(decoders: Decoders, container: str) -> None:
    content = media(voice(3), container, rate=48_000)
    assert np.array_equal(heard(decoders, upload(content)), decode(content))


def test_an_upload_is_read_from_memory_from_a_spool_and_from_disk_and_left_as_it_was(decoders: Decoders) -> None:
    expected = decode(SPEECH)
    with (
        io.BytesIO(SPEECH) as memory,
        tempfile.SpooledTemporaryFile(max_size=2 * len(SPEECH)) as spool,
        tempfile.TemporaryFile() as disk,
    ):
        spool.write(SPEECH)
        disk.write(SPEECH)
        for file in (memory, spool, disk):
            sent = Upload("voice.wav", file)  # type: ignore[arg-type]
            before = sent.sha256()
            assert np.array_equal(heard(decoders, sent), expected)
            file.seek(0)
            assert file.read() == SPEECH
            assert sent.sha256() == before


def test_a_sound_is_read_again_from_its_beginning(decoders: Decoders) -> None:
    with decoders.sound(upload(SPEECH)) as sound:
        assert np.array_equal(decode(sound), decode(sound))


@pytest.mark.parametrize(
    "content",
    [b"", b"RIFF and no more", SPEECH[:-20_000], media(np.zeros(16_000)), media(voice(0.1))],
    ids=["empty", "text", "cut off", "silent", "short"],
)
def test_errors_are_the_same_as_in_this_process(decoders: Decoders, content: bytes) -> None:
    with pytest.raises(AudioError) as here:
        decode(content, name="ärger 声.wav")
    with pytest.raises(AudioError) as there:
        heard(decoders, upload(content, "ärger 声.wav"))
    assert (type(there.value), str(there.value)) == (type(here.value), str(here.value))


def test_longer_sound_than_asked_for_is_refused(decoders: Decoders) -> None:
    with decoders.sound(upload(media(voice(4), "adts", rate=44_100))) as sound, pytest.raises(AudioTooLong):
        decode(sound, max_duration=2)


def test_a_process_that_dies_fails_its_own_request_and_no_other() -> None:
    died: list[str] = []
    expected = decode(LONG)
    with closing(Decoders(2, died=died.append)) as decoders:
        decoders.await_ready()
        for number, error, reason in (
            (signal.SIGSEGV, AudioUnreadable, "crash"),
            (signal.SIGABRT, AudioUnreadable, "crash"),
            (signal.SIGKILL, AudioTooCostly, "memory"),
            (signal.SIGXCPU, AudioTooCostly, "time"),
        ):
            before = set(decoders.pids)
            with decoders.sound(upload(LONG)) as one, decoders.sound(upload(LONG)) as two:
                first, second = one.read("one.flac", 3600.0), two.read("two.flac", 3600.0)
                pieces = [next(first)]
                (busy,) = [pid for pid in before if is_in_a_job(pid)]
                next(second)
                (other,) = before - {busy}
                os.kill(other, number)
                with pytest.raises(error, match=r"two\.flac"):
                    list(second)
                pieces += first
            assert np.array_equal(np.concatenate(pieces), expected)
            assert died.pop() == reason
            assert not died
            assert len(decoders.pids) == 2
            assert busy in decoders.pids
            assert other not in decoders.pids
            assert {heard(decoders, upload(SPEECH)).size for _ in range(2)} == {3 * 16_000}
        assert decoders.deaths == 4


def is_in_a_job(pid: int) -> bool:
    """Tell whether a decoding process has the descriptor of an upload: a file without a name."""
    files = [file for file in Path(f"/proc/{pid}/fd").iterdir() if int(file.name) > 2]
    return any("(deleted)" in str(file.readlink()) for file in files)


def test_a_process_that_is_ended_between_jobs_is_replaced_unnoticed(own: Decoders) -> None:
    before = own.pids
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    for _ in range(4):
        assert heard(own, upload(SPEECH)).size == 3 * 16_000
    assert own.deaths == 2
    assert len(own.pids) == 2
    assert not set(own.pids) & set(before)


def test_a_process_that_gets_nowhere_is_given_up() -> None:
    with closing(Decoders(1, seconds=1)) as decoders:
        decoders.await_ready()
        (pid,) = decoders.pids
        with decoders.sound(upload(LONG, "slow.flac")) as sound:
            reading = sound.read("slow.flac", 3600.0)
            next(reading)
            os.kill(pid, signal.SIGSTOP)
            with pytest.raises(AudioTooCostly, match=r"slow\.flac needs more time"):
                list(reading)
        assert not Path(f"/proc/{pid}").exists()
        assert heard(decoders, upload(SPEECH)).size == 3 * 16_000


def test_time_that_the_reader_takes_is_not_counted() -> None:
    with closing(Decoders(1, seconds=1)) as decoders:
        decoders.await_ready()
        with decoders.sound(upload(LONG)) as sound:
            reading = sound.read("x", 3600.0)
            pieces = [next(reading)]
            time.sleep(1.5)
            pieces += reading
        assert sum(piece.size for piece in pieces) == 40 * 16_000


def test_a_file_that_needs_more_memory_than_it_may_is_refused_and_the_process_replaced() -> None:
    with closing(Decoders(1, memory_mb=64)) as decoders:
        decoders.await_ready()
        seen = decoders.pids
        for _ in range(2):
            with pytest.raises(AudioTooCostly, match=r"bomb\.m4a needs more memory"):
                heard(decoders, upload(bomb(), "bomb.m4a"))
            assert heard(decoders, upload(SPEECH)).size == 3 * 16_000
            seen += decoders.pids
        assert len(set(seen)) == 3
        assert decoders.deaths == 0


@pytest.mark.parametrize("memory_mb", [64, 128, 192, 256])
def test_memory_that_ends_anywhere_is_no_crash(memory_mb: int) -> None:
    content = broken.hostile()["a thousand tracks"]
    with closing(Decoders(1, memory_mb=memory_mb)) as decoders:
        for _ in range(2):
            with pytest.raises(AudioTooCostly, match=r"tracks\.mp4 needs more memory"):
                heard(decoders, upload(content, "tracks.mp4"))
        assert decoders.deaths == 0


def bomb() -> bytes:
    """Make a small file that wants 120 MB for its index."""
    content = bytearray(media(voice(2), "m4a", rate=44_100))
    sizes = content.index(b"stsz") + 8
    content[sizes + 4 : sizes + 8] = (30_000_000).to_bytes(4, "big")
    return bytes(content)


def test_a_reading_that_is_left_in_the_middle_is_ended(own: Decoders) -> None:
    for _ in range(3):
        with own.sound(upload(LONG)) as sound:
            next(sound.read("x", 3600.0))
    assert own.deaths == 0
    assert len(own.pids) == 2
    for _ in range(3):
        assert heard(own, upload(SPEECH)).size == 3 * 16_000


def test_a_reading_in_another_thread_ends_with_the_block(own: Decoders) -> None:
    begun, failed = threading.Event(), list[BaseException]()

    def read() -> None:
        try:
            for _ in reading:
                begun.set()
                time.sleep(0.005)
        except NotReady as error:
            failed.append(error)

    with own.sound(upload(LONG)) as sound:
        reading = sound.read("x", 3600.0)
        thread = threading.Thread(target=read)
        thread.start()
        assert begun.wait(60)
    thread.join(60)
    assert len(failed) == 1
    assert own.deaths == 0
    assert heard(own, upload(SPEECH)).size == 3 * 16_000


def test_more_threads_than_processes_take_turns(decoders: Decoders) -> None:
    contents = [media(voice(1 + number % 3, seed=number)) for number in range(12)]
    with ThreadPoolExecutor(6) as threads:
        found = threads.map(lambda content: heard(decoders, upload(content)), contents)
        for samples, content in zip(found, contents, strict=True):
            assert np.array_equal(samples, decode(content))


def test_nothing_stays_open(decoders: Decoders) -> None:
    def everything() -> None:
        heard(decoders, upload(SPEECH))
        with pytest.raises(AudioError):
            heard(decoders, upload(b"no sound"))
        with decoders.sound(upload(LONG)) as sound:
            next(sound.read("x", 3600.0))

    everything()
    gc.collect()
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        everything()
    gc.collect()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert not any(is_in_a_job(pid) for pid in decoders.pids)
    assert len(decoders.pids) == decoders.count


def test_a_process_is_retired_after_many_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "_MOST_JOBS", 2)
    with closing(Decoders(1)) as decoders:
        seen = set[int]()
        for _ in range(5):
            heard(decoders, upload(SPEECH))
            seen |= set(decoders.pids)
        assert len(seen) == 3
        assert decoders.deaths == 0


@pytest.mark.parametrize("program", ["/bin/false", "/nowhere/python"])
def test_processes_that_cannot_be_started_are_said_and_tried_again(
    monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(sys, "executable", program)
        decoders = Decoders(1)
        with pytest.raises(NotReady, match="cannot be started"):
            decoders.await_ready()
        with pytest.raises(NotReady, match="cannot be started"):
            heard(decoders, upload(SPEECH))
        assert decoders.trouble
    with closing(decoders):
        assert heard(decoders, upload(SPEECH)).size == 3 * 16_000
        assert decoders.trouble is None


def test_what_is_closed_ends_its_processes_and_its_jobs() -> None:
    decoders = Decoders(2)
    decoders.await_ready()
    pids = decoders.pids
    with decoders.sound(upload(LONG)) as sound:
        reading = sound.read("x", 3600.0)
        next(reading)
        decoders.close()
        with pytest.raises(NotReady):
            list(reading)
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_decoding_processes_see_no_secrets_and_can_write_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOTIONRANK_MILVUS_TOKEN", "a-secret")
    with closing(Decoders(1)) as decoders:
        decoders.await_ready()
        (pid,) = decoders.pids
        assert b"a-secret" not in Path(f"/proc/{pid}/environ").read_bytes()
        limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
        (written,) = [line.split()[3:5] for line in limits if line.startswith("Max file size")]
        assert written == ["0", "0"]


def test_decoding_processes_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    (tmp_path / "long.flac").write_bytes(LONG)
    code = """
import sys, time
from service.inference.decoding import Decoders
from service.uploads import Upload
decoders = Decoders(2)
decoders.await_ready()
with open(sys.argv[1], "rb") as file, decoders.sound(Upload("x", file)) as sound:
    reading = sound.read("x", 3600.0)
    next(reading)  # one is busy, one is not
    print(*decoders.pids, flush=True)
    time.sleep(600)
"""
    with subprocess.Popen(
        [sys.executable, "-c", code, tmp_path / "long.flac"], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(pids) == 2
        assert all(Path(f"/proc/{pid}").exists() for pid in pids)
        parent.kill()
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
