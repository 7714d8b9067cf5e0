"""Uploads are decoded in processes of their own: what a hostile file can break there is its own request.

    decoders = Decoders(2)                     starts them; `await_ready` returns once they are warm
    with decoders.sound(upload) as sound:      nothing happens yet
        describe(encoder, bank, sound, ...)    a `Decoded`: read wherever a `Source` is

A process (`service.inference.decoder`) does one job at a time. It gets the upload as a descriptor and sends samples
back in pieces, so that a recording of an hour is nowhere held whole. It has a limit of memory and one of processor
time, and it has to keep up: `seconds`, and SLOWEST for each second of sound that it has given, are all that is waited
for it (what the encoder takes in between does not count). One that dies or falls behind is replaced at once; its
request fails with an error of its own, the others do not notice. What comes back is data, never objects: samples, and
the code of a known error with its message.

Processes are started by `subprocess`, never forked from this one and its threads. They end with it, whatever ends it.
"""

import io
import json
import logging
import math
import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO, Final, Literal

import numpy as np

from encoders import errors
from encoders.audio import SAMPLE_RATE, Decoded, Samples
from encoders.errors import AudioError, AudioUnreadable, EmotionRankError
from service.errors import AudioTooCostly, NotReady, Overloaded, StorageFull
from service.inference.decoder import DATA, DONE, FAIL, LONG, MOST_SAMPLES, NO_MEMORY, TAKE, WARM, Failure, Job
from service.observing import timing
from service.uploads import Upload

log = logging.getLogger("emotionrank.service")

# Seconds that a second of sound may take. Real files take a hundredth of that, the slowest codecs a tenth.
SLOWEST: Final = 0.1
_WARM_SECONDS: Final = 60.0  # that a process may take to start, on a machine that is busy
_TURN_SECONDS: Final = 60.0  # there are as many processes as threads that ask for one, but for those that are replaced
_MOST_JOBS: Final = 1000  # of one process: libav's small leaks never become large ones
_TRIES: Final = 3
# What a decoding process sees of the environment: what the interpreter and the loader need, and no secrets.
_ENVIRONMENT: Final = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TZ")
_ERRORS: Final = {
    kind.code: kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, AudioError)
}


