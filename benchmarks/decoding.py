"""What decoding in processes of its own costs: `python -m benchmarks.decoding`.

The same recordings, decoded in this process and by `service.inference.decoding`, in turns, so that what else the
machine does meets both alike: 5 s of sound in several containers, with and without encoding, and an hour. Medians, in
milliseconds; the hour also with the most memory that each process had beyond what it began with.
"""

import argparse
import io
import statistics
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

import numpy as np

from encoders.audio import stream
from encoders.encoder import Encoder
from service.inference.decoding import Decoders
from service.uploads import Upload
from tests.sounds import media, speech

CONTAINERS: Final = {"wav": 16_000, "flac": 44_100, "mp3": 44_100, "webm": 48_000, "m4a": 44_100}


def in_turns(times: int, *works: Callable[[], object]) -> list[float]:
    """Return the median milliseconds of each piece of work."""
    taken: list[list[float]] = [[] for _ in works]
    for _ in range(times):
        for work, measured in zip(works, taken, strict=True):
            begun = time.perf_counter()
            work()
            measured.append(1_000 * (time.perf_counter() - begun))
    return [statistics.median(measured) for measured in taken]


def memory(pid: int | str, what: str) -> float:
    """Return what /proc says of a process's memory, in MiB: VmRSS, VmHWM."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what)) / 1024


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=40)
    times: int = parser.parse_args().times
    encoder = Encoder.load(threads=1)

    begun = time.perf_counter()
    with closing(Decoders(1)) as decoders:
        decoders.await_ready()
        print(f"a process starts in {1_000 * (time.perf_counter() - begun):.0f} ms")
        (pid,) = decoders.pids
        print(f"and has {memory(pid, 'VmRSS'):.0f} MiB\n")
        print("5 s of       in process   pool    more     encoded: in process   pool   ratio")
        for container, rate in CONTAINERS.items():
            content = media(speech(5), container, rate=rate)
            upload = Upload("5 s", io.BytesIO(content))

            def here(content: bytes = content) -> object:
                return list(stream(io.BytesIO(content)))

            def there(upload: Upload = upload) -> object:
                with decoders.sound(upload) as sound:
                    return list(stream(sound))

            def encoded(content: bytes = content) -> object:
                return encoder.embed_clip(io.BytesIO(content))

            def encoded_there(upload: Upload = upload) -> object:
                with decoders.sound(upload) as sound:
                    return encoder.embed_clip(sound)

            a, b, c, d = in_turns(times, here, there, encoded, encoded_there)
            print(f"{container:12}{a:11.1f}{b:7.1f}{b - a:8.1f}{c:22.1f}{d:7.1f}{d / c:8.2f}")

        hour = media(np.tile(speech(60), 60), "mp3", rate=44_100)
        before = memory("self", "VmRSS"), memory(pid, "VmRSS")
        begun = time.perf_counter()
        with decoders.sound(Upload("an hour", io.BytesIO(hour))) as sound:
            seconds = sum(piece.size for piece in stream(sound)) / 16_000
        taken = time.perf_counter() - begun
        print(
            f"\n{seconds:.0f} s of mp3: {taken:.1f} s, {memory('self', 'VmRSS') - before[0]:.0f} MiB more here, "
            f"{memory(pid, 'VmHWM') - before[1]:.0f} MiB more there"
        )


if __name__ == "__main__":
    main()
