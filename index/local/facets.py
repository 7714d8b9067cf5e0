"""Facets as SQL over the catalog: one pass over `metadata`, one over `clips`; see `index.facets`."""

import sqlite3
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

from index import facets
from index.facets import Facet, FacetValue
from index.filters import And, Field, Filter
from index.local.where import Parameters, compile_filter
from index.records import JsonScalar

_RANKED: Final = """
    SELECT key, kind, value, clips, total, distinct_values FROM (
        SELECT key, kind, value, clips,
            sum(clips) OVER field AS total,
            count(*) OVER field AS distinct_values,
            row_number() OVER (PARTITION BY key ORDER BY clips DESC, kind, value) AS place
        FROM counted WINDOW field AS (PARTITION BY key)
    ) WHERE place <= ? ORDER BY key, place
"""


def fields(connection: sqlite3.Connection, among: Iterable[str] | None) -> set[str]:
    """Return the names of the metadata fields that clips have: those of `among`, or all."""
    if among is not None:
        test = "SELECT 1 FROM metadata WHERE key = ? LIMIT 1"
        return {key for key in among if connection.execute(test, (key,)).fetchone()}
    # From one name to the next through the index, which is quicker than reading all of it.
    rows = connection.execute(
        """
        WITH RECURSIVE keys (key) AS (
            SELECT min(key) FROM metadata
            UNION ALL
            SELECT (SELECT min(key) FROM metadata WHERE key > keys.key) FROM keys WHERE keys.key IS NOT NULL
        )
        SELECT key FROM keys WHERE key IS NOT NULL
        """
    )
    return {row[0] for row in rows}


def count(
    connection: sqlite3.Connection, names: Sequence[str] | None, condition: Filter | None, limit: int
) -> list[Facet]:
    """Return the facets of the clips that a filter keeps; see `index.store.Store.facets`."""
    wanted = facets.checked(names, limit)
    where, parameters = compile_filter(condition or And(()))
    if wanted is None:
        wanted = [Field(name, own=True) for name in facets.NUMBERS]
        wanted += [Field(key, own=False) for key in _common(connection, where, parameters)]
    keys = [field.name for field in wanted if not field.own]
    values = _values(connection, keys, where, parameters, limit)
    own = [field.name for field in wanted if field.own]
    ranges = dict(zip(own, _ranges(connection, own, where, parameters), strict=True))
    return [ranges[field.name] if field.own else values.get(field.name, Facet(field.key, 0)) for field in wanted]


def _kept(where: str) -> str:
    return f"kind <> 'null' AND clip IN (SELECT number FROM clips WHERE {where})"


def _common(connection: sqlite3.Connection, where: str, parameters: Parameters) -> list[str]:
    rows = connection.execute(
        f"SELECT key FROM metadata WHERE {_kept(where)} GROUP BY key ORDER BY count(*) DESC, key LIMIT ?",
        [*parameters, facets.MAX_FIELDS],
    )
    return [row[0] for row in rows]


def _values(
    connection: sqlite3.Connection, keys: list[str], where: str, parameters: Parameters, limit: int
) -> dict[str, Facet]:
    marks = ", ".join("?" * len(keys))
    rows = connection.execute(
        f"WITH counted AS (SELECT key, kind, value, count(*) AS clips FROM metadata WHERE key IN ({marks})"
        f" AND {_kept(where)} GROUP BY key, kind, value) {_RANKED}",
        [*keys, *parameters, limit],
    )
    found: dict[str, Facet] = {}
    values: dict[str, list[FacetValue]] = {}
    for key, kind, value, clips, total, distinct in rows:
        scalar: JsonScalar = bool(value) if kind == "boolean" else facets.value_of(value)
        values.setdefault(key, []).append(FacetValue(scalar, clips))
        found[key] = Facet(Field(key, own=False).key, total, distinct, tuple(values[key]))
    return found


def _ranges(connection: sqlite3.Connection, own: list[str], where: str, parameters: Parameters) -> list[Facet]:
    # The names and the edges are this program's own; nothing of the caller's is in the text.
    sums: list[str] = []
    for name in own:
        edges = facets.EDGES[name]
        # How many lie below each edge; between neighbours lies the difference.
        sums += [f"coalesce(sum({name} < {edge}), 0)" for edge in edges]
    row = connection.execute(f"SELECT {', '.join([*sums, 'count(*)'])} FROM clips WHERE {where}", parameters).fetchone()
    result = []
    begin = 0
    for name in own:
        size = len(facets.EDGES[name])
        below = [0, *row[begin : begin + size], row[-1]]
        begin += size
        result.append(facets.ranged(name, [high - low for low, high in pairwise(below)]))
    return result