class Decoders:
    """`count` decoding processes. Any thread may use them; the limits are for one upload (MiB, seconds)."""

    def __init__(
        self,
        count: int,
        *,
        memory_mb: int = 512,
        seconds: float = 10.0,
        died: Callable[[str], None] = lambda reason: None,
    ) -> None:
        """Start the processes; `died` is told why, each time that one has to be replaced before its time."""
        self.count = count
        self.deaths = 0
        self.trouble: str | None = None  # why there is no decoding now: the last process did not start
        self._memory_mb, self._seconds, self._died = memory_mb, seconds, died
        # None is a place whose process could not be started: whoever draws it tries again.
        self._idle: queue.SimpleQueue[_Process | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False
        self._processes: set[_Process] = set()
        for _ in range(count):
            self._start()

    def await_ready(self) -> None:
        """Wait until every process can take a job. Raises NotReady when one cannot be started."""
        drawn = [self._drawn() for _ in range(self.count)]
        for warm in drawn:
            self._idle.put(warm)

    @property
    def pids(self) -> list[int]:
        """The ids of the processes, in no order."""
        with self._lock:
            return [process.pid for process in self._processes]

    @contextmanager
    def sound(self, upload: Upload, declared: Callable[[float], None] | None = None) -> Iterator[Decoded]:
        """Give the sound of an upload for as long as the block lasts; nothing is decoded before it is read.

        `declared` is told how long its header says that it is (s), before the first sound; not every file says it.

        Reading it raises what `audio.stream` raises, and AudioTooCostly, NotReady, Overloaded, StorageFull. A reading
        that has not ended with the block is ended then, also in another thread: it raises NotReady there.
        """
        jobs: list[tuple[_Claim, Generator[Samples]]] = []

        def read(label: str, max_duration: float) -> Iterator[Samples]:
            claim = _Claim()
            most = self._seconds + SLOWEST * max_duration
            job = self._read(upload, Job(label, max_duration, self._memory_mb, most), claim, declared)
            jobs.append((claim, job))
            return job

        try:
            yield Decoded(read)
        finally:
            for claim, job in jobs:
                claim.give_up()
                if claim.thread == threading.get_ident():
                    job.close()

    def close(self) -> None:
        """End all processes. Jobs that still run fail."""
        with self._lock:
            self._closed = True
            processes = list(self._processes)
        for process in processes:
            process.kill()
        with suppress(queue.Empty):
            while True:
                if free := self._idle.get_nowait():
                    self._release(free, usable=False)

    def _read(
        self, upload: Upload, job: Job, claim: "_Claim", declared: Callable[[float], None] | None
    ) -> Generator[Samples]:
        claim.thread = threading.get_ident()
        with timing.stage("decode"), _descriptor(upload) as descriptor:
            process = claim.process = self._begun(job, descriptor)
        finished = False
        count, patience = 0, self._seconds
        try:
            while True:
                if claim.given_up or self._closed:
                    raise NotReady(f"{job.label} was not decoded to its end: the request or the service ended before.")
                begun = time.monotonic()
                with timing.stage("decode"):
                    kind, samples, rest = process.receive(patience)
                patience += SLOWEST * samples.size / SAMPLE_RATE - (time.monotonic() - begun)
                count += samples.size
                if kind == DONE:
                    finished = True
                    return
                if kind == FAIL:
                    failure = Failure(**json.loads(rest))
                    # One that came to the end of its memory is a poor place for the next upload.
                    finished = failure.code != NO_MEMORY
                    raise _failed(job.label, failure)
                if kind == LONG:
                    if declared:
                        declared(_seconds(rest))
                    continue
                if count > job.max_duration * SAMPLE_RATE:  # it counts too, and is no longer itself
                    raise _Gone
                yield samples
        except TimeoutError:
            raise self._died_of("time", job.label) from None
        except _Gone:
            raise self._verdict(process, claim, job.label) from None
        finally:
            claim.process = None
            self._release(process, usable=finished)

    def _begun(self, job: Job, descriptor: int) -> "_Process":
        """Hand the job to a process that is free. One that was ended meanwhile is replaced: not the file's fault."""
        for _ in range(_TRIES):
            process = self._drawn()
            try:
                process.begin(job, descriptor)
            except (_Gone, TimeoutError):
                self._count("idle")
                self._release(process, usable=False)
            else:
                return process
        raise NotReady("the processes that decode uploads end as soon as they begin. Try again in a minute.")

    def _drawn(self) -> "_Process":
        """Take a process that is free and warm."""
        for _ in range(_TRIES):
            try:
                process = self._idle.get(timeout=_TURN_SECONDS)
            except queue.Empty:
                raise Overloaded("nothing could be decoded for a minute. Try again in 5 s.", 5) from None
            if process is None:
                self._start()
                continue
            try:
                process.await_warm()
            except _Gone:
                self._count("start")
                self._release(process, usable=False)
            except TimeoutError:
                self._count("start")
                self._release(process, usable=False)
                break
            else:
                self.trouble = None
                return process
        self.trouble = "the processes that decode uploads cannot be started"
        raise NotReady(f"{self.trouble}. Try again in a minute.")

    def _release(self, process: "_Process", *, usable: bool) -> None:
        if usable and process.jobs < _MOST_JOBS and not self._closed:
            self._idle.put(process)
            return
        with self._lock:
            self._processes.discard(process)
        process.end()
        self._start()

    def _start(self) -> None:
        with self._lock:
            if self._closed:
                return
            try:
                process = _Process()
            except OSError as error:
                log.error("a process that decodes uploads cannot be started: %s", error)
                self._idle.put(None)
                return
            self._processes.add(process)
        self._idle.put(process)

    def _verdict(self, process: "_Process", claim: "_Claim", label: str) -> EmotionRankError:
        """Say why a process ended in the midst of a job."""
        status = process.end()
        if claim.given_up or self._closed:
            return NotReady(f"{label} was not decoded to its end: the request or the service ended before.")
        if status == -signal.SIGXCPU:
            return self._died_of("time", label)
        if status == -signal.SIGKILL:  # the system was out of memory, or somebody meant it
            return self._died_of("memory", label)
        log.warning("a decoding process ended with status %s in the midst of a file", status)
        self._count("crash")
        return AudioUnreadable(f"{label} cannot be read: decoding it failed badly. The file is probably damaged.")

    def _died_of(self, reason: Literal["time", "memory"], label: str) -> AudioTooCostly:
        self._count(reason)
        return _too_costly(reason, label)

    def _count(self, reason: str) -> None:
        with self._lock:
            self.deaths += 1
        self._died(reason)


class _Gone(Exception):  # noqa: N818 - an event, not an error
    """The process at the other end has ended."""


class _Claim:
    """Who works on a job: for another thread that has to end it."""

    def __init__(self) -> None:
        self.thread: int | None = None
        self.process: _Process | None = None
        self.given_up = False

    def give_up(self) -> None:
        self.given_up = True
        if process := self.process:
            process.kill()


class _Process:
    """One decoding process and the channel to it; used by one thread at a time, but for `kill`."""

    def __init__(self) -> None:
        self.jobs = 0
        self._warm = False
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
            path = os.pathsep.join(place for place in sys.path if place)
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "service.inference.decoder", str(theirs.fileno())],
                    stdin=subprocess.PIPE,  # closed by the kernel when we end, however we do
                    stdout=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    env={**environment, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"},
                )
            except OSError:
                self._channel.close()
                raise

    @property
    def pid(self) -> int:
        return self._process.pid

    def await_warm(self) -> None:
        if not self._warm:
            self._expect(WARM)
            self._warm = True

    def begin(self, job: Job, descriptor: int) -> None:
        self.jobs += 1
        try:
            socket.send_fds(self._channel, [job.packed()], [descriptor])
        except OSError:
            raise _Gone from None
        self._expect(TAKE)

    def receive(self, seconds: float) -> tuple[bytes, Samples, bytes]:
        """Wait for a message: its letters, its samples or its other bytes. Raises TimeoutError, _Gone."""
        message = np.empty(1 + MOST_SAMPLES, np.float32)
        self._channel.settimeout(max(seconds, 0.001))
        try:
            size = self._channel.recv_into(message.data)
        except TimeoutError:
            raise
        except OSError:
            raise _Gone from None
        kind = message[:1].tobytes()
        if size % 4 == 0 and kind == DATA:
            return kind, message[1 : size // 4], b""
        if kind in {DONE, FAIL, LONG, WARM, TAKE}:
            return kind, message[:0], message.tobytes()[4:size]
        raise _Gone  # ended, or no longer itself

    def kill(self) -> None:
        self._process.kill()

    def end(self) -> int:
        """End it if it runs; return how it ended (`subprocess.Popen.returncode`)."""
        self._process.kill()
        self._channel.close()
        assert self._process.stdin is not None
        self._process.stdin.close()
        return self._process.wait()

    def _expect(self, kind: bytes) -> None:
        if self.receive(_WARM_SECONDS)[0] != kind:
            raise _Gone


@contextmanager
def _descriptor(upload: Upload) -> Iterator[int]:
    """Give a descriptor of the upload's bytes that can only be read and has a position of its own."""
    try:
        with _on_disk(upload.file) as file:
            file.flush()
            descriptor = os.open(f"/proc/self/fd/{file.fileno()}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise StorageFull(f"{upload.name}: the upload could not be stored: {error.strerror}") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _on_disk(file: BinaryIO) -> Iterator[BinaryIO]:
    """Give the file itself where it has a descriptor (a spool writes itself to disk for it), else a copy."""
    try:
        file.fileno()
    except io.UnsupportedOperation:
        with tempfile.TemporaryFile() as copy:
            file.seek(0)
            shutil.copyfileobj(file, copy)
            yield copy
    else:
        yield file


def _seconds(packed: bytes) -> float:
    """Read what a process says of a length; raises _Gone where it is no longer itself."""
    try:
        seconds = float(json.loads(packed))
    except (ValueError, TypeError):
        raise _Gone from None
    if not math.isfinite(seconds):
        raise _Gone
    return seconds


def _failed(label: str, failure: Failure) -> EmotionRankError:
    if kind := _ERRORS.get(failure.code):
        return kind(failure.message)
    if failure.code == NO_MEMORY:
        return _too_costly("memory", label)
    log.error("unexpected error in a decoding process: %s", failure.message)
    return AudioUnreadable(f"{label} cannot be read: decoding it failed. The file is probably damaged.")


def _too_costly(what: Literal["time", "memory"], label: str) -> AudioTooCostly:
    return AudioTooCostly(
        f"{label} needs more {what} to decode than a recording may. Convert it to WAV, FLAC or MP3 and send that."
    )
