"""The filter language: which clips a search may find.

A filter is a JSON object. Several keys all have to hold; `{}` keeps everything.

    {"speaker": "03"}                       equal
    {"speaker": {"in": ["03", "08"]}}       one of
    {"duration": {"gte": 1, "lt": 5}}       gt, gte, lt, lte; several together are a range
    {"take": {"exists": true}}              has a value (or, with false, has none)
    {"and": [...]}  {"or": [...]}  {"not": {...}}

`duration` (seconds), `valence`, `arousal` (the clip's, 1..7), `added_at` (ISO 8601; UTC where no offset is
given) and `name` are the clip's own; every other key is a metadata field. `metadata.KEY` always is the
metadata field KEY, for a field that has one of those names.

Every condition is true or false. A field that is missing, or null, has no value: only `{"key": null}` and
`{"key": {"exists": false}}` are true of it. Values of different types are never equal and never in order:
`{"take": 1}` is not true of "1" or of true (but it is of 1.0). Texts compare by code point.

`parse` turns such an object into a `Filter`, a small tree; each store compiles the tree for its engine.
Raises FilterError, naming the place.
"""

import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal, NoReturn

from index.errors import FilterError
from index.records import JsonScalar

Operator = Literal["eq", "in", "gt", "gte", "lt", "lte", "exists"]

OPERATORS: Final[tuple[Operator, ...]] = ("eq", "in", "gt", "gte", "lt", "lte", "exists")
NUMBERS: Final = ("duration", "valence", "arousal")
OWN_FIELDS: Final = (*NUMBERS, "added_at", "name")
MAX_DEPTH: Final = 16
MAX_CONDITIONS: Final = 256
MAX_VALUES: Final = 10_000
MAX_CHARS: Final = 10_000

_METADATA: Final = "metadata."
_WORDS: Final = ("and", "or", "not")
_INT64: Final = range(-(2**63), 2**63)


@dataclass(frozen=True, slots=True)
class Field:
    """What a condition looks at: one of the clip's own fields, or a metadata field."""

    name: str
    own: bool

    @property
    def key(self) -> str:
        """The field's name as a filter writes it."""
        plain = self.own or not (self.name in (*OWN_FIELDS, *_WORDS) or self.name.startswith(_METADATA))
        return self.name if plain else _METADATA + self.name


@dataclass(frozen=True, slots=True)
class OneOf:
    """The field's value is one of `values`; None stands for "has no value"."""

    field: Field
    values: tuple[JsonScalar, ...]


@dataclass(frozen=True, slots=True)
class Order:
    """The field's value and `bound` are both numbers or both texts, and stand in this order."""

    field: Field
    operator: Literal["gt", "gte", "lt", "lte"]
    bound: str | int | float


@dataclass(frozen=True, slots=True)
class And:
    """All of `filters` hold; of none, that is true."""

    filters: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one of `filters` holds."""

    filters: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """`filter` does not hold."""

    filter: "Filter"


Filter = OneOf | Order | And | Or | Not


def parse(value: object) -> Filter:
    """Turn a decoded JSON object into a filter. Raises FilterError."""
    return _Parser().clause(value, "filter", 1)


def loads(text: str) -> Filter:
    """Turn JSON text into a filter. Raises FilterError, for text that is no JSON as well."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FilterError(
            f'the filter is no JSON ({error}). A filter looks like {{"speaker": "03", "duration": {{"gte": 1}}}}.'
        ) from None
    return parse(value)


def field(key: str) -> Field:
    """Return the field that a filter calls `key`. Raises FilterError for a name that is none."""
    return _field(key, f"the field {key[:80]!r}")


def fields(condition: Filter) -> set[Field]:
    """Return the fields that a filter looks at."""
    match condition:
        case And(filters) | Or(filters):
            return set[Field]().union(*map(fields, filters))
        case Not(inner):
            return fields(inner)
        case OneOf(field) | Order(field):
            return {field}


