"""Queries: a weighted sum of parts, each of which becomes a unit vector.

    Query([TextPart("an angry voice"), TextPart("shouting", weight=-0.5), ClipPart("0123456789abcdef")])

A negative weight moves away from its part. A clip that is a part of a query is never among its hits.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from encoders.audio import Source
from encoders.encoder import Encoder, pool
from index.errors import QueryError
from index.filters import Filter
from index.records import Hit
from index.store import Store

Vector = npt.NDArray[np.float32]

# A sum this short is rounding: the parts cancel one another out and no direction is left.
_SHORTEST = 1e-4


@dataclass(frozen=True, slots=True)
class TextPart:
    """How the speech feels, in words."""

    text: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class ClipPart:
    """More like this clip of the library (its id): the mean of its segments."""

    clip: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddingPart:
    """A vector of the bundle's dimension, of any length but zero."""

    embedding: Vector | Sequence[float]
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class AudioPart:
    """More like this audio. `name` is what errors call it; longer audio than `max_duration` (s) is refused."""

    source: Source
    name: str | None = None
    weight: float = 1.0
    max_duration: float | None = None


Part = TextPart | ClipPart | EmbeddingPart | AudioPart


@dataclass(frozen=True, slots=True)
class Query:
    """What to search for, and how much of it: see `index.store.Store.search`."""

    parts: Sequence[Part]
    k: int = 10
    offset: int = 0
    min_score: float | None = None
    filter: Filter | None = None
    group_by_clip: bool = True


def search(store: Store, encoder: Encoder, query: Query) -> list[Hit]:
    """Return the query's hits, best first.

    Raises QueryError, and what its parts raise: PromptError, ClipNotFound, EmbeddingError, an AudioError.
    """
    return store.search(
        vector(query.parts, encoder, store),
        k=query.k,
        offset=query.offset,
        min_score=query.min_score,
        filter=query.filter,
        group_by_clip=query.group_by_clip,
        exclude=frozenset(part.clip for part in query.parts if isinstance(part, ClipPart)),
    )


def vector(parts: Sequence[Part], encoder: Encoder, store: Store) -> Vector:
    """Return the unit vector of a query, float32 [dim]. Raises as `search`."""
    if not parts:
        raise QueryError("a query needs at least one part: a text, a clip, an embedding or audio.")
    weights = np.array([_weight(part, number) for number, part in enumerate(parts)], np.float64)
    total = weights @ np.stack(_vectors(parts, encoder, store)).astype(np.float64)
    length = float(np.linalg.norm(total))
    if length < _SHORTEST * np.abs(weights).sum():
        raise QueryError("the parts of the query cancel one another out: no direction to search in is left.")
    return (total / length).astype(np.float32)


def _weight(part: Part, number: int) -> float:
    if not math.isfinite(part.weight) or part.weight == 0:
        raise QueryError(f"part {number + 1} of the query has the weight {part.weight}; it must be a number, not 0.")
    return part.weight


def _vectors(parts: Sequence[Part], encoder: Encoder, store: Store) -> list[Vector]:
    # All texts in one call: batching pays for texts.
    texts = [part.text for part in parts if isinstance(part, TextPart)]
    prompts = iter(encoder.embed_prompts(texts).embedding if texts else ())
    vectors: list[Vector] = []
    for number, part in enumerate(parts):
        match part:
            case TextPart():
                vectors.append(next(prompts))
            case ClipPart():
                vectors.append(pool(store.segments(part.clip))[0])
            case EmbeddingPart():
                vectors.append(_given(part, number, encoder.bundle.info.embedding_dim))
            case AudioPart():
                limits = {} if part.max_duration is None else {"max_duration": part.max_duration}
                vectors.append(encoder.embed_clip(part.source, name=part.name, **limits)[0])
    return vectors


def _given(part: EmbeddingPart, number: int, dim: int) -> Vector:
    where = f"part {number + 1} of the query"
    try:
        embedding = np.asarray(part.embedding, np.float64)
    except (TypeError, ValueError):
        raise QueryError(f"{where}: the embedding is no list of numbers.") from None
    if embedding.shape != (dim,):
        raise QueryError(f"{where}: the embedding has {embedding.size} values; this bundle's have {dim}.")
    if not np.isfinite(embedding).all():
        raise QueryError(f"{where}: the embedding has values that are not finite numbers.")
    largest = float(np.abs(embedding).max())
    if largest < 1e-12:
        raise QueryError(f"{where}: the embedding is zero: it has no direction to search in.")
    embedding = embedding / largest  # so that no square overflows
    return (embedding / np.linalg.norm(embedding)).astype(np.float32)
