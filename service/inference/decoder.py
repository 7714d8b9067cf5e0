"""What a decoding process runs: one upload after the other, from a descriptor to samples.

`service.inference.decoding` starts it and owns the other end of its channel, a socket that keeps messages apart. Each
message begins with four letters:

    <- warm                  it is ready for its first job
    -> {"label": ..., ...}   a job (`Job`, as JSON), with the upload's descriptor
    <- take                  from here on, whatever happens is the file's doing
    <- long + JSON           how long its header says that it is (s); not every file says it
    <- data + float32[n]     sound, mono at 16 kHz, at most MOST_SAMPLES a message
    <- done                  that was all of it
    <- fail + JSON           `Failure`: the code of an audio error and its message

The process reads files that strangers made, with a library in C. So it may not have more memory than it is told, nor
more processor time than the job allows, it can write to no file, and it has none of the service's secrets (the
environment is cleared by its parent). Where it crashes, it says so on standard error. It ends when its parent does:
its standard input is a pipe that the parent holds open, and the kernel sends a signal when that closes, whatever the
process is doing.
"""

import faulthandler
import fcntl
import io
import json
import os
import resource
import select
import signal
import socket
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np

from encoders.audio import stream
from encoders.errors import AudioError
from service.wav import wav

WARM: Final = b"warm"
TAKE: Final = b"take"
LONG: Final = b"long"
DATA: Final = b"data"
DONE: Final = b"done"
FAIL: Final = b"fail"

MOST_SAMPLES: Final = 16_000
MOST_JOB_BYTES: Final = 16_384
# The codes of failures that no audio error has.
NO_MEMORY: Final = "memory"
UNEXPECTED: Final = "unexpected"

_MOST_FILES: Final = 16
_MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Job:
    """A file to decode: what messages call it, the longest sound (s), and what it may cost (MiB, processor s)."""

    label: str
    max_duration: float
    memory_mb: int
    seconds: float

    def packed(self) -> bytes:
        """Write it as a message."""
        return json.dumps(asdict(self), ensure_ascii=False).encode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a file cannot be decoded: the code of an audio error, NO_MEMORY or UNEXPECTED; and the message."""

    code: str
    message: str

    def packed(self) -> bytes:
        """Write it as a message, without the letters."""
        return json.dumps(asdict(self)).encode()


def serve(channel: socket.socket) -> None:
    """Do the jobs that come over the channel until it is closed."""
    faulthandler.enable(all_threads=False)
    _confine()
    _warm_up()
    channel.send(WARM)
    while True:
        message, descriptors, _, _ = socket.recv_fds(channel, MOST_JOB_BYTES, 1)
        if not message:
            return
        with os.fdopen(descriptors[0], "rb") as file:
            job = Job(**json.loads(message))
            _limit(job)
            channel.send(TAKE)
            failure = _decode(job, file, channel)
        channel.send(FAIL + failure.packed() if failure else DONE)


def _decode(job: Job, file: io.BufferedReader, channel: socket.socket) -> Failure | None:
    try:
        pieces = stream(
            file,
            name=job.label,
            max_duration=job.max_duration,
            declared=lambda seconds: channel.sendall(LONG + json.dumps(seconds).encode()),
        )
        for piece in pieces:
            for begin in range(0, piece.size, MOST_SAMPLES):
                channel.sendmsg([DATA, piece[begin : begin + MOST_SAMPLES].data])
    except AudioError as error:
        return Failure(error.code, str(error))
    except ConnectionError:
        raise
    except MemoryError:
        return Failure(NO_MEMORY, "")
    except Exception as error:  # a fault of ours or of PyAV that this file brings out: the parent logs it
        return Failure(UNEXPECTED, f"{type(error).__name__}: {error}")
    return None


def _confine() -> None:
    """Give up what no job needs; end with the parent, and not before it when a signal is meant for all."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_MOST_FILES, _MOST_FILES))
    fcntl.fcntl(0, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(0, fcntl.F_SETFL, fcntl.fcntl(0, fcntl.F_GETFL) | os.O_ASYNC)  # SIGIO, which ends the process
    if select.select([0], [], [], 0)[0]:  # it was closed before we asked
        sys.exit()


def _warm_up() -> None:
    """Decode a second of silence, so that the first upload does not wait for what is made once."""
    for _ in stream(wav(np.zeros(44_100), 44_100)):
        pass


def _limit(job: Job) -> None:
    """Set what this job may cost on top of what the process has had so far."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + job.memory_mb * _MIB, hard))
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime + job.seconds) + 1, hard))


if __name__ == "__main__":
    # The parent closes the channel in the middle of a job that nobody waits for any more.
    with socket.socket(fileno=int(sys.argv[1])) as end, suppress(ConnectionError):
        serve(end)
