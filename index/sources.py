"""What a build reads: files, folders and manifests, one recording after another.

A folder gives every file below it whose extension is one of sound or video, in order of their names; hidden
files and folders are left out, links are followed (each folder is entered once). A file that is named itself
is taken whatever it is called. A manifest is a table, `.csv` or `.parquet`, with a column `path` (relative to
the manifest's folder) and one recording a row; its other columns become the recordings' metadata.

In a CSV manifest (UTF-8, comma, a header line) an empty cell is no value. A column whose filled cells are all
numbers holds numbers; a column in which some are not ("03" with its leading zero is an id, not a number)
holds texts, all of it. A column without a name (a data frame's row numbers) is ignored. Parquet keeps its own
types; dates become ISO 8601 text.

Nothing here opens a recording. What cannot be read is yielded as a `Failure` in its place.
"""

import _csv
import csv
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path, PurePath
from typing import Final

from index.errors import SourceError
from index.records import JsonScalar, Metadata

EXTENSIONS: Final = frozenset(
    [
        ".3gp",
        ".aac",
        ".ac3",
        ".aif",
        ".aiff",
        ".amr",
        ".ape",
        ".au",
        ".avi",
        ".caf",
        ".flac",
        ".flv",
        ".m4a",
        ".m4b",
        ".m4v",
        ".mka",
        ".mkv",
        ".mov",
        ".mp2",
        ".mp3",
        ".mp4",
        ".mpeg",
        ".mpg",
        ".oga",
        ".ogg",
        ".opus",
        ".ts",
        ".voc",
        ".w64",
        ".wav",
        ".weba",
        ".webm",
        ".wma",
        ".wmv",
        ".wv",
    ]
)
MANIFESTS: Final = frozenset({".csv", ".parquet"})
PATH: Final = "path"

_NUMBER: Final = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
_INT64: Final = range(-(2**63), 2**63)


@dataclass(frozen=True, slots=True)
class Recording:
    """A file to build from. `metadata` is None where nothing is said about it."""

    path: Path
    name: str
    metadata: Metadata | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """Something that could not be read or added, and why."""

    name: str
    message: str


def recordings(sources: Sequence[Path]) -> Iterator[Recording | Failure]:
    """Yield what the sources hold, in their order."""
    for source in sources:
        try:
            if source.is_dir():
                yield from _from_folder(source)
            elif source.suffix.lower() == ".csv":
                yield from _from_csv(source)
            elif source.suffix.lower() == ".parquet":
                yield from _from_parquet(source)
            else:
                yield Recording(source, source.name)
        except SourceError as error:
            yield Failure(str(source), str(error))


def _from_folder(root: Path) -> Iterator[Recording | Failure]:
    empty = True
    for item in _walk(root, "", set()):
        empty = False
        yield item
    if empty:
        yield Failure(str(root), f"{root} has no sound or video files in it (known by their extensions).")


def _walk(folder: Path, below: str, entered: set[tuple[int, int]]) -> Iterator[Recording | Failure]:
    """Yield what is in a folder, whose path below the source is `below`, with a slash at its end."""
    try:
        place = folder.stat()
        if (place.st_dev, place.st_ino) in entered:
            return
        entered.add((place.st_dev, place.st_ino))
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        yield Failure(str(folder), f"the folder {folder} cannot be read: {error.strerror}.")
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        path = folder / entry.name
        if _is_folder(entry):
            yield from _walk(path, f"{below}{entry.name}/", entered)
        elif path.suffix.lower() in EXTENSIONS:
            yield Recording(path, f"{below}{entry.name}")


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads back to itself
        return False


def _from_csv(manifest: Path) -> Iterator[Recording | Failure]:
    header = _header(manifest)
    numeric = _numeric(manifest, header)
    with _rows(manifest) as rows:
        next(rows)
        for row in rows:
            if not any(row):
                continue
            where = f"{manifest}, line {rows.line_num}"
            if len(row) > len(header):
                yield Failure(where, f"{where} has {len(row)} cells, the header {len(header)}.")
                continue
            cells: dict[str, JsonScalar] = {
                column: _number(cell) if column in numeric else cell
                for column, cell in zip(header, map(str.strip, row), strict=False)
                if cell and column
            }
            yield _recording(manifest, cells, where)


