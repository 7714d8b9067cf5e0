"""Filters as Milvus expressions over a row of either collection.

Milvus' `not` is kept away from what may be missing: a filter is negated by negating its conditions, and the
negation of "is over 5" is "is at most 5, or is no number". Every expression is true or false of every row,
whatever the server makes of a JSON key that is not there.
"""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Final

import numpy as np

from index.filters import And, Filter, Not, OneOf, Or, Order
from index.milvus import encoding
from index.records import JsonScalar, kind
from index.region import AXES, Region

# Columns are never empty, so these are true and false of every row. (The library's own row has -1.)
EVERYTHING: Final = "added >= 0"
_NOTHING: Final = "added < -1"

_SYMBOLS: Final = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_OPPOSITE: Final = {"gt": "<=", "gte": "<", "lt": ">=", "lte": ">"}


def compile_filter(condition: Filter | None) -> str:
    """Return the expression that is true of the rows of clips that a filter keeps."""
    return EVERYTHING if condition is None else f"{EVERYTHING} and {_compiled(condition, wanted=True)}"


def of_segments(condition: Filter | None, region: Region | None, exclude: Iterable[str]) -> str:
    """Return the expression that is true of the segments that a search may find; empty where it may find all.

    `exclude` are clips' ids. A search without a filter is quicker than one with a filter that keeps everything.
    """
    parts = [] if condition is None else [_compiled(condition, wanted=True)]
    parts += [] if region is None else _bounds(region)
    if excluded := sorted(clip for clip in exclude if is_id(clip)):
        parts.append(one_of("clip", excluded, wanted=False))
    return " and ".join(parts)


def _bounds(region: Region) -> list[str]:
    """Return what has to be true of a segment's own affect: that it lies in the region once rounded to float32."""
    parts = []
    for axis in AXES:
        if (interval := region.interval(axis)) is not None:
            low, high = map(np.float32, interval)
            least, most = (
                (float(bound) + float(np.nextafter(bound, beyond))) / 2
                for bound, beyond in ((low, np.float32(-np.inf)), (high, np.float32(np.inf)))
            )
            parts.append(f"segment_{axis} >= {least!r} and segment_{axis} <= {most!r}")
    return parts


def is_id(text: str) -> bool:
    """Say whether a text can be a clip's id; others are looked for nowhere."""
    return re.fullmatch("[0-9a-f]{16}", text) is not None


def one_of(column: str, texts: Iterable[str], *, wanted: bool = True) -> str:
    """Return the expression that a column's text is (or is not) one of `texts`, which need no escaping."""
    return f"{column} {'in' if wanted else 'not in'} [{_quoted(texts)}]"


def _compiled(condition: Filter, *, wanted: bool) -> str:
    match condition:
        case And(filters):
            return _joined(filters, wanted=wanted, every=wanted)
        case Or(filters):
            return _joined(filters, wanted=wanted, every=not wanted)
        case Not(inner):
            return _compiled(inner, wanted=not wanted)
        case OneOf(field, values) if field.own:
            return _own_one_of(field.name, values, wanted=wanted)
        case OneOf(field, values):
            return _one_of(field.name, values, wanted=wanted)
        case Order(field, operator, bound) if field.own:
            return _own_order(field.name, operator, bound, wanted=wanted)
        case Order(field, operator, bound):
            return _order(field.name, operator, bound, wanted=wanted)


def _joined(filters: tuple[Filter, ...], *, wanted: bool, every: bool) -> str:
    parts = [_compiled(item, wanted=wanted) for item in filters]
    if not parts:
        return EVERYTHING if every else _NOTHING
    return "(" + (" and " if every else " or ").join(parts) + ")"


def _one_of(key: str, values: tuple[JsonScalar, ...], *, wanted: bool) -> str:
    equal = sorted({encoding.value_token(key, value) for value in values if value is not None})
    is_not, glue = ("", " or ") if wanted else ("not ", " and ")
    parts = [f"{is_not}array_contains_any(tokens, [{_quoted(equal)}])"] if equal else []
    if None in values:
        is_none = "not " if wanted else ""
        parts.append(f'{is_none}array_contains(tokens, "{encoding.has_token(key)}")')
    return f"({glue.join(parts)})" if parts else (_NOTHING if wanted else EVERYTHING)


def _order(key: str, operator: str, bound: str | int | float, *, wanted: bool) -> str:
    sort = kind(bound)
    symbol = (_SYMBOLS if wanted else _OPPOSITE)[operator]
    test = f'ranges["{encoding.range_key(key, sort)}"] {symbol} "{encoding.sortable(bound)}"'
    return test if wanted else f'({test} or not array_contains(tokens, "{encoding.type_token(key, sort)}"))'


def _own_one_of(column: str, values: tuple[JsonScalar, ...], *, wanted: bool) -> str:
    # The clip's own fields always have a value: null is never equal to one.
    members = sorted({_literal(column, value) for value in values if value is not None and _is_stored(column, value)})
    if not members:
        return _NOTHING if wanted else EVERYTHING
    return f"{column_of(column)} {'in' if wanted else 'not in'} [{', '.join(members)}]"


def _own_order(column: str, operator: str, bound: str | int | float, *, wanted: bool) -> str:
    symbol = (_SYMBOLS if wanted else _OPPOSITE)[operator]
    if not _is_stored(column, bound):
        # Between two doubles: what is not over it is not over the lower of them.
        symbol = {">=": ">", "<": "<="}.get(symbol, symbol)
    return f"{column_of(column)} {symbol} {_literal(column, bound)}"


def _is_stored(column: str, value: JsonScalar) -> bool:
    """Say whether a column can hold just this value: doubles do not hold every whole number."""
    return not isinstance(value, int) or encoding.float_below(value) == value


def column_of(field: str) -> str:
    """Return the column of one of the clip's own fields."""
    return "added" if field == "added_at" else field


def _literal(field: str, value: JsonScalar) -> str:
    if field == "added_at":
        return str(encoding.microseconds(datetime.fromisoformat(str(value))))
    if isinstance(value, int | float):
        return repr(encoding.float_below(value) + 0.0)
    return f'"{encoding.sortable(str(value))}"'


def _quoted(texts: Iterable[str]) -> str:
    return ", ".join(f'"{text}"' for text in texts)
