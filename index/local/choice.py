"""Which index a library is searched with, by rule: from how many segments there are and the memory it may take.

Two kinds are worth having, by measurement (`docs/benchmarks.md`):

"exact"  the scan of all codes, where they lie. Nothing to build, nothing to tune, no hit ever missed.
"ivf"    segments in cells of a space of few dimensions, where candidates are found and then scored exactly
         (`index.local.approximate`). Emotion has few dimensions, and so have these embeddings, whatever their
         size: PCA to 24 of 512 keeps 99.85 % of the variance. A graph (HNSW) in the same space takes four times the
         memory and twice the time of a query, and more to build.

The share of deleted segments does not decide: both kinds leave them out by a mask, at no cost that can be measured.
"""

import math
from dataclasses import dataclass, field
from typing import Final, Literal

from encoders.sessions import available_cpus

EXACT_UP_TO: Final = 50_000  # segments that are scanned in some 5 ms on one slow core
LEAST_VALUES: Final = 16  # of an embedding in the space of the cells
MOST_VALUES: Final = 128
BUDGET: Final = 1_200_000_000  # bytes, unless the caller says otherwise

_PER_SEGMENT: Final = 24  # bytes of the columns
_PER_MEMBER: Final = 12  # bytes of a segment's number in its cell, and of its clip's
_PER_CELL: Final = 224  # bytes of a cell and of its place in the graph, and then of its centre
_SCAN: Final = 0.08e-6  # seconds a segment, of one exact query on one core
_FIXED: Final = 5.0  # seconds
_WRITE: Final = 12e-6  # seconds a segment: read from the catalog, write, project
_ASSIGN: Final = 0.5e-9  # seconds a segment, cell and value

Kind = Literal["exact", "ivf"]


@dataclass(frozen=True, slots=True)
class Plan:
    """An index to build. `reason` says in words why this one.

    `memory_bytes` is what searching takes with every page of the codes in memory, `resident_bytes` what it takes
    without them; `seconds_to_build` is an estimate for this machine's number of cores.
    """

    kind: Kind
    memory_bytes: int
    resident_bytes: int
    seconds_to_build: float
    reason: str
    parameters: dict[str, int | float] = field(default_factory=dict)


def choose(count: int, dim: int, budget: int | None = None) -> Plan:
    """Choose the index for `count` segments of `dim` values.

    `budget` is the memory in bytes that searching may take. The codes of an approximate index are mapped and may
    stay on the disk, but for the few that a query looks at; those of an exact one are all looked at by every query.
    """
    budget = BUDGET if budget is None else budget
    codes, columns = 2 * dim * count, _PER_SEGMENT * count
    if count <= EXACT_UP_TO:
        return _exact(count, dim, f"{count:,} segments are scanned exactly in a few milliseconds")
    cells = 2 ** round(math.log2(4 * math.sqrt(count)))
    # Of each segment: its code in the cell (two bytes a value), two numbers, its reduced code (one).
    room = budget - columns - _PER_MEMBER * count - cells * (_PER_CELL + 4 * LEAST_VALUES)
    values = min(dim, MOST_VALUES, max(LEAST_VALUES, room // (3 * count) // 8 * 8))
    resident = columns + count * (_PER_MEMBER + 3 * values) + cells * (_PER_CELL + 4 * values)
    reason = (
        f"scanning {count:,} segments exactly would take some {1000 * _SCAN * count:.0f} ms a query; cells in a space "
        f"of few dimensions and an exact look at the candidates take under one"
    )
    if resident > budget:
        reason += f". It does not fit into the budget of {budget / 1e6:,.0f} MB, but nothing smaller reaches the recall"
    return Plan(
        "ivf",
        memory_bytes=codes + resident,
        resident_bytes=resident,
        seconds_to_build=_FIXED + count * (_WRITE + _ASSIGN * cells * min(values, 32) * 2 / available_cpus()),
        reason=reason,
        parameters={"cells": cells, "most_values": values},
    )


def _exact(count: int, dim: int, reason: str) -> Plan:
    memory = (2 * dim + _PER_SEGMENT) * count
    return Plan("exact", memory, memory, count * _WRITE, reason)
