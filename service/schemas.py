"""The JSON of every route: what is taken, what is given.

Requests are strict: no key that is not listed, no text where a number belongs, no number that is not finite.
Every model carries an example, which the tests send through its route.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Discriminator, Field, JsonValue, Tag, model_validator
from pydantic_core import PydanticCustomError

from encoders.affect import Affect, AffectRange
from encoders.encoder import MAX_PROMPT_CHARS
from index.records import Clip, Hit
from service import examples
from service.intake import unknown
from service.problems import Problem

MAX_K: Final = 1000
MAX_OFFSET: Final = 1_000_000
MAX_PARTS: Final = 16
MAX_WEIGHT: Final = 100.0
MAX_PROMPTS: Final = 256
MAX_COMPONENT: Final = 1e6


class Strict(BaseModel):
    """The base of what is taken: an unknown key is refused, and the refusal says which keys there are."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _name_unknown_keys(cls, value: object) -> object:
        if isinstance(value, dict):
            for key in value:
                if key not in cls.model_fields:
                    raise PydanticCustomError(
                        "unknown_key",
                        "the key {key} is {why}",
                        {"key": repr(key[:64]), "why": unknown(key, cls.model_fields)},
                    )
        return value


Weight = Annotated[
    float,
    Field(
        ge=-MAX_WEIGHT,
        le=MAX_WEIGHT,
        description="How much the part counts; a negative weight leads away from it.",
    ),
]
Prompt = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_PROMPT_CHARS,
        description="How the speech should feel, in your own words.",
        examples=["a calm, warm voice"],
    ),
]
FilterObject = Annotated[
    dict[str, JsonValue],
    Field(
        description="Which clips may be found: conditions on metadata and on `duration`, `valence`, `arousal`, "
        "`added_at` and `name`. Several keys all have to hold.",
        examples=[{"speaker": "03", "duration": {"gte": 1, "lt": 5}}],
    ),
]
MinScore = Annotated[float, Field(ge=-1, le=1, description="Only hits with at least this score (a cosine).")]


class TextPart(Strict):
    """A prompt as one part of a query."""

    text: Prompt
    weight: Weight = 1.0


class ClipPart(Strict):
    """A clip of the library as one part of a query: more like this (or, with a negative weight, less)."""

    clip: Annotated[str, Field(min_length=1, max_length=64, description="The clip's id.", examples=[examples.ID])]
    weight: Weight = 1.0


class EmbeddingPart(Strict):
    """A vector, for example of /v1/embed, as one part of a query."""

    embedding: Annotated[
        list[Annotated[float, Field(ge=-MAX_COMPONENT, le=MAX_COMPONENT)]],
        Field(min_length=1, max_length=4096, description="A vector of the bundle's dimension; its length is ignored."),
    ]
    weight: Weight = 1.0


def _part_kind(value: object) -> str | None:
    kinds = [kind for kind in ("text", "clip", "embedding") if isinstance(value, dict) and kind in value]
    return f"@{kinds[0]}" if len(kinds) == 1 else None


def _query_kind(value: object) -> str | None:
    if isinstance(value, str):
        return "@prompt"
    return "@parts" if isinstance(value, list) else None


Part = Annotated[
    Annotated[TextPart, Tag("@text")] | Annotated[ClipPart, Tag("@clip")] | Annotated[EmbeddingPart, Tag("@embedding")],
    Discriminator(
        _part_kind,
        custom_error_type="part_kind",
        custom_error_message="a part is an object with exactly one of text, clip, embedding (and, if wanted, weight)",
    ),
]
QueryField = Annotated[
    Annotated[Prompt, Tag("@prompt")]
    | Annotated[Annotated[list[Part], Field(min_length=1, max_length=MAX_PARTS)], Tag("@parts")],
    Discriminator(
        _query_kind,
        custom_error_type="query_kind",
        custom_error_message="a query is a prompt (a string) or a list of parts",
    ),
    Field(description="A prompt, or a weighted sum of parts."),
]


class SearchRequest(Strict):
    """A search."""

    model_config = ConfigDict(json_schema_extra={"examples": [*examples.SEARCH_REQUESTS]})

    query: QueryField
    k: Annotated[int, Field(ge=1, le=MAX_K, description="How many hits at most.")] = 10
    offset: Annotated[int, Field(ge=0, le=MAX_OFFSET, description="How many of the best hits to skip.")] = 0
    filter: FilterObject | None = None
    min_score: MinScore | None = None
    group_by_clip: Annotated[
        bool, Field(description="One hit a clip, its best segment; false gives every segment.")
    ] = True


