"""Building a library: `python -m benchmarks.build` (or `make bench`).

The baseline is the bare audio model on as many threads as the build has, over the very windows that the build
encodes, lying ready in memory. Baseline and build take turns, ROUNDS times; the ratio is that of the medians.

- short: CLIPS made voices of 3 s as FLAC, one window each
- long: recordings of MINUTES minutes, read speech (eSpeak) with pauses of room noise between, as FLAC
- voice: what finding the voice costs in those, against encoding their windows, one thread
- again: a second run over FILES files of 0.35 s that have not changed, in seconds
"""

import platform
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np

from encoders.audio import SAMPLE_RATE, Samples, stream
from encoders.encoder import Encoder
from encoders.sessions import available_cpus
from encoders.voice import Voices
from encoders.windows import cut
from index.build import build
from index.local.library import LocalStore
from tests.sounds import media, speech, voice

ROUNDS = 5
CLIPS = 80
LONG = 2
MINUTES = 3
FILES = 10_000


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that `work` takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def compare(encoder: Encoder, source: Path, scratch: Path, threads: int) -> tuple[float, float, int]:
    """Return the median seconds of the bare model and of the build over the files of `source`, and their windows."""
    info = encoder.bundle.info
    windows: list[Samples] = [
        window.samples
        for file in sorted(source.iterdir())
        for window in cut(partial(stream, file), info.win_dur, info.hop_dur)
    ]
    bare, built = [], []
    for number in range(ROUNDS):
        with ThreadPoolExecutor(threads) as pool:
            bare.append(timed(lambda pool=pool: list(pool.map(encoder.embed_samples, windows))))  # type: ignore[misc]
        library = scratch / f"library-{source.name}-{number}"
        with LocalStore.create(library, encoder.bundle) as store:
            built.append(timed(partial(build, store, encoder, [source], threads=threads)))
        shutil.rmtree(library)
    return median(bare), median(built), len(windows)


def write_short(folder: Path) -> None:
    """Write the short clips."""
    for number in range(CLIPS):
        sound = voice(3.0, pitch=90 + number, seed=number)
        (folder / f"{number:03}.flac").write_bytes(media(sound, "flac"))


def write_long(folder: Path) -> None:
    """Write the long recordings: two thirds are speech."""
    rng = np.random.default_rng(0)
    for number in range(LONG):
        parts: list[Samples] = []
        while sum(part.size for part in parts) < MINUTES * 60 * SAMPLE_RATE:
            parts += [speech(rng.uniform(1, 15)), speech(1) * 0]
            parts.append(rng.normal(0, 0.002, round(rng.uniform(0.2, 7) * SAMPLE_RATE)).astype(np.float32))
        (folder / f"{number}.flac").write_bytes(media(np.concatenate(parts), "flac"))


def write_many(folder: Path) -> None:
    """Write many tiny files, no two alike, in folders of a thousand."""
    sound = voice(0.35)
    for number in range(FILES):
        place = folder / f"{number // 1000:02}"
        place.mkdir(exist_ok=True)
        sound[:2] = number % 100 / 1000, number // 100 / 1000
        (place / f"{number:05}.wav").write_bytes(media(sound))


def voice_share(encoder: Encoder, source: Path) -> float:
    """Return the time of finding the voice as a share of the time of encoding, on one thread."""
    info = encoder.bundle.info
    found = encoded = 0.0
    for file in sorted(source.iterdir()):
        pieces = list(stream(file))
        found += median(timed(lambda pieces=pieces: list(Voices().stretches(pieces))) for _ in range(3))  # type: ignore[misc]
        windows = list(cut(partial(iter, pieces), info.win_dur, info.hop_dur))
        encoded += timed(lambda windows=windows: [encoder.embed_samples(each.samples) for each in windows])  # type: ignore[misc]
    return found / encoded


def again(encoder: Encoder, source: Path, library: Path, threads: int) -> tuple[float, Sequence[float]]:
    """Return the seconds of a first build and of three more."""
    with LocalStore.create(library, encoder.bundle) as store:
        first = timed(partial(build, store, encoder, [source], threads=threads))
    times = []
    for _ in range(3):
        with LocalStore.open(library, encoder.bundle) as store:
            times.append(timed(partial(build, store, encoder, [source], threads=threads)))
            report = build(store, encoder, [source], threads=threads)
            assert report.skipped == FILES, report
    return first, times


def main() -> None:
    """Print the figures."""
    encoder, threads = Encoder.load(threads=1), available_cpus()
    encoder.embed_samples(voice(4.0))
    print(f"{platform.machine()}, {threads} cores, Python {platform.python_version()}, {time.strftime('%Y-%m-%d')}")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for name, write in (("short", write_short), ("long", write_long)):
            (folder / name).mkdir()
            write(folder / name)
            bare, built, windows = compare(encoder, folder / name, folder, threads)
            print(
                f"{name}: {windows} windows, bare model {bare:.2f} s, build {built:.2f} s: "
                f"{bare / built:.1%} of its throughput",
                flush=True,
            )
        print(f"voice: found in {voice_share(encoder, folder / 'long'):.1%} of the time of encoding", flush=True)
        (folder / "many").mkdir()
        write_many(folder / "many")
        time.sleep(3)  # younger files have no stamp yet
        first, more = again(encoder, folder / "many", folder / "library", threads)
        print(f"again: {FILES:,} files first {first:.0f} s, then {', '.join(f'{each:.2f}' for each in more)} s")


if __name__ == "__main__":
    main()
