"""Facets as SQL over the catalog; see `index.facets`."""

import sqlite3
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

from index import facets
from index.facets import Facet, FacetValue
from index.filters import And, Field, Filter
from index.local.where import compile_filter

# Looking a clip's field up costs about as much as going past so many.
_FEW: Final = 8


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
    """Return the facets of the clips that a filter keeps; see `index.store.Store.facets`.

    Inside a transaction that is rolled back: what a filter keeps is held in a temporary table.
    """
    wanted = facets.checked(names, limit)
    rows = "metadata" if condition is None else _kept(connection, condition)
    if wanted is None:
        wanted = [Field(name, own=True) for name in facets.NUMBERS]
        wanted += [Field(key, own=False) for key in _common(connection, rows)]
    return [
        _ranges(connection, field.name, condition) if field.own else _values(connection, field, rows, limit)
        for field in wanted
    ]


def _kept(connection: sqlite3.Connection, condition: Filter) -> str:
    """Write down which clips a filter keeps, and return the SQL for the metadata of these."""
    where, parameters = compile_filter(condition)
    connection.execute("DROP TABLE IF EXISTS temp.kept")
    connection.execute("CREATE TEMP TABLE kept (number INTEGER PRIMARY KEY)")
    kept = connection.execute(f"INSERT INTO kept SELECT number FROM clips WHERE {where}", parameters).rowcount
    (clips,) = connection.execute("SELECT count(*) FROM clips").fetchone()
    # Few clips are looked up one by one; for many it is quicker to go through all values of a field.
    if kept * _FEW < clips:
        return "temp.kept CROSS JOIN metadata ON clip = number"
    return "metadata CROSS JOIN temp.kept ON number = clip"


def _common(connection: sqlite3.Connection, rows: str) -> list[str]:
    found = connection.execute(
        f"SELECT key FROM {rows} WHERE kind <> 'null' GROUP BY key ORDER BY count(*) DESC, key LIMIT ?",
        (facets.MAX_FIELDS,),
    )
    return [row[0] for row in found]


def _values(connection: sqlite3.Connection, field: Field, rows: str, limit: int) -> Facet:
    found = connection.execute(
        f"""
        WITH counted AS MATERIALIZED (
            SELECT kind, value, count(*) AS clips FROM {rows} WHERE key = ? AND kind <> 'null' GROUP BY kind, value
        )
        SELECT kind, value, clips, (SELECT sum(clips) FROM counted), (SELECT count(*) FROM counted)
        FROM counted ORDER BY clips DESC, kind, value LIMIT ?
        """,
        (field.name, limit),
    ).fetchall()
    if not found:
        return Facet(field.key, 0)
    values = tuple(
        FacetValue(bool(value) if kind == "boolean" else facets.value_of(value), clips)
        for kind, value, clips, _, _ in found
    )
    return Facet(field.key, found[0][3], found[0][4], values)


def _ranges(connection: sqlite3.Connection, name: str, condition: Filter | None) -> Facet:
    where, parameters = compile_filter(condition or And(()))
    # The name and the edges are this program's own; nothing of the caller's is in the text. How many lie below
    # each edge; between neighbours lies the difference.
    sums = [f"coalesce(sum({name} < {edge}), 0)" for edge in facets.EDGES[name]]
    row = connection.execute(f"SELECT 0, {', '.join(sums)}, count(*) FROM clips WHERE {where}", parameters).fetchone()
    return facets.ranged(name, [high - low for low, high in pairwise(row)])
