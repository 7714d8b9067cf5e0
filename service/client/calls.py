"""The calls, one a route: what is sent, and how the answer is read.

Plain functions that send nothing; `Client` and `AsyncClient` have a method of each, with these arguments, that sends
it. Filters, shifts, regions and the parts of a query are the JSON of docs/http.md.
"""

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, NotRequired, TypedDict, TypeVar
from urllib.parse import quote

import httpx
from pydantic import TypeAdapter, ValidationError

from service.client import results
from service.client.errors import AnswerUnreadable
from service.client.results import Scalar
from service.client.retries import Repeat
from service.client.sounds import Sound

T = TypeVar("T")

Metadata = Mapping[str, Scalar]
Filter = Mapping[str, Any]


class TextPart(TypedDict):
    """A prompt as one part of a query."""

    text: str
    weight: NotRequired[float]


class ClipPart(TypedDict):
    """A clip of the library, by its id, as one part of a query."""

    clip: str
    weight: NotRequired[float]


class Place(TypedDict):
    """A point of the plane, each axis 1..7."""

    valence: float
    arousal: float


class AffectPart(TypedDict):
    """A point of the plane as one part of a query."""

    affect: Place
    weight: NotRequired[float]


class EmbeddingPart(TypedDict):
    """A vector as one part of a query."""

    embedding: Sequence[float]
    weight: NotRequired[float]


class Shift(TypedDict, total=False):
    """How far a query is moved in the plane, in points of the scale."""

    valence: float
    arousal: float


class Region(TypedDict, total=False):
    """Where in the plane the segment of a hit has to lie: on each axis from and to, both included."""

    valence: tuple[float, float]
    arousal: tuple[float, float]


Part = TextPart | ClipPart | AffectPart | EmbeddingPart
Query = str | Sequence[Part]


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A request, and how its answer is read. `files` are the sounds of one field of its form."""

    method: str
    path: str
    read: Callable[[httpx.Response], T]
    repeat: Repeat = "lost"
    params: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    form: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[str, Sequence[Sound]] | None = None


def search(
    query: Query,
    *,
    k: int = 10,
    offset: int = 0,
    filter: Filter | None = None,
    min_score: float | None = None,
    group_by_clip: bool = True,
    shift: Shift | None = None,
    region: Region | None = None,
    distinct: bool = False,
) -> Call[results.Found]:
    """Find the clips that feel like a prompt, or like a weighted sum of parts."""
    wanted = {
        "query": query if isinstance(query, str) else list(query),
        **_search_options(k, offset, min_score, distinct),
        "filter": filter,
        "group_by_clip": group_by_clip,
        "shift": shift,
        "region": region,
    }
    return Call("POST", "/v1/search", _FOUND, json=_given(wanted))


def search_audio(
    sound: Sound,
    *,
    k: int = 10,
    offset: int = 0,
    filter: Filter | None = None,
    min_score: float | None = None,
    group_by_clip: bool = True,
    weight: float = 1.0,
    parts: Sequence[Part] | None = None,
    shift: Shift | None = None,
    region: Region | None = None,
    distinct: bool = False,
) -> Call[results.Found]:
    """Find the clips that feel like a recording, which is not kept; `parts` are further parts of the query."""
    form = {
        **_search_options(k, offset, min_score, distinct),
        "filter": _text(filter),
        "group_by_clip": group_by_clip,
        "weight": weight,
        "parts": _text(parts),
        "shift": _text(shift),
        "region": _text(region),
    }
    return Call("POST", "/v1/search/audio", _FOUND, form=_given(form), files=("file", [sound]))


def similar(
    clip_id: str,
    *,
    k: int = 10,
    offset: int = 0,
    filter: Filter | None = None,
    min_score: float | None = None,
    shift: Shift | None = None,
    region: Region | None = None,
    distinct: bool = False,
) -> Call[results.Found]:
    """Find the clips that feel like one of the library, which is left out."""
    options = _search_options(k, offset, min_score, distinct)
    params = {**options, "filter": _text(filter), "shift": _text(shift), "region": _text(region)}
    return Call("GET", f"{_clip(clip_id)}/similar", _FOUND, params=_given(params))


def describe(
    sound: Sound, *, candidates: Iterable[str] = (), embedding: bool = False, peaks: int | None = None
) -> Call[results.Description]:
    """Say how a recording feels, which is not kept; `candidates` are prompts of yours to score against it.

    `embedding` asks for the recording's too, to search with or to compare; `peaks` for its waveform in so many columns.
    """
    form = _given({"candidates": several(candidates, "candidates"), "embedding": embedding, "peaks": peaks})
    return Call("POST", "/v1/describe", _DESCRIPTION, form=form, files=("file", [sound]))


def add(sound: Sound, metadata: Metadata | None = None) -> Call[results.Added]:
    """Add one recording; `status` says whether it was there already. A file that cannot be used is a `ProblemError`."""
    form = _given({"metadata": _text(metadata)})
    return Call("POST", "/v1/clips", lambda answer: _ADDED(answer).results[0], form=form, files=("files", [sound]))


def add_several(sounds: Sequence[Sound], metadata: Sequence[Metadata | None]) -> Call[results.AddedFiles]:
    """Add recordings in one request, each with metadata of its own: what `add_all` sends, many times."""
    form = {} if all(item is None for item in metadata) else {"metadata": _text(list(metadata))}
    return Call("POST", "/v1/clips", _ADDED, form=_given(form), files=("files", sounds))


def clips(*, offset: int = 0, limit: int = 100, filter: Filter | None = None) -> Call[results.Page]:
    """List one page of the clips, in the order in which they were added."""
    params = {"offset": offset, "limit": limit, "filter": _text(filter)}
    return Call("GET", "/v1/clips", _PAGE, params=_given(params))


def clip(clip_id: str) -> Call[results.Clip]:
    """Return what the library knows of one clip."""
    return Call("GET", _clip(clip_id), _CLIP)


def delete(clip_id: str) -> Call[None]:
    """Delete a clip, and its audio if it was uploaded. Not sent again once it may have been carried out."""
    return Call("DELETE", _clip(clip_id), lambda _: None, "refused")


def audio(clip_id: str, *, first: int = 0, last: int | None = None) -> Call[bytes]:
    """Return a clip's file, or its bytes from `first` to `last` (included). `save_audio` streams it to the disk."""
    headers = {} if first == 0 and last is None else {"Range": f"bytes={first}-{'' if last is None else last}"}
    return Call("GET", f"{_clip(clip_id)}/audio", lambda answer: answer.content, headers=headers)


