"""What a library holds and what a search gives back: clips, segments, hits.

A clip's id is the first 16 hexadecimal digits of the sha256 of its file's bytes: the same file has the same
id in every library, and an id never depends on when or in which order clips were added. Segments are
`encoders.encoder.EncodedSegment`s. Durations and times within a clip are in seconds.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from encoders.affect import Affect
from encoders.windows import SEGMENTATION
from index.errors import MetadataError

JsonScalar = str | int | float | bool | None
Metadata = Mapping[str, JsonScalar]
Kind = Literal["null", "boolean", "number", "text"]
DriftKind = Literal["catalog", "embedding", "snapshot", "vectors", "audio"]

MAX_FIELDS: Final = 256
MAX_KEY_CHARS: Final = 200
MAX_TEXT_CHARS: Final = 10_000
_INT64: Final = range(-(2**63), 2**63)


def clip_id(sha256: str) -> str:
    """Return the id of the clip whose file has this sha256 (64 hexadecimal digits)."""
    return sha256[:16]


class Stamp(NamedTuple):
    """What a file looked like from outside when its content was read: its size in bytes, its time of change."""

    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class NewClip:
    """A clip to be added: what is known of its file.

    `metadata` None leaves the metadata of a clip that is already there as it is. `stamp` None: not known.
    `segmentation` names the way in which its segments were cut (`encoders.windows.SEGMENTATION`).
    """

    sha256: str
    name: str
    path: str
    duration: float
    metadata: Metadata | None = None
    stamp: Stamp | None = None
    segmentation: str = SEGMENTATION

    @property
    def id(self) -> str:
        """The id that the clip will have."""
        return clip_id(self.sha256)


@dataclass(frozen=True, slots=True)
class Clip:
    """One audio file in a library.

    `affect` is the mean over its segments, `segments` their number. `stamp` is what the file at `path` looked like
    when its content was read, None where that is not known.
    """

    id: str
    name: str
    path: str
    sha256: str
    duration: float
    added_at: datetime
    metadata: dict[str, JsonScalar]
    affect: Affect
    segments: int
    stamp: Stamp | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """One search result: a segment (`start`..`end`) of a clip. `score` is a cosine, -1..1.

    `embedding` is the segment's, float32 [dim], where the search was asked for it; hits are equal without it.
    """

    clip: Clip
    start: float
    end: float
    affect: Affect
    score: float
    embedding: npt.NDArray[np.float32] | None = field(default=None, compare=False, repr=False)


class Counts(NamedTuple):
    """How much a library, or the part of it that a filter keeps, holds."""

    clips: int
    segments: int
    seconds: float


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """What a library is searched with.

    `kind`, `parameters` and `reason` say which index and why. `recall` (recall@10 of text queries against the exact
    scan) and `latency_ms` (median, one thread) were measured when it was made. `memory` are the bytes that searching
    takes, by part. `changes` is how many changes there were since the snapshot, and `tail` how many segments were
    added since, which are searched one by one; `problem` says why the snapshot there is cannot be used. None is not
    known.
    """

    kind: str
    parameters: Mapping[str, int | float]
    reason: str
    recall: float | None
    latency_ms: float | None
    memory: Mapping[str, int]
    made_at: datetime | None
    changes: int | None
    tail: int | None
    problem: str | None


@dataclass(frozen=True, slots=True)
class LibraryInfo:
    """What a library is.

    `bytes` is its size on disk, None where its server does not say; `valence` and `arousal` count clips in six
    equal bins from 1 to 7. `segmentation` names the ways in which its clips were cut into segments (see
    `encoders.windows`), the oldest first.
    """

    address: str
    kind: str
    bundle_name: str
    bundle_version: str
    fingerprint: str
    dim: int
    created_at: datetime
    counts: Counts
    bytes: int | None
    valence: tuple[int, ...]
    arousal: tuple[int, ...]
    index: IndexInfo
    segmentation: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Compaction:
    """What a compaction made: a snapshot of so many segments and clips, `bytes` on disk (None: not known).

    `changes` is how many changes went into it. `kind` to `latency_ms` are as in `IndexInfo`.
    """

    segments: int
    clips: int
    changes: int
    kind: str
    parameters: Mapping[str, int | float]
    reason: str
    recall: float | None
    latency_ms: float | None
    bytes: int | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that was made: where, how large, and which of the clips' files were missing in the library itself."""

    target: str
    bytes: int
    missing: tuple[str, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Drift:
    """Something about a library that is not as it should be, in words.

    "catalog": the records disagree with one another. "embedding": a stored vector is no unit vector of the
    bundle's dimension. "snapshot": the snapshot cannot be used, is damaged, or is not what the catalog holds;
    `rebuild` writes it anew. "vectors": what is searched is not what the catalog holds. "audio": a clip's file is
    not where it was, or is not the clip's any more; searches still work, only listening does not.
    """

    kind: DriftKind
    message: str


def check_metadata(metadata: Mapping[str, object]) -> dict[str, JsonScalar]:
    """Return `metadata` as a dict once it is known to be a flat object of scalars within the limits.

    Raises MetadataError, naming the field.
    """
    if len(metadata) > MAX_FIELDS:
        raise MetadataError(f"metadata has {len(metadata)} fields; at most {MAX_FIELDS} are stored.")
    checked: dict[str, JsonScalar] = {}
    for key, value in metadata.items():
        _check_key(key)
        checked[key] = _check_value(key, value)
    return checked


def kind(value: JsonScalar) -> Kind:
    """Name the type under which a metadata value is filed; only values of one kind are compared."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "text"


def check_text(text: str, what: str) -> str:
    """Return `text` once it is known to be storable as UTF-8. Raises MetadataError, naming `what`."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise MetadataError(f"{what} is not valid Unicode ({text!a}). Rename it.") from None
    return text


def _check_key(key: object) -> None:
    if not isinstance(key, str) or not key:
        raise MetadataError(f"metadata: a field's name must be a text with at least one character, got {key!r}.")
    if len(key) > MAX_KEY_CHARS:
        raise MetadataError(f"metadata: the field name {key[:40]!r}... is over {MAX_KEY_CHARS} characters.")
    check_text(key, "metadata: a field's name")


def _check_value(key: str, value: object) -> JsonScalar:
    match value:
        case None | bool():
            return value
        case int() if value in _INT64:
            return value
        case int():
            problem = "is a whole number beyond 64 bits; store it as text"
        case float() if math.isfinite(value):
            return value
        case float():
            problem = f"is {value}; only finite numbers are stored"
        case str() if len(value) <= MAX_TEXT_CHARS:
            return check_text(value, f"metadata: the text of {key!r}")
        case str():
            problem = f"has {len(value)} characters; at most {MAX_TEXT_CHARS} are stored"
        case _:
            problem = f"is a {type(value).__name__}; only text, numbers, true, false and null are stored"
    raise MetadataError(f"metadata: {key!r} {problem}.")
