"""JSON as RFC 8259 means it, for everything that comes from outside.

Python's own `json.loads` takes NaN, Infinity, lone surrogates and nesting of any depth; each of them breaks
something further in. `parse` refuses them all in one place, so that no room behind the door needs to.
"""

import math
from typing import Final

from pydantic import JsonValue
from pydantic_core import from_json

LARGEST_INTEGER: Final = 2**63 - 1


def parse(text: str | bytes) -> JsonValue:
    """Read one JSON value.

    Raises ValueError, with the reason and where it can be known the place, for anything that is not
    well-formed UTF-8 JSON, is nested more than 200 deep, or holds a number that is infinite or an integer
    beyond 64 bits.
    """
    value: JsonValue = from_json(text, allow_inf_nan=False)
    _refuse_extremes(value)
    return value


def _refuse_extremes(value: JsonValue) -> None:
    if isinstance(value, float):
        if not math.isfinite(value):  # 1e400 is well-formed
            raise ValueError("a number is too large to be represented")
    elif isinstance(value, int):
        if not -LARGEST_INTEGER - 1 <= value <= LARGEST_INTEGER:
            raise ValueError("an integer is beyond 64 bits")
    elif isinstance(value, list):
        for item in value:
            _refuse_extremes(item)
    elif isinstance(value, dict):
        for item in value.values():
            _refuse_extremes(item)