def waveform(clip_id: str, *, points: int = 400) -> Call[results.Waveform]:
    """Return how loud each of so many equal parts of a clip is, for drawing it."""
    return Call("GET", f"{_clip(clip_id)}/waveform", _WAVEFORM, params={"points": points})


def facets(
    fields: Iterable[str] | None = None, *, filter: Filter | None = None, limit: int = 20
) -> Call[results.Facets]:
    """Count the clips that a filter keeps by the values of each field."""
    params = {"field": None if fields is None else several(fields, "fields"), "filter": _text(filter), "limit": limit}
    return Call("GET", "/v1/facets", _FACETS, params=_given(params))


def plane_map(*, filter: Filter | None = None) -> Call[bytes]:
    """Return where every segment lies in the plane, as the bytes that docs/http.md lays out."""
    return Call("GET", "/v1/map", lambda answer: answer.content, params=_given({"filter": _text(filter)}))


def embed_text(prompts: Iterable[str]) -> Call[results.TextEmbeddings]:
    """Turn prompts into unit vectors of the space that audio lives in too."""
    return Call("POST", "/v1/embed/text", _TEXTS, json={"prompts": several(prompts, "prompts")})


def embed_audio(sounds: Iterable[Sound]) -> Call[results.AudioEmbeddings]:
    """Turn recordings into unit vectors; nothing is kept."""
    return Call("POST", "/v1/embed/audio", _SOUNDS, files=("files", several(sounds, "sounds")))


def info() -> Call[results.Info]:
    """Return the version, the bundle, the library's size and every limit."""
    return Call("GET", "/v1/info", _INFO)


def health() -> Call[results.Health]:
    """Tell that the process runs. Not tried again: whoever asks wants to know how it is now."""
    return Call("GET", "/healthz", _HEALTH, "never")


def ready() -> Call[results.Ready]:
    """Tell that it can search, or raise the `ProblemError` that says why not. Not tried again."""
    return Call("GET", "/readyz", _READY, "never")


def several(given: Iterable[T], what: str) -> list[T]:
    """Make a list of what a caller gave; raises TypeError for a text, path or file where several of them belong."""
    if isinstance(given, str | bytes | os.PathLike) or hasattr(given, "read"):
        raise TypeError(f"{what} can be several: give a list, also of one.")
    return list(given)


def _search_options(k: int, offset: int, min_score: float | None, distinct: bool) -> dict[str, Any]:
    return {"k": k, "offset": offset, "min_score": min_score, "distinct": distinct}


def _clip(clip_id: str) -> str:
    # "." and ".." would be taken for steps of the path.
    return "/v1/clips/" + quote(clip_id, safe="").replace(".", "%2E")


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _text(value: object) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False, allow_nan=False)


def _reader(kind: type[T]) -> Callable[[httpx.Response], T]:
    adapter = TypeAdapter(kind)

    def read(answer: httpx.Response) -> T:
        try:
            return adapter.validate_json(answer.content)
        except ValidationError as error:
            fault = error.errors(include_url=False, include_input=False)[0]
            where = "/".join(map(str, fault["loc"])) or "the whole of it"
            raise AnswerUnreadable(
                f"{answer.url} answered {answer.status_code}, but not as this client's EmotionRank does: "
                f"{where}: {fault['msg']}. Is the address right, and is the service of another version?"
            ) from error

    return read


_FOUND: Final = _reader(results.Found)
_PAGE: Final = _reader(results.Page)
_CLIP: Final = _reader(results.Clip)
_ADDED: Final = _reader(results.AddedFiles)
_WAVEFORM: Final = _reader(results.Waveform)
_DESCRIPTION: Final = _reader(results.Description)
_FACETS: Final = _reader(results.Facets)
_TEXTS: Final = _reader(results.TextEmbeddings)
_SOUNDS: Final = _reader(results.AudioEmbeddings)
_INFO: Final = _reader(results.Info)
_HEALTH: Final = _reader(results.Health)
_READY: Final = _reader(results.Ready)
