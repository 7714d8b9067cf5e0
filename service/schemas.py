"""The JSON of the routes: what is given, and what is taken but for searches (`service.queries`).

That of descriptions has a module of its own (`service.descriptions`).

Every model carries an example, which the tests send through its route.
"""

from datetime import datetime
from typing import Annotated, Final, Literal, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from encoders.affect import Affect, AffectRange
from index.facets import Facet
from index.records import Clip, Hit, IndexInfo, JsonScalar
from service import examples
from service.problems import Problem
from service.queries import Prompt, Strict
from service.waveforms import Waveform

MAX_PROMPTS: Final = 256


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


class Found(NamedTuple):
    """The hits of a search, where its query lies in the plane, and hints on its filter."""

    hits: list[Hit]
    affect: Affect | None
    hints: list[str]


Hints = Annotated[
    list[str],
    Field(description="Fields of the filter that no clip has, mistyped perhaps, a sentence each; mostly empty."),
]


class SearchResponse(BaseModel):
    """What a search found, best first."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.SEARCH_RESPONSE]})

    hits: list[HitOut]
    k: int
    offset: int
    affect: Annotated[
        AffectOut | None,
        Field(
            description="Where the query itself lies in the plane, moved by the shift; null where the bundle's "
            "vocabulary does not span the plane."
        ),
    ]
    hints: Hints

    @classmethod
    def of(cls, found: Found, k: int, offset: int, root: str = "") -> Self:
        """Make it from what the index found."""
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
                for position, hit in enumerate(found.hits, 1)
            ],
            k=k,
            offset=offset,
            affect=None if found.affect is None else AffectOut.of(found.affect),
            hints=found.hints,
        )


class ClipsResponse(BaseModel):
    """One page of the library's clips, in the order in which they were added."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.CLIPS_RESPONSE]})

    clips: list[ClipOut]
    total: Annotated[int, Field(description="How many clips the filter keeps.")]
    offset: int
    limit: int
    hints: Hints


class WaveformResponse(BaseModel):
    """How loud a sound is, from its beginning to its end, for drawing it."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.WAVEFORM_RESPONSE]})

    duration: Annotated[float, Field(description="In seconds.")]
    peaks: Annotated[
        list[Annotated[float, Field(ge=0, le=1)]],
        Field(description="The loudest sample of each of equal parts, in order; 1 is full scale."),
    ]

    @classmethod
    def of(cls, found: Waveform) -> Self:
        """Make it from what was computed."""
        return cls(duration=round(found.duration, 4), peaks=found.peaks)


class FacetValueOut(BaseModel):
    """A value, and how many clips have it. `{field: value}` is the filter that keeps them."""

    value: JsonScalar
    clips: int


class FacetRangeOut(BaseModel):
    """How many clips have a number from `low` (included) to `high` (not included); null is no bound."""

    low: float | None = None
    high: float | None = None
    clips: int


class FacetOut(BaseModel):
    """The clips counted by one field: by value for a metadata field, by range for a number of the clip's own."""

    field: Annotated[str, Field(description="As a filter names it.")]
    clips: Annotated[int, Field(description="How many clips have a value.")]
    distinct: Annotated[int | None, Field(description="How many values there are; null for ranges.")] = None
    values: Annotated[list[FacetValueOut], Field(description="The most frequent, most clips first.")]
    ranges: Annotated[list[FacetRangeOut], Field(description="All of them, lowest first; they leave no gap.")]

    @classmethod
    def of(cls, facet: Facet) -> Self:
        """Make it from the library's own."""
        return cls(
            field=facet.field,
            clips=facet.clips,
            distinct=None if facet.ranges else facet.distinct,
            values=[FacetValueOut(value=item.value, clips=item.clips) for item in facet.values],
            ranges=[FacetRangeOut(low=item.low, high=item.high, clips=item.clips) for item in facet.ranges],
        )


class FacetsResponse(BaseModel):
    """How the clips that a filter keeps spread over the values of each field."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.FACETS_RESPONSE]})

    facets: list[FacetOut]
    total: Annotated[int, Field(description="How many clips the filter keeps.")]
    hints: Hints


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


class TermOut(BaseModel):
    """An emotion term of the bundle's vocabulary."""

    term: str
    affect: Annotated[AffectOut, Field(description="The mean place of its prompts: a landmark of the plane.")]


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
    terms: list[TermOut]


class LibraryOut(BaseModel):
    """How much the library holds."""

    clips: int
    segments: int
    seconds: float
    hours: Annotated[float, Field(description="The same as `seconds`.")]


class IndexOut(BaseModel):
    """What the library is searched with. What is null is not known."""

    kind: str
    parameters: dict[str, int | float]
    reason: Annotated[str, Field(description="Why it is of this kind.")]
    recall: Annotated[float | None, Field(description="recall@10 of prompts, measured when it was made.")]
    latency_ms: Annotated[float | None, Field(description="Median of one search, measured when it was made.")]
    memory: Annotated[dict[str, int], Field(description="Bytes that searching takes, by part.")]
    made_at: datetime | None
    changes: Annotated[int | None, Field(description="Clips added, changed and deleted since it was made.")]
    tail: Annotated[int | None, Field(description="Segments added since, which are searched one by one.")]
    warning: Annotated[str | None, Field(description="What is wrong with it.")] = None

    @classmethod
    def of(cls, info: IndexInfo) -> Self:
        """Show an index, without paths of this machine."""
        return cls(
            kind=info.kind,
            parameters=dict(info.parameters),
            reason=info.reason,
            recall=None if info.recall is None else round(info.recall, 4),
            latency_ms=None if info.latency_ms is None else round(info.latency_ms, 3),
            memory=dict(info.memory),
            made_at=info.made_at,
            changes=info.changes,
            tail=info.tail,
            warning=info.problem and "The snapshot cannot be used; the service's log says why. Searches are right.",
        )


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
    index: IndexOut
    limits: LimitsOut


class HealthResponse(BaseModel):
    """The process runs."""

    status: Literal["ok"] = "ok"


class ReadyResponse(BaseModel):
    """A prompt was embedded and the library was searched, and a sound encoded."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.READY_RESPONSE]})

    status: Literal["ready"] = "ready"
    milliseconds: Annotated[float, Field(description="How long the last search took, its wait included.")]
    seconds_ago: Annotated[float, Field(description="How long ago that was.")]