class EmbedTextRequest(Strict):
    """Prompts to embed."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.EMBED_TEXT_REQUEST]})

    prompts: Annotated[list[Prompt], Field(min_length=1, max_length=MAX_PROMPTS)]


class AffectOut(BaseModel):
    """A point of the valence-arousal plane; each 1..7, 4 is neutral."""

    valence: Annotated[float, Field(ge=1, le=7, description="7 is the most positive.")]
    arousal: Annotated[float, Field(ge=1, le=7, description="7 is the most activated.")]

    @classmethod
    def of(cls, affect: Affect) -> Self:
        """Make it from the plane's own type."""
        return cls(valence=round(float(affect.valence), 4), arousal=round(float(affect.arousal), 4))


Side = Annotated[float, Field(ge=1, le=7)]


class AffectIntervalOut(BaseModel):
    """Where the label of such a clip lies, each axis from lowest to highest, when the model never heard the speaker."""

    level: Annotated[float, Field(gt=0, lt=1, description="The probability with which it does, for each axis.")]
    valence: tuple[Side, Side]
    arousal: tuple[Side, Side]

    @classmethod
    def of(cls, found: AffectRange | None) -> Self | None:
        """Make it from the plane's own type; None where the bundle states no interval."""
        if found is None:
            return None
        low, high = AffectOut.of(found.low), AffectOut.of(found.high)
        return cls(level=found.level, valence=(low.valence, high.valence), arousal=(low.arousal, high.arousal))


class ClipOut(BaseModel):
    """A clip of the library. Where its file lies on the server is not told."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.CLIP]})

    id: Annotated[str, Field(description="The first 16 hex digits of the file's sha256: the same everywhere.")]
    name: Annotated[str, Field(description="The file's name when it was added.")]
    duration: Annotated[float, Field(description="In seconds.")]
    added_at: datetime
    metadata: dict[str, str | int | float | bool | None]
    affect: Annotated[AffectOut, Field(description="The mean over the clip's segments.")]
    segments: int
    sha256: str
    audio_url: Annotated[str, Field(description="Where to listen to it, relative to this service.")]

    @classmethod
    def of(cls, clip: Clip, root: str = "") -> Self:
        """Make it from a record; `root` is the path under which the service is mounted."""
        return cls(
            id=clip.id,
            name=clip.name,
            duration=round(clip.duration, 4),
            added_at=clip.added_at,
            metadata=clip.metadata,
            affect=AffectOut.of(clip.affect),
            segments=clip.segments,
            sha256=clip.sha256,
            audio_url=f"{root}/v1/clips/{clip.id}/audio",
        )


class HitOut(BaseModel):
    """One search result."""

    rank: Annotated[int, Field(ge=1, description="1 is the best; counts on over pages.")]
    score: Annotated[float, Field(description="Cosine between the query and the segment, -1..1.")]
    clip: ClipOut
    start: Annotated[float, Field(description="Where the segment begins in the clip, in seconds.")]
    end: Annotated[float, Field(description="Where it ends.")]
    affect: Annotated[AffectOut, Field(description="Of the segment.")]


class SearchResponse(BaseModel):
    """What a search found, best first."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.SEARCH_RESPONSE]})

    hits: list[HitOut]
    k: int
    offset: int

    @classmethod
    def of(cls, hits: Sequence[Hit], k: int, offset: int, root: str = "") -> Self:
        """Make it from the hits of the index."""
        return cls(
            hits=[
                HitOut(
                    rank=offset + position,
                    score=round(float(hit.score), 6),
                    clip=ClipOut.of(hit.clip, root),
                    start=round(hit.start, 4),
                    end=round(hit.end, 4),
                    affect=AffectOut.of(hit.affect),
                )
                for position, hit in enumerate(hits, 1)
            ],
            k=k,
            offset=offset,
        )


class ClipsResponse(BaseModel):
    """One page of the library's clips, in the order in which they were added."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.CLIPS_RESPONSE]})

    clips: list[ClipOut]
    total: Annotated[int, Field(description="How many clips the filter keeps.")]
    offset: int
    limit: int


class AddResult(BaseModel):
    """What became of one uploaded file."""

    name: str
    status: Literal["added", "exists", "failed"]
    clip: Annotated[ClipOut | None, Field(description="The clip, new or already there.")] = None
    problem: Annotated[Problem | None, Field(description="Why it failed.")] = None


class AddResponse(BaseModel):
    """One result a file, in the order in which they were sent."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.ADD_RESPONSE]})

    results: list[AddResult]