def timestamp(moment: datetime) -> str:
    """Return `moment` as the text that orders and equals as the moment itself: UTC, microseconds."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


class _Parser:
    """Reads one filter; counts what has a limit."""

    def __init__(self) -> None:
        self._conditions = 0
        self._values = 0

    def clause(self, value: object, place: str, depth: int) -> Filter:
        if depth > MAX_DEPTH:
            _refuse(place, f"is nested more than {MAX_DEPTH} levels deep")
        if not isinstance(value, dict):
            _refuse(place, f'must be an object such as {{"speaker": "03"}}, got {_kind(value)}')
        filters = [self._entry(key, operand, place, depth) for key, operand in value.items()]
        return filters[0] if len(filters) == 1 else And(tuple(filters))

    def _entry(self, key: object, operand: object, place: str, depth: int) -> Filter:
        if not isinstance(key, str):
            _refuse(place, f"has a key that is no text: {key!r}")
        here = f"{place}.{key[:80]}"
        match key:
            case "and" | "or":
                if not isinstance(operand, list) or not operand:
                    _refuse(here, "must be a list of at least one filter")
                parts = tuple(self.clause(item, f"{here}[{number}]", depth + 1) for number, item in enumerate(operand))
                return And(parts) if key == "and" else Or(parts)
            case "not":
                return Not(self.clause(operand, here, depth + 1))
        field = _field(key, here)
        if not isinstance(operand, dict):
            return self._condition(field, "eq", operand, here)
        if not operand:
            _refuse(here, f"needs a value or at least one of {', '.join(OPERATORS)}")
        tests = [
            self._condition(field, self._operator(name, here), item, f"{here}.{name}") for name, item in operand.items()
        ]
        return tests[0] if len(tests) == 1 else And(tuple(tests))

    def _operator(self, name: object, place: str) -> Operator:
        if name not in OPERATORS:
            _refuse(place, f"has the unknown operator {str(name)[:40]!r}; there are {', '.join(OPERATORS)}")
        return name

    def _condition(self, field: Field, operator: Operator, operand: object, place: str) -> Filter:
        self._conditions += 1
        if self._conditions > MAX_CONDITIONS:
            _refuse(place, f"is one condition too many; a filter has at most {MAX_CONDITIONS}")
        match operator:
            case "exists":
                if not isinstance(operand, bool):
                    _refuse(place, f"must be true or false, got {_kind(operand)}")
                absent = OneOf(field, (None,))
                return Not(absent) if operand else absent
            case "eq":
                return OneOf(field, (self._value(field, operand, place),))
            case "in":
                if not isinstance(operand, list):
                    _refuse(place, f"must be a list of values, got {_kind(operand)}")
                values = [self._value(field, item, f"{place}[{n}]") for n, item in enumerate(operand)]
                return OneOf(field, tuple(values))
        bound = self._value(field, operand, place)
        if bound is None or isinstance(bound, bool):
            _refuse(place, f"must be a number or a text to compare with, got {_kind(operand)}")
        return Order(field, operator, bound)

    def _value(self, field: Field, value: object, place: str) -> JsonScalar:
        self._values += 1
        if self._values > MAX_VALUES:
            _refuse(place, f"is one value too many; a filter has at most {MAX_VALUES}")
        scalar = _scalar(value, place)
        return _own(field, scalar, place) if field.own else scalar


def _field(key: str, place: str) -> Field:
    if key in OWN_FIELDS:
        return Field(key, own=True)
    name = key.removeprefix(_METADATA)
    if not name:
        _refuse(place, "names no field")
    return Field(_encodable(name, place), own=False)


def _scalar(value: object, place: str) -> JsonScalar:
    match value:
        case None | bool():
            pass
        case int():
            if value not in _INT64:
                _refuse(place, "is a whole number beyond 64 bits")
        case float():
            if not math.isfinite(value):
                _refuse(place, f"is {value}; only finite numbers can be compared")
        case str():
            if len(value) > MAX_CHARS:
                _refuse(place, f"has {len(value)} characters; at most {MAX_CHARS} can be compared")
            _encodable(value, place)
        case _:
            _refuse(place, f"must be a text, a number, true, false or null, got {_kind(value)}")
    return value


def _own(field: Field, value: JsonScalar, place: str) -> JsonScalar:
    """Check a value against the type of one of the clip's own fields, which is known."""
    if value is None:
        return None
    if field.name in NUMBERS:
        if isinstance(value, bool) or not isinstance(value, int | float):
            _refuse(place, f"is compared with {field.name}, a number, but is {_kind(value)}")
        return value
    if not isinstance(value, str):
        _refuse(place, f"is compared with {field.name}, a text, but is {_kind(value)}")
    if field.name == "name":
        return value
    try:
        moment = datetime.fromisoformat(value)
        return timestamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        _refuse(place, f"is no date or time of ISO 8601, such as 2025-03-01 or 2025-03-01T12:00:00Z: {value[:40]!r}")


def _encodable(text: str, place: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        _refuse(ascii(place), "is not valid Unicode")
    return text


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list():
            return "a list"
        case dict():
            return "an object"
    return f"a {type(value).__name__}"


def _refuse(place: str, problem: str) -> NoReturn:
    raise FilterError(f"{place} {problem}.")
