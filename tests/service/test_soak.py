"""A service under mixed work for a long while: its memory, threads and descriptors stay what they were.

$EMOTIONRANK_SOAK_SECONDS says how long (600 unless set). The work: prompts that were never asked before, recordings
described and embedded, clips added and deleted, audio heard in parts, requests that are refused, uploads broken off.
"""

import os
import random
import socket
import statistics
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import psutil
import pytest

from service.client import Client, ProblemError
from tests.service.test_serve import served

SECONDS: Final = float(os.environ.get("EMOTIONRANK_SOAK_SECONDS", "600"))
CALLERS: Final = 4
WORDS: Final = [
    "calm", "warm", "angry", "tense", "bright", "tired", "bored", "joyful", "afraid", "soft", "loud", "quick", "slow",
    "hoarse", "gentle", "bitter",
]  # fmt: skip


class Sample(NamedTuple):
    """What a process and its children hold: bytes of their own, threads, files and sockets; how many they are."""

    memory: int
    threads: int
    descriptors: int
    processes: int


def sample(server: psutil.Process) -> Sample:
    """Look at a server and its children; one that ends meanwhile is left out."""
    found = []
    for process in [server, *server.children(recursive=True)]:
        try:
            found.append((process.memory_full_info().uss, process.num_threads(), process.num_fds()))
        except psutil.NoSuchProcess:
            continue
    memory, threads, descriptors = (sum(column) for column in zip(*found, strict=True))
    return Sample(memory, threads, descriptors, len(found))


def work(address: str, number: int, until: float, speech: Callable[..., bytes], done: Counter[str]) -> None:
    """Ask for this and that until it is time; every answer must be the right kind."""
    chance = random.Random(number)
    sounds = [speech(seed=seed, seconds=1 + seed % 3) for seed in range(6)]
    mine = speech(seed=100 + number)
    with Client(address) as client:
        fixed = [clip.id for clip in client.clips().clips]
        while time.monotonic() < until:
            what = chance.choice(("search", "search", "search", "describe", "embed", "add", "hear", "refuse", "break"))
            match what:
                case "search":
                    assert client.search(" ".join(chance.sample(WORDS, 4)), k=5).hits
                case "describe":
                    assert client.describe(chance.choice(sounds), candidates=chance.sample(WORDS, 2)).summary
                case "embed":
                    assert client.embed_audio(chance.sample(sounds, 2)).results[1].embedding
                case "add":
                    added = client.add(mine, {"owner": number})
                    assert added.clip is not None
                    client.delete(added.clip.id)
                case "hear":
                    assert len(client.audio(chance.choice(fixed), first=100, last=1099)) == 1000
                case "refuse":
                    with pytest.raises(ProblemError) as refused:
                        client.describe(chance.choice(sounds)[: chance.randrange(2000)][4:])
                    assert refused.value.status == 422
                case "break":
                    break_off(address, chance.randrange(200_000))
            done[what] += 1


def break_off(address: str, sent: int) -> None:
    """Begin an upload and hang up."""
    place = urlsplit(address)
    with socket.create_connection((place.hostname or "", place.port or 0), timeout=10) as connection:
        head = "POST /v1/describe HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=X\r\n"
        part = '--X\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
        connection.sendall(f"{head}Content-Length: 1000000\r\n\r\n{part}".encode() + bytes(sent))


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 300)
def test_nothing_grows(speech: Callable[..., bytes], tmp_path: Path) -> None:
    samples: list[Sample] = []
    done: Counter[str] = Counter()
    stop = threading.Event()
    # Prompts that are remembered take memory until there are as many as may be: here that is soon.
    flags = ("--library", str(tmp_path / "library"), "--prompt-cache", "100")
    with served(*flags) as (child, address), ThreadPoolExecutor(CALLERS) as pool:
        for stream in (child.stdout, child.stderr):  # read, so that the server is never held up
            threading.Thread(target=deque, args=(stream, 0), daemon=True).start()
        server = psutil.Process(child.pid)
        with Client(address) as client:
            client.wait_until_ready()
            assert {added.status for added in client.add_all([speech(seed=s) for s in range(50, 60)])} == {"added"}
        until = time.monotonic() + SECONDS
        callers = [pool.submit(work, address, number, until, speech, done) for number in range(CALLERS)]
        while time.monotonic() < until and not any(caller.done() for caller in callers):
            samples.append(sample(server))
            stop.wait(SECONDS / 100)
        for caller in callers:
            caller.result()
        stop.wait(3)  # what the last requests held is let go
        quiet = sample(server)
        with Client(address) as client:
            assert client.info().library.clips == 10
            assert client.ready().seconds_ago < 60
    # The first fifth fills caches and pools.
    fifth = len(samples) // 5
    early, late = samples[fifth : 2 * fifth], samples[-fifth:]
    print(f"{done.total()} requests in {SECONDS:g} s: {dict(done)}")
    print(f"early {early[0]}, late {late[-1]}, after {quiet}")
    memory = [statistics.median(sample.memory for sample in part) for part in (early, late)]
    assert memory[1] <= 1.05 * memory[0] + 8 * 2**20
    assert max(sample.threads for sample in late) <= max(sample.threads for sample in early) + 2
    assert max(sample.descriptors for sample in late) <= max(sample.descriptors for sample in early) + 4
    assert quiet.descriptors <= min(sample.descriptors for sample in early) + 4
    assert quiet.processes <= max(sample.processes for sample in early)
