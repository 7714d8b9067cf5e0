"""The row numbers of the clips that a filter keeps, found by sets and remembered.

Each condition is one walk over an index that holds all it asks for; `and`, `or` and `not` are then operations on sets
of row numbers, which NumPy does in no time. What a filter keeps is remembered, and after a few changes only the clips
that changed are looked at again: so a filter that is used while clips are added costs its full price once.
"""

import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from index.filters import And, Filter, Not, OneOf, Or, Order
from index.local import changes, where
from index.local.catalog import Ints
from index.local.sqlite import marks, portions

_ROOM: Final = 64 << 20  # bytes of filters and row numbers to remember
_FEW: Final = 2_000  # changed clips up to which looking at each of them is cheaper than at everything

Set = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class _Entry:
    sequence: int
    numbers: Ints

    def size(self, key: str) -> int:
        return self.numbers.nbytes + len(key)


class Kept:
    """What filters keep of one catalog. Any thread may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._bytes = 0

    def numbers(self, connection: sqlite3.Connection, condition: Filter) -> Ints:
        """Return the row numbers of the clips that a filter keeps, ascending; not to be written to."""
        key = repr(condition)  # `==` would take 1, 1.0 and true for the same
        state = changes.state(connection)
        with self._lock:
            entry = self._entries.get(key)
        if entry is None or not state.trimmed <= entry.sequence <= state.sequence:
            numbers = self._all(connection, condition)
        elif entry.sequence == state.sequence:
            numbers = entry.numbers
        else:
            changed = changes.changed(connection, entry.sequence)
            if len(changed) <= _FEW:
                others = np.setdiff1d(entry.numbers, changed, assume_unique=True)
                numbers = np.union1d(others, _among(connection, condition, changed))
            else:
                numbers = self._all(connection, condition)
        self._remember(key, _Entry(state.sequence, numbers))
        return numbers

    def _all(self, connection: sqlite3.Connection, condition: Filter) -> Ints:
        if condition == And(()):
            return np.sort(changes.numbers(connection, "SELECT {} FROM clips", "number"))
        return np.flatnonzero(_Everything(connection, self).clips(condition))

    def _remember(self, key: str, entry: _Entry) -> None:
        entry.numbers.setflags(write=False)
        with self._lock:
            old = self._entries.pop(key, None)
            self._entries[key] = entry
            self._bytes += entry.size(key) - (old.size(key) if old else 0)
            while self._bytes > _ROOM and len(self._entries) > 1:
                first, oldest = self._entries.popitem(last=False)
                self._bytes -= oldest.size(first)


class _Everything:
    """Sets over all clips of a catalog: masks by row number."""

    def __init__(self, connection: sqlite3.Connection, kept: Kept) -> None:
        self._connection = connection
        self._kept = kept
        (self._size,) = connection.execute("SELECT coalesce(max(number), 0) + 1 FROM clips").fetchone()

    def clips(self, condition: Filter) -> Set:
        match condition:
            case And(()):
                return self._mask(self._kept.numbers(self._connection, condition))
            case And(filters):
                first, *others = map(self.clips, filters)
                for other in others:
                    first &= other
                return first
            case Or(filters):
                return self._any(map(self.clips, filters))
            case Not(inner):
                return self._without(self.clips(inner))
            case OneOf() | Order():
                return self._any(map(self._passing, where.tests(condition)))

    def _any(self, masks: Iterator[Set]) -> Set:
        result = np.zeros(self._size, np.bool_)
        for mask in masks:
            result |= mask
        return result

    def _passing(self, test: where.Test) -> Set:
        column = "number" if test.table == "clips" else "clip"
        statement = f"SELECT {{}} FROM {test.table} WHERE {test.sql}"
        mask = self._mask(changes.numbers(self._connection, statement, column, test.parameters))
        return self._without(mask) if test.negated else mask

    def _without(self, mask: Set) -> Set:
        return self.clips(And(())) & ~mask

    def _mask(self, numbers: Ints) -> Set:
        mask = np.zeros(self._size, np.bool_)
        mask[numbers] = True
        return mask


def _among(connection: sqlite3.Connection, condition: Filter, numbers: Ints) -> Ints:
    """Return which of a few clips a filter keeps."""
    sql, parameters = where.compile_filter(condition, few=True)
    kept = [
        row[0]
        for some in portions(numbers.tolist())
        for row in connection.execute(
            f"SELECT number FROM clips WHERE number IN ({marks(some)}) AND {sql}", [*some, *parameters]
        )
    ]
    return np.array(sorted(kept), np.int64)
