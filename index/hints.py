"""Hints on a filter: fields that no clip has, which are mistyped more often than not."""

from difflib import get_close_matches
from typing import Final

from index import filters
from index.filters import Filter
from index.store import Store

_NAMED: Final = 10


def of_filter(store: Store, condition: Filter | None) -> list[str]:
    """Return a sentence for each field of the filter that no clip has, with the name that was probably meant."""
    asked = set() if condition is None else {field for field in filters.fields(condition) if not field.own}
    held = store.fields(field.name for field in asked)
    missing = sorted((field for field in asked if field.name not in held), key=lambda field: field.name)
    if not missing:
        return []
    keys = sorted(filters.Field(name, own=False).key for name in store.fields())
    return [_hint(field.key, keys) for field in missing]


def _hint(key: str, keys: list[str]) -> str:
    known = [*keys, *filters.OWN_FIELDS]
    near = {name.casefold(): name for name in known}
    match get_close_matches(key.casefold(), near, n=1):
        case [name]:
            advice = f"Did you mean {near[name]!r}?"
        case _ if len(keys) > _NAMED:
            advice = f"Clips have {len(keys)} others, among them {', '.join(keys[:_NAMED])}."
        case _:
            advice = f"Clips have {', '.join(keys) or 'no metadata'}."
    return f"no clip has the field {key!r}. {advice}"
