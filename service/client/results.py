"""What the service answers, as frozen dataclasses.

One class an object of the OpenAPI document, with its fields and its units: seconds, cosines, points of the scale 1..7.
A test holds the two side by side. Fields that a newer service adds are passed over.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing of a request that does not fit its schema."""

    place: str
    detail: str
    rule: str


@dataclass(frozen=True, slots=True)
class Problem:
    """An error as the service states it; `code` is the name to program against (docs/http.md lists them)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str | None = None
    errors: tuple[Fault, ...] | None = None
    request_id: str | None = None

    @property
    def code(self) -> str:
        """The last part of the type, such as `clip-not-found`."""
        return self.type.rpartition(":")[2]


@dataclass(frozen=True, slots=True)
class Affect:
    """A point of the valence-arousal plane; each 1..7, 4 is neutral."""

    valence: float
    arousal: float


@dataclass(frozen=True, slots=True)
class AffectInterval:
    """Where the label of such a clip lies with probability `level`, each axis from lowest to highest."""

    level: float
    valence: tuple[float, float]
    arousal: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Clip:
    """A clip of the library."""

    id: str
    name: str
    duration: float
    added_at: datetime
    metadata: dict[str, Scalar]
    affect: Affect
    segments: int
    sha256: str
    audio_url: str


@dataclass(frozen=True, slots=True)
class Hit:
    """One search result: the segment from `start` to `end` of a clip."""

    rank: int
    score: float
    clip: Clip
    start: float
    end: float
    affect: Affect


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found, best first; `affect` is where the query lies, `hints` name fields that no clip has."""

    hits: tuple[Hit, ...]
    k: int
    offset: int
    hints: tuple[str, ...]
    affect: Affect | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of clips; `total` is how many the filter keeps."""

    clips: tuple[Clip, ...]
    total: int
    offset: int
    limit: int
    hints: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FacetValue:
    """A value, and how many clips have it."""

    value: Scalar
    clips: int


@dataclass(frozen=True, slots=True)
class FacetRange:
    """How many clips have a number from `low` (included) to `high` (not included); None is no bound."""

    low: float | None
    high: float | None
    clips: int


@dataclass(frozen=True, slots=True)
class Facet:
    """The clips counted by one field."""

    field: str
    clips: int
    distinct: int | None
    values: tuple[FacetValue, ...]
    ranges: tuple[FacetRange, ...]


@dataclass(frozen=True, slots=True)
class Facets:
    """How the clips that a filter keeps spread over the values of each field."""

    facets: tuple[Facet, ...]
    total: int
    hints: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Waveform:
    """How loud a clip is: the loudest sample of each of equal parts, 0..1 where 1 is full scale; in seconds."""

    duration: float
    peaks: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Added:
    """What became of one file that was sent to be added: `clip` unless it failed, else `problem`."""

    name: str
    status: Literal["added", "exists", "failed"]
    clip: Clip | None = None
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class AddedFiles:
    """One result a file, in the order in which they were sent."""

    results: tuple[Added, ...]


@dataclass(frozen=True, slots=True)
class Term:
    """An emotion term and its share; all shares sum to 1."""

    term: str
    share: float


@dataclass(frozen=True, slots=True)
class NearestPrompt:
    """A prompt of the bundle's vocabulary that is near the sound."""

    text: str
    term: str
    score: float
    affect: Affect


@dataclass(frozen=True, slots=True)
class Candidate:
    """How near one of the caller's own prompts is."""

    text: str
    score: float


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One segment of the sound."""

    start: float
    end: float
    affect: Affect
    smoothed: Affect
    term: str


@dataclass(frozen=True, slots=True)
class Change:
    """Where the affect changes for good, from the mean before to the mean after; `words` say how it sounds then."""

    at: float
    before: Affect
    after: Affect
    words: str


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why a description may be worth little."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Description:
    """What a recording sounds like."""

    name: str
    duration: float
    voiced: float
    affect: Affect
    affect_interval: AffectInterval | None
    summary: str
    confidence: str
    doubts: tuple[Doubt, ...]
    terms: tuple[Term, ...]
    terms_calibrated_on: tuple[str, ...] | None
    prompts: tuple[NearestPrompt, ...]
    candidates: tuple[Candidate, ...]
    timeline: tuple[TimelineEntry, ...]
    changes: tuple[Change, ...]
    embedding: tuple[float, ...] | None
    peaks: tuple[float, ...] | None


@dataclass(frozen=True, slots=True)
class HeardSegment:
    """A segment of a recording that is being described, told as soon as it is heard."""

    start: float
    end: float
    affect: Affect


@dataclass(frozen=True, slots=True)
class TextEmbedding:
    """One prompt as a unit vector."""

    text: str
    embedding: tuple[float, ...]
    affect: Affect


@dataclass(frozen=True, slots=True)
class TextEmbeddings:
    """One embedding a prompt; only vectors of one `bundle` compare."""

    embeddings: tuple[TextEmbedding, ...]
    dim: int
    bundle: str


@dataclass(frozen=True, slots=True)
class AudioEmbedding:
    """One file as a unit vector, or its `problem`."""

    name: str
    status: Literal["embedded", "failed"]
    embedding: tuple[float, ...] | None = None
    affect: Affect | None = None
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class AudioEmbeddings:
    """One result a file; only vectors of one `bundle` compare."""

    results: tuple[AudioEmbedding, ...]
    dim: int
    bundle: str


@dataclass(frozen=True, slots=True)
class Landmark:
    """An emotion term of the vocabulary, and where its prompts lie in the mean."""

    term: str
    affect: Affect


@dataclass(frozen=True, slots=True)
class Bundle:
    """The bundle in use; `licence` is that of its weights."""

    name: str
    version: str
    licence: str
    fingerprint: str
    embedding_dim: int
    sample_rate: int
    win_dur: float
    hop_dur: float
    affect_scale: tuple[float, float]
    prompts: int
    terms: tuple[Landmark, ...] = ()


@dataclass(frozen=True, slots=True)
class Library:
    """How much the library holds."""

    clips: int
    segments: int
    seconds: float
    hours: float


@dataclass(frozen=True, slots=True)
class Index:
    """What the library is searched with; None is not known."""

    kind: str
    parameters: dict[str, float]
    reason: str
    recall: float | None
    latency_ms: float | None
    memory: dict[str, int]
    made_at: datetime | None
    changes: int | None
    tail: int | None
    warning: str | None


@dataclass(frozen=True, slots=True)
class Limits:
    """What the service refuses."""

    max_upload_bytes: int
    max_json_bytes: int
    max_files: int
    min_duration: float
    max_duration: float
    max_prompt_chars: int
    max_prompts: int
    max_parts: int
    max_k: int


@dataclass(frozen=True, slots=True)
class Info:
    """What runs there."""

    name: str
    version: str
    bundle: Bundle
    library: Library
    index: Index
    limits: Limits


@dataclass(frozen=True, slots=True)
class Health:
    """The process runs."""

    status: Literal["ok"]


@dataclass(frozen=True, slots=True)
class Ready:
    """The service can search."""

    status: Literal["ready"]
    milliseconds: float
    seconds_ago: float
