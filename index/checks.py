"""What every store checks alike before it takes something in, and says alike when it cannot.

So that a library refuses the same clips and queries with the same words, wherever it is kept.
"""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import numpy as np
import numpy.typing as npt

from encoders.affect import Affect
from encoders.bundle import Bundle
from encoders.encoder import EncodedSegment
from index.errors import ClipConflict, ClipNotFound, EmbeddingError, LibraryMismatch, QueryError
from index.filters import timestamp
from index.records import NewClip, check_metadata, check_text

_UNIT: Final = 0.01  # how far from 1 the length of an embedding may be

Vector = npt.NDArray[np.float32]


def check_clip(clip: NewClip) -> None:
    """Check what is said of a clip. Raises MetadataError."""
    if len(clip.sha256) != 64 or not set(clip.sha256) <= set("0123456789abcdef"):
        raise ValueError(f"sha256 must be 64 lower-case hexadecimal digits, got {clip.sha256!r}")
    check_text(clip.name, "the clip's name")
    check_text(clip.path, "the clip's path")
    if clip.metadata is not None:
        check_metadata(clip.metadata)


def check_segments(name: str, segments: Sequence[EncodedSegment], dim: int) -> Affect:
    """Check the segments of the clip `name` and return their mean affect. Raises EmbeddingError."""
    if not segments:
        raise EmbeddingError(f"{name}: a clip needs at least one segment.")
    for number, segment in enumerate(segments):
        where = f"{name}, segment {number}"
        vector = _checked(segment.embedding, dim, where)
        length = float(np.linalg.norm(vector.astype(np.float64)))
        if abs(length - 1) > _UNIT:
            raise EmbeddingError(f"{where}: the embedding has length {length:.3f}; it must be a unit vector.")
        if not all(map(math.isfinite, (segment.start, segment.end, *segment.affect))):
            raise EmbeddingError(f"{where}: start, end and affect must be finite.")
    return Affect(*np.mean([segment.affect for segment in segments], axis=0).tolist())


def check_page(offset: int, limit: int) -> None:
    """Check which clips are asked for. Raises QueryError."""
    if offset < 0 or limit < 0:
        raise QueryError(f"offset and limit must not be negative, got {offset} and {limit}.")


def check_search(k: int, offset: int, min_score: float | None) -> None:
    """Check which hits are asked for. Raises QueryError."""
    if k < 1 or offset < 0:
        raise QueryError(f"k must be at least 1 and offset at least 0, got {k} and {offset}.")
    if min_score is not None and not math.isfinite(min_score):
        raise QueryError(f"min_score must be a number, got {min_score}.")


def unit(vector: Vector, dim: int, what: str) -> Vector:
    """Return the unit vector of the direction of `vector`, which errors call `what`. Raises EmbeddingError."""
    checked = _checked(vector, dim, what).astype(np.float64)
    length = float(np.linalg.norm(checked))
    if length < 1e-12:
        raise EmbeddingError(f"{what} is zero: it has no direction to search in.")
    return np.ascontiguousarray(checked / length, np.float32)


def _checked(vector: Vector, dim: int, what: str) -> Vector:
    if vector.shape != (dim,):
        shape = " x ".join(map(str, vector.shape)) or "no"
        raise EmbeddingError(f"{what} has {shape} values; this library's embeddings have {dim}.")
    if not np.isfinite(vector).all():
        raise EmbeddingError(f"{what} has values that are not finite numbers.")
    return vector


def clip_not_found(clip: str) -> ClipNotFound:
    """Return the error for a clip id that the library does not have."""
    return ClipNotFound(f"no clip {clip[:80]!r} in this library. `GET /v1/clips` lists the ids of those it has.")


def clip_conflict(clip: NewClip) -> ClipConflict:
    """Return the error for a clip whose id another content has already."""
    return ClipConflict(f"{clip.name}: another file of this library has the same id, {clip.id}. It is not added.")


def properties(bundle: Bundle) -> dict[str, str]:
    """Return what a library made now, for `bundle`, says of itself."""
    return {
        "bundle_name": bundle.info.name,
        "bundle_version": bundle.info.version,
        "fingerprint": bundle.fingerprint,
        "dim": str(bundle.info.embedding_dim),
        "created_at": timestamp(datetime.now(UTC)),
        "segmentation": "",
    }


def check_bundle(address: str, properties: dict[str, str], bundle: Bundle | None) -> None:
    """Check that `bundle`, or one that hears as it does, made the library at `address`; None is any.

    Raises LibraryMismatch.
    """
    if bundle is None or properties["fingerprint"] in (bundle.fingerprint, *bundle.info.hears_as):
        return
    raise LibraryMismatch(
        f"the library {address} was made with the bundle {properties['bundle_name']} "
        f"{properties['bundle_version']} (fingerprint {properties['fingerprint'][:12]}), and cannot be used "
        f"with {bundle.info.name} {bundle.info.version} ({bundle.fingerprint[:12]}): their embeddings do not "
        "compare. Name the library's own bundle with --bundle or EMOTIONRANK_BUNDLE, or build a new library: "
        "emotionrank index build SOURCE... --library NEW_FOLDER"
    )
