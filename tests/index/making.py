"""Libraries' contents for the tests: made from random unit vectors, so that no encoder is needed."""

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from encoders.affect import Affect
from encoders.bundle import REQUIRED, Bundle, BundleInfo
from encoders.encoder import EncodedSegment
from index.records import Hit, Metadata, NewClip

Vectors = npt.NDArray[np.float32]

DIM = 16


def bundle(name: str = "test", dim: int = DIM) -> Bundle:
    """Make a bundle that has no files: what a store needs to know of one."""
    info = BundleInfo(
        name=name,
        version="1",
        licence="none",
        embedding_dim=dim,
        win_dur=3.0,
        hop_dur=1.5,
        files=dict.fromkeys(REQUIRED, "0" * 64),
    )
    return Bundle(Path(name), info, hashlib.sha256(name.encode()).hexdigest(), ())


def unit(rng: np.random.Generator, count: int, dim: int = DIM) -> Vectors:
    """Make unit vectors whose values are all float16 numbers, as a catalog stores them."""
    vectors = rng.standard_normal((count, dim))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float16).astype(np.float32)


def segments(vectors: Vectors, affect: Affect | None = None) -> list[EncodedSegment]:
    """Make segments of 3 s, one every 1.5 s, whose affect says where they are from where none is given."""
    return [
        EncodedSegment(1.5 * place, 1.5 * place + 3, vector, affect or Affect(4.0, 1 + place % 6))
        for place, vector in enumerate(vectors)
    ]


def clip(seed: int | str, metadata: Metadata | None = None, duration: float = 3.0) -> NewClip:
    """Make a clip whose content, and so its id, is known from `seed`."""
    sha256 = hashlib.sha256(str(seed).encode()).hexdigest()
    return NewClip(sha256, f"clip-{seed}.wav", f"/audio/clip-{seed}.wav", duration, metadata)


def normal(vector: Sequence[float] | Vectors) -> Vectors:
    """Return the unit vector of the same direction."""
    array = np.asarray(vector, np.float64)
    return (array / np.linalg.norm(array)).astype(np.float32)


Scan = list[tuple[str, float, float]]


def agrees(hits: Sequence[Hit], scan: Scan, k: int) -> bool:
    """Say whether hits are the first `k` of a scan over everything, (clip, start, score) in the right order.

    Scores that differ by less than a rounding error may stand in either order.
    """
    scores = {(clip, start): score for clip, start, score in scan}
    own = [scores.get((hit.clip.id, hit.start), math.nan) for hit in hits]
    best = [score for _, _, score in scan[:k]]
    found = [hit.score for hit in hits]
    return (
        len(hits) == len(best)
        and len({(hit.clip.id, hit.start) for hit in hits}) == len(hits)
        and np.allclose(found, best, rtol=0, atol=1e-6)
        and np.allclose(found, own, rtol=0, atol=1e-6)
    )