class TermOut(BaseModel):
    """An emotion term and its share; all shares sum to 1."""

    term: str
    share: float


class NearestPrompt(BaseModel):
    """A prompt of the bundle's vocabulary that is near the sound."""

    text: str
    term: str
    score: Annotated[float, Field(description="Cosine, -1..1.")]
    affect: AffectOut


class CandidateOut(BaseModel):
    """How near one of the caller's own prompts is."""

    text: str
    score: Annotated[float, Field(description="Cosine, -1..1.")]


class TimelineEntry(BaseModel):
    """One segment of the sound."""

    start: float
    end: float
    affect: AffectOut
    term: Annotated[str, Field(description="The nearest emotion term.")]


class DescribeResponse(BaseModel):
    """What a recording sounds like."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.DESCRIBE_RESPONSE]})

    name: str
    duration: float
    affect: AffectOut
    affect_interval: Annotated[
        AffectIntervalOut | None,
        Field(description="Of the affect of the whole recording; null where the bundle does not state it."),
    ]
    summary: Annotated[str, Field(description="One sentence.")]
    terms: list[TermOut]
    prompts: list[NearestPrompt]
    candidates: Annotated[list[CandidateOut], Field(description="The caller's prompts, nearest first.")]
    timeline: list[TimelineEntry]


def vector_out(vector: npt.NDArray[np.float32]) -> list[float]:
    """Write a vector's numbers as short as float32 allows."""
    return [round(value, 8) for value in vector.tolist()]


class TextEmbedding(BaseModel):
    """One prompt, embedded."""

    text: str
    embedding: Annotated[list[float], Field(description="A unit vector.")]
    affect: AffectOut


class EmbedTextResponse(BaseModel):
    """One embedding a prompt, in the order given."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.EMBED_TEXT_RESPONSE]})

    embeddings: list[TextEmbedding]
    dim: int
    bundle: Annotated[str, Field(description="Fingerprint of the bundle: only vectors of one bundle compare.")]


class AudioEmbedding(BaseModel):
    """One uploaded file, embedded: the mean of its segments."""

    name: str
    status: Literal["embedded", "failed"]
    embedding: Annotated[list[float] | None, Field(description="A unit vector.")] = None
    affect: AffectOut | None = None
    problem: Annotated[Problem | None, Field(description="Why it failed.")] = None


class EmbedAudioResponse(BaseModel):
    """One result a file, in the order in which they were sent."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.EMBED_AUDIO_RESPONSE]})

    results: list[AudioEmbedding]
    dim: int
    bundle: Annotated[str, Field(description="Fingerprint of the bundle: only vectors of one bundle compare.")]


class BundleOut(BaseModel):
    """The bundle in use."""

    name: str
    version: str
    licence: Annotated[str, Field(description="Of the weights, not of the code.")]
    fingerprint: str
    embedding_dim: int
    sample_rate: int
    win_dur: Annotated[float, Field(description="Length of a segment, in seconds.")]
    hop_dur: Annotated[float, Field(description="From one segment's start to the next one's.")]
    affect_scale: tuple[float, float]
    prompts: Annotated[int, Field(description="Size of the vocabulary.")]


class LibraryOut(BaseModel):
    """How much the library holds."""

    clips: int
    segments: int
    seconds: float


class LimitsOut(BaseModel):
    """What is refused."""

    max_upload_bytes: int
    max_json_bytes: int
    max_files: int
    min_duration: float
    max_duration: float
    max_prompt_chars: int
    max_prompts: int
    max_parts: int
    max_k: int


class InfoResponse(BaseModel):
    """What runs here."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.INFO_RESPONSE]})

    name: str
    version: str
    bundle: BundleOut
    library: LibraryOut
    limits: LimitsOut


class HealthResponse(BaseModel):
    """The process runs."""

    status: Literal["ok"] = "ok"


class ReadyResponse(BaseModel):
    """A prompt was embedded and the library was searched."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.READY_RESPONSE]})

    status: Literal["ready"] = "ready"
    milliseconds: Annotated[float, Field(description="How long that took.")]
    clips: int
