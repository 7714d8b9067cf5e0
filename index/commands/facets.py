"""`emotionrank index facets`: what a library holds, counted by field."""

import json
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from index import filters, hints, present
from index.commands.shared import FilterOption, JsonOption, LibraryOption
from index.facets import Facet, FacetRange
from index.open import open_store
from index.records import JsonScalar


def facets(
    library: LibraryOption,
    field: Annotated[
        list[str] | None,
        typer.Option(
            "--field",
            show_default="duration, valence, arousal and the metadata fields that most clips have",
            help="A metadata field, duration, valence or arousal; repeatable.",
        ),
    ] = None,
    only: FilterOption = None,
    limit: Annotated[int, typer.Option(min=1, help="Values of a field at most.")] = 10,
    as_json: JsonOption = False,
) -> None:
    """Count a library's clips by the values of their metadata, and by ranges of duration, valence and arousal."""
    condition = filters.loads(only) if only is not None else None
    with open_store(library, bundle=None, read_only=True) as store:
        found = store.facets(field or None, filter=condition, limit=limit)
        total = store.count(condition).clips
        advice = hints.of_filter(store, condition)
    if as_json:
        present.print_json(_as_json(found, total, advice))
    else:
        _print(found)
        present.list_hints(advice)


def _as_json(facets: Sequence[Facet], total: int, hints: Sequence[str]) -> dict[str, Any]:
    """Return facets of `total` clips, and hints on their filter, as JSON values."""
    rows = [
        {
            "field": facet.field,
            "clips": facet.clips,
            "distinct": None if facet.ranges else facet.distinct,
            "values": [{"value": item.value, "clips": item.clips} for item in facet.values],
            "ranges": [{"low": item.low, "high": item.high, "clips": item.clips} for item in facet.ranges],
        }
        for facet in facets
    ]
    return {"facets": rows, "total": total, "hints": list(hints)}


def _print(facets: Sequence[Facet]) -> None:
    """Print facets as a table; ranges without clips are left out."""
    table = Table("field", "value", "clips")
    for facet in facets:
        rows = [(_value(item.value), item.clips) for item in facet.values]
        rows += [(_range(item), item.clips) for item in facet.ranges if item.clips]
        rest = facet.distinct - len(facet.values)
        if rest > 0:
            rows.append((f"({rest} more)", facet.clips - sum(item.clips for item in facet.values)))
        for place, (value, clips) in enumerate(rows or [("(none)", 0)]):
            table.add_row(Text(facet.field if place == 0 else ""), Text(value), str(clips))
    present.console().print(table)


def _value(value: JsonScalar) -> str:
    # A number and a text that looks like one are different values.
    return value if isinstance(value, str) and not _like_json(value) else json.dumps(value, ensure_ascii=False)


def _like_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _range(found: FacetRange) -> str:
    if found.low is None:
        return f"under {found.high:g}"
    return f"{found.low:g} and over" if found.high is None else f"{found.low:g} to {found.high:g}"
