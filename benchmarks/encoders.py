"""Speed of encoding and of building a library: `python -m benchmarks.encoders` (or `make bench`).

The baseline is the bare audio model on samples that lie ready. Each figure is the median of ROUNDS; clips are made
voices of 3 s as 16 kHz FLAC.
"""

import os
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from encoders.encoder import Encoder
from index.build import build
from index.open import open_store
from tests.sounds import media, voice

ROUNDS = 7
CLIPS = 60
SECONDS = 3.0


def timed(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Median seconds of `work`."""
    spans = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        spans.append(time.perf_counter() - start)
    return median(spans)


def main() -> None:
    """Print the table."""
    encoder = Encoder.load(threads=1)
    samples = voice(SECONDS)
    file = media(samples, container="flac", codec="flac")
    encoder.embed_samples(samples)
    bare = timed(lambda: encoder.embed_samples(samples))
    rows = [
        ("bare audio model, one 3 s clip", bare),
        ("decode + encode, the same clip as FLAC", timed(lambda: encoder.embed_clip(file))),
        ("one prompt", timed(lambda: encoder.embed_prompts(["calm but a little sad"]))),
    ]
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "clips"
        source.mkdir()
        for number in range(CLIPS):
            path = source / f"{number:03d}.flac"
            path.write_bytes(media(voice(SECONDS, pitch=90 + number, seed=number), container="flac", codec="flac"))
        cores = len(os.sched_getaffinity(0))
        with open_store(Path(folder) / "library", bundle=encoder.bundle, create=True) as store:
            start = time.perf_counter()
            build(store, encoder, [source], threads=cores)
            rows.append((f"index build, a clip, {cores} cores", (time.perf_counter() - start) / CLIPS))
        with open_store(Path(folder) / "library", bundle=encoder.bundle) as store:
            start = time.perf_counter()
            build(store, encoder, [source], threads=cores)
            rows.append(("index build again, nothing new, a clip", (time.perf_counter() - start) / CLIPS))
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(f"{machine}, {time.strftime('%Y-%m-%d')}")
    print(f"{'':42}{'ms':>8}{'x bare':>8}")
    for name, seconds in rows:
        print(f"{name:42}{seconds * 1000:8.1f}{seconds / bare:8.2f}")


if __name__ == "__main__":
    main()
