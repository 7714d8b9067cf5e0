"""Tables of a corpus: CSV, TSV or Parquet as records of text cells, each with the line it stands on.

Every label of a corpus comes through here, so that a table that is not what it should be is refused with its name and
line, in the same words, whichever adapter reads it.
"""

import csv
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, TypeVar

from model_export.errors import CorpusError, MissingExtraError

LISTED = 20

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Record:
    """One line of a table: its number in the file (Parquet: the row's, from 1) and its cells, stripped, by column."""

    line: int
    cells: dict[str, str]


def records(path: Path, wanted: Iterable[str] = (), delimiter: str = ",", quotes: bool = True) -> list[Record]:
    """Every line of a table; Parquet goes by the suffix `.parquet`, everything else is delimited text in UTF-8.

    Blank lines are no records. A null of Parquet is an empty cell. Without `quotes`, a quotation mark is a character
    like any other.

    Raises:
        CorpusError: not readable, a column of `wanted` missing, two columns of one name, or lines with more or fewer
        cells than the header (all are named).
        MissingExtraError: a Parquet file, and pyarrow is not installed.
    """
    names, lines = _parquet(path) if path.suffix.lower() == ".parquet" else _text(path, delimiter, quotes)
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise CorpusError(f"{path}: more than one column is called {', '.join(map(repr, twice))}; rename them")
    missing = sorted(set(wanted) - set(names))
    if missing:
        raise CorpusError(
            f"{path}: columns missing: {', '.join(missing)}; it has {', '.join(map(repr, names)) or 'no header'}"
        )
    found, problems = [], []
    for line, cells in lines:
        if len(cells) == len(names):
            found.append(Record(line, dict(zip(names, cells, strict=True))))
        else:
            problems.append(f"line {line} has {len(cells)} cells, the header {len(names)}")
    if problems:
        refuse(path, problems)
    return found


def parse(
    path: Path,
    wanted: Iterable[str],
    make: Callable[[dict[str, str]], T],
    delimiter: str = ",",
    quotes: bool = True,
) -> list[T]:
    """What `make` makes of the cells of every line; its ValueErrors are gathered.

    Raises:
        CorpusError: as in `records`, or lines that `make` refuses (all are named, with its reasons).
        MissingExtraError: as in `records`.
    """
    found, problems = [], []
    for record in records(path, wanted, delimiter, quotes):
        try:
            found.append(make(record.cells))
        except ValueError as error:
            problems.append(f"line {record.line}: {error}")
    if problems:
        refuse(path, problems)
    return found


def number(text: str) -> float:
    """The number a cell holds, nan for an empty cell (and for "nan", as some programs write it).

    Raises:
        ValueError: the cell holds no finite number.
    """
    if text == "" or text.lower() == "nan":
        return math.nan
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is not a finite number")
    return value


def refuse(path: Path, problems: Sequence[str]) -> NoReturn:
    """Raise a CorpusError that lists what is wrong with a file, the first LISTED of many."""
    if len(problems) == 1:
        raise CorpusError(f"{path}, {problems[0]}")
    more = [f"and {len(problems) - LISTED} more"] if len(problems) > LISTED else []
    raise CorpusError(f"{path}: {len(problems)} problems:\n  " + "\n  ".join([*problems[:LISTED], *more]))


def _text(path: Path, delimiter: str, quotes: bool) -> tuple[list[str], list[tuple[int, list[str]]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            # Strict: an unclosed quote would otherwise swallow the rest of the table in silence.
            reader = csv.reader(
                file, delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE, strict=True
            )
            names = [name.strip() for name in next(reader, [])]
            return names, [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader if cells]
    except OSError as error:
        raise CorpusError(f"{path}: cannot be read ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        raise CorpusError(f"{path}: is not UTF-8 text ({error.reason}); save it as UTF-8") from error
    except csv.Error as error:
        raise CorpusError(f"{path}: cannot be read as a table ({error})") from error


def _parquet(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"{path}: reading Parquet needs pip install 'emotionrank[parquet]'") from error
    try:
        with pq.ParquetFile(path) as file:
            names, columns = file.schema_arrow.names, file.read().columns
            cells = [[_cell(value) for value in column.to_pylist()] for column in columns]
    except (OSError, pa.ArrowException) as error:
        raise CorpusError(f"{path}: cannot be read as Parquet ({error})") from error
    return names, [(number, list(row)) for number, row in enumerate(zip(*cells, strict=True), start=1)]


def _cell(value: object) -> str:
    return "" if value is None else str(value).strip()
