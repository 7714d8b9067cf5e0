"""Filters as SQL over the catalog's tables `clips` and `metadata`.

Values and field names are always parameters, never text of the statement. Every condition compiles to an
expression that is true or false and never NULL, so that `not` means what the filter language says.
"""

from itertools import groupby
from typing import Final

from index.filters import And, Filter, Not, OneOf, Or, Order
from index.records import JsonScalar

Parameters = list[str | int | float]

_SYMBOLS: Final = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


def kind(value: JsonScalar) -> str:
    """Name the type under which the catalog files a metadata value; only values of one kind are compared."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "text"


def compile_filter(condition: Filter) -> tuple[str, Parameters]:
    """Return the SQL expression over a row of `clips` that is true of the clips to keep, and its parameters."""
    match condition:
        case And(filters):
            return _joined(filters, " AND ", "TRUE")
        case Or(filters):
            return _joined(filters, " OR ", "FALSE")
        case Not(inner):
            sql, parameters = compile_filter(inner)
            return f"NOT {sql}", parameters
        case OneOf(field, values):
            return _own_one_of(field.name, values) if field.own else _one_of(field.name, values)
        case Order(field, operator, bound) if field.own:
            return f"(clips.{field.name} {_SYMBOLS[operator]} ?)", [bound]
        case Order(field, operator, bound):
            sql = _having(f"kind = ? AND value {_SYMBOLS[operator]} ?")
            return sql, [field.name, kind(bound), bound]


def _joined(filters: tuple[Filter, ...], word: str, empty: str) -> tuple[str, Parameters]:
    parameters: Parameters = []
    parts = []
    for item in filters:
        sql, values = compile_filter(item)
        parts.append(sql)
        parameters += values
    return f"({word.join(parts) or empty})", parameters


def _one_of(key: str, values: tuple[JsonScalar, ...]) -> tuple[str, Parameters]:
    parts: list[str] = []
    parameters: Parameters = []
    for name, group in groupby(sorted(values, key=kind), key=kind):
        if name == "null":
            parts.append("NOT " + _having("kind <> 'null'"))
            parameters.append(key)
            continue
        members = [value for value in group if value is not None]
        parts.append(_having(f"kind = ? AND value IN ({_marks(members)})"))
        parameters += [key, name, *members]
    return f"({' OR '.join(parts) or 'FALSE'})", parameters


def _own_one_of(column: str, values: tuple[JsonScalar, ...]) -> tuple[str, Parameters]:
    # `column` is one of filters.OWN_FIELDS; none of these columns is ever NULL.
    members = [value for value in values if value is not None]
    return f"(clips.{column} IN ({_marks(members)}))", list(members)


def _having(test: str) -> str:
    return f"clips.number IN (SELECT clip FROM metadata WHERE key = ? AND {test})"


def _marks(members: list[str | int | float]) -> str:
    return ", ".join("?" * len(members))
