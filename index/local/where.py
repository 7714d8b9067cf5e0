"""Filters as SQL over the catalog's tables `clips` and `metadata`.

Values and field names are always parameters, never text of the statement. Every condition compiles to an
expression that is true or false and never NULL, so that `not` means what the filter language says.
"""

from dataclasses import dataclass
from itertools import groupby
from typing import Final

from index.filters import And, Filter, Not, OneOf, Or, Order
from index.local.sqlite import marks
from index.records import JsonScalar, kind

Parameters = list[str | int | float]

_SYMBOLS: Final = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


@dataclass(frozen=True, slots=True)
class Test:
    """A test of the rows of one table, an SQL expression with its parameters.

    Those of "clips" are of the clip itself. Those of "metadata" are of its fields: a clip passes where one of its
    rows does; `negated`, where none does.
    """

    table: str
    sql: str
    parameters: Parameters
    negated: bool = False


def compile_filter(condition: Filter, *, few: bool = False) -> tuple[str, Parameters]:
    """Return the SQL expression over a row of `clips` that is true of the clips to keep, and its parameters.

    By default it is made for a walk over all clips; with `few`, for looking at a few of them.
    """
    match condition:
        case And(filters):
            return _joined([compile_filter(item, few=few) for item in filters], " AND ", "TRUE")
        case Or(filters):
            return _joined([compile_filter(item, few=few) for item in filters], " OR ", "FALSE")
        case Not(inner):
            sql, parameters = compile_filter(inner, few=few)
            return f"NOT {sql}", parameters
        case OneOf() | Order():
            return _joined([_over_clips(test, few) for test in tests(condition)], " OR ", "FALSE")


def tests(condition: OneOf | Order) -> list[Test]:
    """Return the tests one of which a clip that the condition keeps has to pass."""
    match condition:
        case OneOf(field, values) if field.own:
            # The name is one of filters.OWN_FIELDS; none of these columns is ever NULL.
            members = [value for value in values if value is not None]
            return [Test("clips", f"clips.{field.name} IN ({marks(members)})", list(members))]
        case OneOf(field, values):
            groups = groupby(sorted(values, key=kind), key=kind)
            return [_one_of(field.name, name, list(group)) for name, group in groups]
        case Order(field, operator, bound) if field.own:
            return [Test("clips", f"clips.{field.name} {_SYMBOLS[operator]} ?", [bound])]
        case Order(field, operator, bound):
            sql = f"key = ? AND kind = ? AND value {_SYMBOLS[operator]} ?"
            return [Test("metadata", sql, [field.name, kind(bound), bound])]


def _one_of(key: str, kind: str, values: list[JsonScalar]) -> Test:
    if kind == "null":
        return Test("metadata", "key = ? AND kind <> 'null'", [key], negated=True)
    members = [value for value in values if value is not None]
    return Test("metadata", f"key = ? AND kind = ? AND value IN ({marks(members)})", [key, kind, *members])


def _over_clips(test: Test, few: bool) -> tuple[str, Parameters]:
    if test.table == "clips":
        return f"({test.sql})", test.parameters
    if few:
        sql = f"EXISTS (SELECT 1 FROM metadata WHERE clip = clips.number AND {test.sql})"
    else:
        sql = f"clips.number IN (SELECT clip FROM metadata WHERE {test.sql})"
    return f"(NOT {sql})" if test.negated else f"({sql})", test.parameters


def _joined(parts: list[tuple[str, Parameters]], word: str, empty: str) -> tuple[str, Parameters]:
    parameters = [value for _, values in parts for value in values]
    return f"({word.join(sql for sql, _ in parts) or empty})", parameters
