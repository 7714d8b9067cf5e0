"""A million segments to search in, made from the real embeddings of a corpus.

    python -m benchmarks.segments embed CORPUS... --output real.npz
    python -m benchmarks.segments grow real.npz --segments 1000000 --output codes.f16

Corpora of emotional speech are small (thousands of clips of a few seconds), so a large library has to be made from
one, in two steps.

*Recordings.* The files of a corpus in the order of their paths (speaker, then emotion, then sentence, as corpora name
them) are joined until they last RECORDING seconds, and each such recording goes through the bundle's audio encoder
just as a long file of a library does: windows of `win_dur` every `hop_dur`. A recording therefore has mostly one
speaker, and changes of sentence and some of emotion within it, and neighbouring segments share half their sound.

*Growth.* With x[r, i] segment i of recording r, m the mean of all, b[r] = mean_i x[r, i] - m (what sets recordings
apart) and w[r, i] = x[r, i] - m - b[r] (how one varies within), a made clip takes two recordings r and s and a run of
consecutive segments from each, and its segments are

    m + .8 b[r] + .6 b[s] + .8 w[r, i] + .6 w[s, j]        normalised, stored as float16

.64 + .36 = 1, so that the mean and both covariances (between recordings and within) are those of the real segments,
and no segment is the copy of another. Clips have 1 to LONGEST segments. The text queries are not made: they are the
bundle's own prompts, through its text encoder.
"""

import argparse
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from encoders.audio import SAMPLE_RATE, Samples, stream
from encoders.encoder import Encoder
from encoders.windows import cut
from index.local.catalog import Rows

RECORDING: Final = 60.0
LONGEST: Final = 40
SHARES: Final = (0.8, 0.6)

_SUFFIXES: Final = {".flac", ".m4a", ".mp3", ".ogg", ".opus", ".wav"}
_PORTION: Final = 8192

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


def embed(encoder: Encoder, corpora: list[Path]) -> tuple[Floats, Ints]:
    """Return the segments' embeddings, float32 [n, dim], and the number of each one's recording [n]."""
    info = encoder.bundle.info
    rows: list[Floats] = []
    numbers: list[int] = []
    count = 0
    for corpus in corpora:
        for recording in recordings(corpus):
            for window in cut(partial(iter, [recording]), info.win_dur, info.hop_dur):
                if window.end - window.start >= info.win_dur / 2:
                    rows.append(encoder.embed_samples(window.samples).embedding[0])
                    numbers.append(count)
            count += 1
    return np.stack(rows), np.array(numbers)


def recordings(corpus: Path) -> Iterator[Samples]:
    """Yield a corpus's files, joined in the order of their paths to recordings of RECORDING seconds."""
    held: list[Samples] = []
    for path in sorted(path for path in corpus.rglob("*") if path.suffix.lower() in _SUFFIXES):
        held.extend(stream(path))
        if sum(piece.size for piece in held) >= RECORDING * SAMPLE_RATE:
            yield np.concatenate(held)
            held = []
    if held:
        yield np.concatenate(held)


def grow(real: Floats, recording: Ints, segments: int, seed: int = 0) -> Iterator[Rows]:
    """Yield `segments` made segments of made clips as a catalog would, some thousands at a time."""
    rng = np.random.default_rng(seed)
    mean = real.mean(axis=0)
    bounds = np.flatnonzero(np.diff(recording, prepend=-1, append=-1))
    between = np.stack([real[begin:end].mean(axis=0) for begin, end in pairwise(bounds)]) - mean
    within = real - mean - between[recording]
    lengths = np.diff(bounds)
    made, clip = 0, 0
    while made < segments:
        counts = rng.integers(1, LONGEST + 1, _PORTION // LONGEST)
        counts = counts[: np.searchsorted(np.cumsum(counts), segments - made) + 1]
        counts[-1] -= max(0, int(counts.sum()) - (segments - made))
        clips = np.repeat(np.arange(len(counts)), counts)
        place = np.arange(len(clips)) - np.repeat(np.cumsum(counts) - counts, counts)
        vectors = np.tile(mean, (len(clips), 1))
        for share in SHARES:
            chosen = rng.integers(0, len(lengths), len(counts))
            begin = rng.integers(0, lengths[chosen])
            own = chosen[clips]
            vectors += share * (between[own] + within[bounds[own] + (begin[clips] + place) % lengths[own]])
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        yield Rows(
            np.arange(made + 1, made + len(clips) + 1),
            clips + clip + 1,
            rng.integers(0, 2**64, len(counts), np.uint64)[clips],
            place * np.float64(2.0),
            np.full((len(clips), 2), 4, np.float32),  # no query of these asks where in the plane they lie
            vectors.astype(np.float16),
        )
        made += len(clips)
        clip += len(counts)


def main() -> None:
    """Embed corpora, or grow segments from what was embedded."""
    parser = argparse.ArgumentParser(description="Embeddings to benchmark the search with.")
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("embed", help="embed the joined files of corpora")
    one.add_argument("corpora", nargs="+", type=Path)
    one.add_argument("--output", type=Path, required=True)
    two = commands.add_parser("grow", help="make float16 codes [segments, dim] of them")
    two.add_argument("real", type=Path)
    two.add_argument("--segments", type=int, default=1_000_000)
    two.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    if arguments.command == "embed":
        embeddings, recording = embed(Encoder.load(), arguments.corpora)
        np.savez(arguments.output, embedding=embeddings, recording=recording)
        print(f"{len(embeddings):,} segments of {recording[-1] + 1:,} recordings")
        return
    real = np.load(arguments.real)
    with arguments.output.open("wb") as file:
        for rows in grow(real["embedding"], real["recording"], arguments.segments):
            file.write(rows.codes.tobytes())


if __name__ == "__main__":
    main()