def _header(manifest: Path) -> list[str]:
    with _rows(manifest) as rows:
        header = [cell.strip() for cell in next(rows, [])]
    if PATH not in header:
        hint = " Columns must be separated by commas." if len(header) == 1 and re.search("[;\t|]", header[0]) else ""
        raise SourceError(
            f"the manifest {manifest} needs a header line with a column {PATH!r}; its first line has "
            f"{', '.join(map(repr, header)) or 'nothing'}.{hint}"
        )
    _check_columns(manifest, header)
    return header


def _numeric(manifest: Path, header: Sequence[str]) -> set[str]:
    """Return the columns whose filled cells are all numbers."""
    numeric = set(header) - {PATH}
    with _rows(manifest) as rows:
        next(rows)
        for row in rows:
            for column, cell in zip(header, map(str.strip, row), strict=False):
                if cell and column in numeric and not _is_number(cell):
                    numeric.discard(column)
    return numeric


@contextmanager
def _rows(manifest: Path) -> Iterator["_csv.Reader"]:
    try:
        with manifest.open(encoding="utf-8-sig", newline="") as file:
            yield csv.reader(file, strict=True)
    except OSError as error:
        raise SourceError(f"the manifest {manifest} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise SourceError(f"the manifest {manifest} is not UTF-8 ({error.reason}). Save it as UTF-8.") from None
    except csv.Error as error:
        raise SourceError(f"the manifest {manifest} is no CSV table: {error}.") from None


def _is_number(cell: str) -> bool:
    if not _NUMBER.fullmatch(cell):
        return False
    number = _number(cell)
    return number in _INT64 if isinstance(number, int) else abs(number) != float("inf")


def _number(cell: str) -> int | float:
    return float(cell) if re.search("[.eE]", cell) else int(cell)


def _from_parquet(manifest: Path) -> Iterator[Recording | Failure]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise SourceError(
            f"reading {manifest} needs the extra `parquet`: pip install 'emotionrank[parquet]' (or save it as CSV)."
        ) from None
    try:
        table = pq.ParquetFile(manifest)
        columns = table.schema_arrow.names
        if PATH not in columns:
            raise SourceError(f"the manifest {manifest} needs a column {PATH!r}; it has {', '.join(columns)}.")
        _check_columns(manifest, columns)
        number = 0
        for batch in table.iter_batches(batch_size=1024):
            for row in batch.to_pylist():
                number += 1
                where = f"{manifest}, row {number}"
                try:
                    cells = {column: _plain(value) for column, value in row.items() if not _is_empty(value)}
                except TypeError as error:
                    yield Failure(where, f"{where}: {error}.")
                else:
                    yield _recording(manifest, cells, where)
    except (OSError, pa.ArrowException) as error:
        raise SourceError(f"the manifest {manifest} cannot be read as Parquet: {error}.") from None


def _is_empty(value: object) -> bool:
    return value is None or value == "" or value != value  # NaN stands for "missing" in data frames


def _plain(value: object) -> JsonScalar:
    match value:
        case bool() | int() | float() | str():
            return value
        case Decimal():
            return float(value)
        case datetime() | date() | time():
            return value.isoformat()
    raise TypeError(f"a value is a {type(value).__name__}; only text, numbers, true and false can be metadata")


def _check_columns(manifest: Path, columns: Sequence[str]) -> None:
    if twice := sorted({column for column in columns if column and columns.count(column) > 1}):
        raise SourceError(f"the manifest {manifest} has more than one column {', '.join(map(repr, twice))}.")


def _recording(manifest: Path, cells: dict[str, JsonScalar], where: str) -> Recording | Failure:
    path = cells.pop(PATH, None)
    if not isinstance(path, str):
        return Failure(where, f"{where} has no path.")
    # A path beside the manifest is a good name; one that leads elsewhere would tell how this machine is laid out.
    given = PurePath(path)
    name = given.name if given.is_absolute() or ".." in given.parts else given.as_posix()
    return Recording(manifest.parent / path, name, cells)
