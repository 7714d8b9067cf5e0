"""The JSON of a search: its query, the parts of it, and its options.

Requests are strict: no key that is not listed, no text where a number belongs, no number that is not finite.
"""

from collections.abc import Iterable
from typing import Annotated, Final, Literal, TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    Tag,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from encoders.affect import HIGH, LOW, Affect
from encoders.encoder import MAX_PROMPT_CHARS
from index import query, region
from service import examples, strictjson
from service.errors import RequestInvalid
from service.intake import unknown

MAX_K: Final = 1000
MAX_OFFSET: Final = 1_000_000
MAX_PARTS: Final = 16
MAX_WEIGHT: Final = 100.0
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


class Place(Strict):
    """A point of the valence-arousal plane; 4 is neutral."""

    valence: Annotated[float, Field(ge=LOW, le=HIGH, description="7 is the most positive.")]
    arousal: Annotated[float, Field(ge=LOW, le=HIGH, description="7 is the most activated.")]


class AffectPart(Strict):
    """A point of the plane as one part of a query: what the bundle's vocabulary near it sounds like."""

    affect: Place
    weight: Weight = 1.0


class Shift(Strict):
    """How far the sum of the parts is moved in the plane, in points of the scale 1..7."""

    valence: Annotated[
        float, Field(ge=-query.MAX_SHIFT, le=query.MAX_SHIFT, description="Positive: towards the positive.")
    ] = 0.0
    arousal: Annotated[
        float, Field(ge=-query.MAX_SHIFT, le=query.MAX_SHIFT, description="Positive: towards the activated.")
    ] = 0.0


Interval = Annotated[
    list[Annotated[float, Field(ge=LOW, le=HIGH)]],
    Field(min_length=2, max_length=2, description="From and to, both included.", examples=[[1, 3]]),
]


class Region(Strict):
    """Where in the plane the segment of a hit has to lie; an axis that is not given is open."""

    valence: Interval | None = None
    arousal: Interval | None = None


def _part_kind(value: object) -> str | None:
    kinds = [kind for kind in ("text", "clip", "affect", "embedding") if isinstance(value, dict) and kind in value]
    return f"@{kinds[0]}" if len(kinds) == 1 else None


def _query_kind(value: object) -> str | None:
    if isinstance(value, str):
        return "@prompt"
    return "@parts" if isinstance(value, list) else None


Part = Annotated[
    Annotated[TextPart, Tag("@text")]
    | Annotated[ClipPart, Tag("@clip")]
    | Annotated[AffectPart, Tag("@affect")]
    | Annotated[EmbeddingPart, Tag("@embedding")],
    Discriminator(
        _part_kind,
        custom_error_type="part_kind",
        custom_error_message="a part is an object with exactly one of text, clip, affect, embedding "
        "(and, if wanted, weight)",
    ),
]
Parts = Annotated[list[Part], Field(min_length=1, max_length=MAX_PARTS)]
QueryField = Annotated[
    Annotated[Prompt, Tag("@prompt")] | Annotated[Parts, Tag("@parts")],
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
    shift: Annotated[Shift, Field(description="Moves the query in the plane: like this, but calmer.")] = Shift()
    k: Annotated[int, Field(ge=1, le=MAX_K, description="How many hits at most.")] = 10
    offset: Annotated[int, Field(ge=0, le=MAX_OFFSET, description="How many of the best hits to skip.")] = 0
    filter: FilterObject | None = None
    region: Annotated[
        Region | None,
        Field(
            description="Only segments whose own affect lies there; a filter's `valence` and `arousal` are the clip's, "
            "its segments' mean.",
            examples=[{"valence": [1, 3], "arousal": [5, 7]}],
        ),
    ] = None
    min_score: MinScore | None = None
    group_by_clip: Annotated[
        bool, Field(description="One hit a clip, its best segment; false gives every segment.")
    ] = True
    distinct: Annotated[
        bool,
        Field(
            description="Leave out hits that are nearly the same sound as a better one: copies in another format, at "
            "another level."
        ),
    ] = False


def parts_of(wanted: str | Iterable[Part]) -> list[query.Part]:
    """Turn a query into the parts of the index."""
    return [query.TextPart(wanted)] if isinstance(wanted, str) else [_part(part) for part in wanted]


def _part(part: Part) -> query.Part:
    match part:
        case TextPart():
            return query.TextPart(part.text, part.weight)
        case ClipPart():
            return query.ClipPart(part.clip, part.weight)
        case AffectPart():
            return query.AffectPart(Affect(part.affect.valence, part.affect.arousal), part.weight)
        case EmbeddingPart():
            return query.EmbeddingPart(part.embedding, part.weight)


def shift_of(wanted: Shift) -> query.Shift:
    """Turn a shift into that of the index."""
    return query.Shift(wanted.valence, wanted.arousal)


def region_of(wanted: Region | None) -> region.Region | None:
    """Turn a region into that of the index. Raises QueryError for an interval that ends before it begins."""
    return None if wanted is None else region.Region(_interval(wanted.valence), _interval(wanted.arousal))


def _interval(wanted: list[float] | None) -> region.Interval | None:
    return None if wanted is None else (wanted[0], wanted[1])


def read_parts(text: str | None) -> list[query.Part]:
    """Read parts that came as JSON text in a form; raises as a body that does not fit."""
    return [] if text is None else parts_of(_read(_PARTS, text, "body", "parts"))


def read_shift(text: str | None, where: Literal["body", "query"]) -> query.Shift:
    """Read a shift that came as JSON text in a form or as a parameter; raises as a body that does not fit."""
    return query.STAY if text is None else shift_of(_read(_SHIFT, text, where, "shift"))


def read_region(text: str | None, where: Literal["body", "query"]) -> region.Region | None:
    """Read a region that came as JSON text; raises as a body that does not fit, and as `region_of`."""
    return None if text is None else region_of(_read(_REGION, text, where, "region"))


T = TypeVar("T")

_PARTS: Final[TypeAdapter[list[Part]]] = TypeAdapter(Parts)
_SHIFT: Final[TypeAdapter[Shift]] = TypeAdapter(Shift)
_REGION: Final[TypeAdapter[Region]] = TypeAdapter(Region)


def _read(adapter: TypeAdapter[T], text: str, where: str, name: str) -> T:
    try:
        value = strictjson.parse(text)
    except ValueError as error:
        raise RequestInvalid(f"{where} {name}", f"not JSON that can be read: {error}") from error
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        raise RequestValidationError([{**fault, "loc": (where, name, *fault["loc"])} for fault in faults]) from error
