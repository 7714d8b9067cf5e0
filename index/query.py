"""Queries: a weighted sum of parts, each of which becomes a unit vector, moved in the plane if wanted.

    Query([TextPart("an angry voice"), TextPart("shouting", weight=-0.5)])
    Query([ClipPart("0123456789abcdef")], shift=Shift(arousal=-1.5))      like this clip, but calmer
    Query([AffectPart(Affect(valence=6, arousal=2))])                     a point of the plane

A negative weight moves away from its part. A clip that is a part of a query is never among its hits.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from encoders.affect import HIGH, LOW, Affect
from encoders.audio import Source
from encoders.encoder import Encoder, Vectors, pool
from index.distinct import distinct
from index.errors import QueryError
from index.filters import Filter
from index.prompts import PromptBank
from index.records import Hit
from index.region import Region
from index.store import Store

Vector = npt.NDArray[np.float32]

MAX_SHIFT: Final = HIGH - LOW

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


@dataclass(frozen=True, slots=True)
class AffectPart:
    """A point of the plane, each axis 1..7: what the vocabulary near it sounds like; see `index.plane`."""

    affect: Affect
    weight: float = 1.0


Part = TextPart | ClipPart | EmbeddingPart | AudioPart | AffectPart


class Shift(NamedTuple):
    """How far the sum of the parts is moved along each axis, in points of the scale; at most MAX_SHIFT."""

    valence: float = 0.0
    arousal: float = 0.0


STAY: Final = Shift()


@dataclass(frozen=True, slots=True)
class Query:
    """What to search for, and how much of it: see `index.store.Store.search`.

    The filter says which clips may be found, the region where in the plane their segments have to lie. With
    `distinct`, hits that are nearly the same sound as a better one are left out; see `index.distinct`.
    """

    parts: Sequence[Part]
    k: int = 10
    offset: int = 0
    min_score: float | None = None
    filter: Filter | None = None
    region: Region | None = None
    group_by_clip: bool = True
    shift: Shift = STAY
    distinct: bool = False


class Answer(NamedTuple):
    """A query's hits, best first, and where its own vector lies in the plane (`index.plane`), on the scale.

    None where the bundle's vocabulary does not span the plane.
    """

    hits: list[Hit]
    affect: Affect | None


def texts(parts: Sequence[Part]) -> list[str]:
    """Return the prompts of a query, for callers who embed them in their own way (`prompts` of `search`)."""
    return [part.text for part in parts if isinstance(part, TextPart)]


def heard(part: AudioPart, encoder: Encoder) -> Vector:
    """Return the unit vector of audio, for callers who encode it apart from the search. Raises an AudioError."""
    limits = {} if part.max_duration is None else {"max_duration": part.max_duration}
    return encoder.embed_clip(part.source, name=part.name, **limits)[0]


def search(
    store: Store,
    encoder: Encoder,
    query: Query,
    bank: PromptBank | None = None,
    *,
    prompts: Vectors | None = None,
) -> list[Hit]:
    """Return the query's hits, best first.

    `bank` is the encoder's, where the caller has one; made anew it takes a second, when an affect, a shift or
    `distinct` needs it. `prompts` are the embeddings of `texts(query.parts)`, where the caller has them. Raises
    QueryError, and what its parts raise: PromptError, ClipNotFound, EmbeddingError, an AudioError.
    """
    bank = bank or PromptBank(encoder)
    return _hits(store, query, bank, _vector_of(query, encoder, store, bank, prompts))


def answer(store: Store, encoder: Encoder, query: Query, bank: PromptBank, *, prompts: Vectors | None = None) -> Answer:
    """Return the query's hits and its own place in the plane; arguments and errors are those of `search`."""
    made = _vector_of(query, encoder, store, bank, prompts)
    return Answer(_hits(store, query, bank, made), place(made, bank))


def place(vector: Vector, bank: PromptBank) -> Affect | None:
    """Return where a unit vector lies in the plane, on the scale; None where the vocabulary does not span it."""
    try:
        return bank.plane().affect_of(vector).clipped()
    except QueryError:
        return None


def _vector_of(query: Query, encoder: Encoder, store: Store, bank: PromptBank, prompts: Vectors | None) -> Vector:
    return vector(query.parts, encoder, store, shift=query.shift, bank=bank, prompts=prompts)


def _hits(store: Store, query: Query, bank: PromptBank, made: Vector) -> list[Hit]:
    ask = partial(
        store.search,
        made,
        min_score=query.min_score,
        filter=query.filter,
        region=query.region,
        group_by_clip=query.group_by_clip,
        exclude=frozenset(part.clip for part in query.parts if isinstance(part, ClipPart)),
    )
    if query.distinct:
        return distinct(ask, bank.plane(), k=query.k, offset=query.offset)
    return ask(k=query.k, offset=query.offset)


def vector(
    parts: Sequence[Part],
    encoder: Encoder,
    store: Store,
    *,
    shift: Shift = STAY,
    bank: PromptBank | None = None,
    prompts: Vectors | None = None,
) -> Vector:
    """Return the unit vector of a query, float32 [dim]; `prompts` and what it raises as for `search`."""
    if not parts:
        raise QueryError("a query needs at least one part: a text, a clip, an affect, an embedding or audio.")
    _check_shift(shift)
    bank = bank or PromptBank(encoder)
    weights = np.array([_weight(part, number) for number, part in enumerate(parts)], np.float64)
    total = weights @ np.stack(_vectors(parts, encoder, store, bank, prompts)).astype(np.float64)
    length = float(np.linalg.norm(total))
    if length < _SHORTEST * np.abs(weights).sum():
        raise QueryError("the parts of the query cancel one another out: no direction to search in is left.")
    unit = (total / length).astype(np.float32)
    return unit if shift == STAY else bank.plane().shifted(unit, *shift)


def _check_shift(shift: Shift) -> None:
    for axis, points in shift._asdict().items():
        if not abs(points) <= MAX_SHIFT:
            raise QueryError(
                f"the shift of {axis} is {points}; it must be a number of points from {-MAX_SHIFT:g} to {MAX_SHIFT:g}."
            )


def _weight(part: Part, number: int) -> float:
    if not math.isfinite(part.weight) or part.weight == 0:
        raise QueryError(f"part {number + 1} of the query has the weight {part.weight}; it must be a number, not 0.")
    return part.weight


def _vectors(
    parts: Sequence[Part], encoder: Encoder, store: Store, bank: PromptBank, prompts: Vectors | None
) -> list[Vector]:
    if prompts is None:  # all in one call: batching pays for texts
        prompts = encoder.embed_prompts(texts(parts)).embedding
    ready = iter(prompts)
    vectors: list[Vector] = []
    for number, part in enumerate(parts):
        match part:
            case TextPart():
                vectors.append(next(ready))
            case ClipPart():
                vectors.append(pool(store.segments(part.clip))[0])
            case EmbeddingPart():
                vectors.append(_given(part, number, encoder.bundle.info.embedding_dim))
            case AudioPart():
                vectors.append(heard(part, encoder))
            case AffectPart():
                place = _place(part, number)
                vectors.append(bank.plane().at(place))
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


def _place(part: AffectPart, number: int) -> Affect:
    for axis, value in part.affect._asdict().items():
        if not LOW <= value <= HIGH:
            raise QueryError(
                f"part {number + 1} of the query: {axis} is {value}; the plane runs from {LOW:g} to {HIGH:g}, with "
                "neutral at 4."
            )
    return part.affect
