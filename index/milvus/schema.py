"""The two collections of a library in Milvus: their columns, their indexes, and the library's own row.

Clips, one row each:

    id                   the clip's id                    added      when it was added, microseconds since 1970
    edition              the edition of its segments      segments   how many
    record               {sha256, name, path, metadata} as JSON: what is only read, never compared
    path                 a hash of its path, to find it by
    affect               (valence, arousal); a collection needs a vector, and this is the one a clip has

Segments, one row each:

    id                   clip id, edition and place       clip, edition
    starts_at, ends_at   seconds                          segment_valence, segment_arousal
    embedding            a unit vector of float16 values

Both have what filters look at, the same for a clip and for all its segments: `duration`, `valence`, `arousal`,
`added`, `name`, `tokens` and `ranges` (see `encoding`).

The clips' collection also has rows of the library's own, with `added` -1:

    "library"            in its record, which bundle made the library, and when. It is written last: a library
                         without it was interrupted while it was made, and making it again completes it.
    way-HASH             a way in which clips were cut into segments, and since when
    CLIP-stamp           what a clip's file looked like; it counts while `path` is the clip's. Beside the clip's row
                         and not in it, for a clip's row must only be written together with a new edition.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from index.errors import LibraryError, LibraryInvalid, LibraryNewer
from index.milvus.connection import STRONG, Connection, Row

FORMAT: Final = 1
LIBRARY: Final = "library"
OWN: Final = -1  # the `added` of the library's own rows

MAX_TEXT: Final = 65_535  # bytes of a text, of Milvus' own limits
MAX_JSON: Final = 65_536
MAX_TOKENS: Final = 1024

FILTERED: Final = ("duration", "valence", "arousal", "added", "name", "tokens", "ranges")

_TOKEN_CHARS: Final = 32
_LOADING: Final = 600.0  # seconds


@dataclass(frozen=True, slots=True)
class _Index:
    """An index over a column. One that is not needed makes filters faster, where the server has it."""

    column: str
    type: str
    options: Mapping[str, Any] = field(default_factory=dict)
    needed: bool = False


HNSW: Final = {"M": 32, "efConstruction": 200}
_EMBEDDING: Final = _Index("embedding", "HNSW", {"metric_type": "IP", "params": HNSW}, True)
_AFFECT: Final = _Index("affect", "FLAT", {"metric_type": "L2", "params": {}}, True)
_CLIP: Final = _Index("clip", "INVERTED")
_AFFECTS: Final = tuple(_Index(name, "INVERTED") for name in ("segment_valence", "segment_arousal"))
_COLUMNS: Final = tuple(_Index(name, "INVERTED") for name in ("duration", "valence", "arousal", "added", "tokens"))


def exists(connection: Connection) -> bool:
    """Say whether the server has anything of this library."""
    return _has(connection, connection.address.clips)


def create(connection: Connection, properties: dict[str, str]) -> None:
    """Make what is missing of a library. Of two processes that make it at once, one says what it is."""
    check(connection)
    dim = int(properties["dim"])
    _make(
        connection, connection.address.segments, _segments(connection, dim), (_EMBEDDING, _CLIP, *_AFFECTS, *_COLUMNS)
    )
    _make(connection, connection.address.clips, _clips(connection), (_AFFECT, *_COLUMNS))
    if not list(connection.by_id(connection.address.clips, [LIBRARY], ["record"])):
        connection.write(connection.address.clips, [own_row(LIBRARY, {**properties, "format": str(FORMAT)})])


def check(connection: Connection) -> None:
    """Check that the collections of these names are a library's, where there are any. Raises LibraryInvalid."""
    for name in (connection.address.segments, connection.address.clips):
        if not _has(connection, name):
            continue
        with connection.answering():
            described = connection.client.describe_collection(name, timeout=connection.timeout)
        if not {"edition", *FILTERED} <= {column["name"] for column in described["fields"]}:
            raise LibraryInvalid(
                f"{connection.address} is taken: the collection {name} is no library's. Use another NAME."
            )


def properties(connection: Connection) -> dict[str, str]:
    """Return what `create` wrote of the library. Raises LibraryInvalid, LibraryNewer."""
    check(connection)
    load(connection, connection.address.clips)
    rows = list(connection.by_id(connection.address.clips, [LIBRARY], ["record"]))
    if not rows:
        raise LibraryInvalid(
            f"making the library {connection.address} was interrupted. Complete it with: emotionrank index build "
            f"SOURCE... --library {connection.address}"
        )
    found: dict[str, str] = json.loads(rows[0]["record"])
    if int(found["format"]) > FORMAT:
        raise LibraryNewer(
            f"the library {connection.address} has format {found['format']}; this version of emotionrank reads up to "
            f"{FORMAT}. Upgrade emotionrank to use it."
        )
    return found


def own_row(id: str, record: Mapping[str, str | int], path: str = "") -> Row:
    """Return a row of the library's own."""
    return {
        "id": id,
        "edition": "",
        "record": json.dumps(record),
        "path": path,
        "segments": 0,
        "affect": [0.0, 0.0],
        "duration": 0.0,
        "valence": 0.0,
        "arousal": 0.0,
        "added": OWN,
        "name": "",
        "tokens": [],
        "ranges": {},
    }


def _make(connection: Connection, name: str, schema: Any, indexes: Sequence[_Index]) -> None:
    """Make a collection, or what is missing of it where making it was interrupted."""
    client, timeout = connection.client, connection.timeout
    if not _has(connection, name):
        try:
            with connection.answering():
                client.create_collection(name, schema=schema, consistency_level=STRONG, timeout=timeout)
        except LibraryError:
            if not _has(connection, name):  # else another process was faster
                raise
    with connection.answering():
        there = set(client.list_indexes(name))
    for index in indexes:
        if index.column in there:
            continue
        try:
            with connection.answering():
                wanted = client.prepare_index_params()
                wanted.add_index(index.column, index_type=index.type, index_name=index.column, **index.options)
                client.create_index(name, wanted, timeout=timeout, sync=False)  # it is empty: nothing to wait for
        except LibraryError:
            if index.needed:
                raise
    load(connection, name)


def load(connection: Connection, name: str) -> None:
    """Have the server make a collection ready to be read, where it is not; it may have been released."""
    client = connection.client
    with connection.answering():
        if client.get_load_state(name, timeout=connection.timeout)["state"].name != "Loaded":
            client.load_collection(name, timeout=_LOADING)


def _has(connection: Connection, name: str) -> bool:
    with connection.answering():
        return bool(connection.client.has_collection(name, timeout=connection.timeout))


def _clips(connection: Connection) -> Any:
    from pymilvus import DataType

    schema = _schema(connection, "the clips", id_chars=64)
    schema.add_field("record", DataType.VARCHAR, max_length=MAX_TEXT)
    schema.add_field("path", DataType.VARCHAR, max_length=_TOKEN_CHARS)
    schema.add_field("segments", DataType.INT64)
    schema.add_field("affect", DataType.FLOAT_VECTOR, dim=2)
    return schema


def _segments(connection: Connection, dim: int) -> Any:
    from pymilvus import DataType

    schema = _schema(connection, "the segments", id_chars=64)
    schema.add_field("clip", DataType.VARCHAR, max_length=16)
    for column in ("starts_at", "ends_at", "segment_valence", "segment_arousal"):
        schema.add_field(column, DataType.DOUBLE)
    schema.add_field("embedding", DataType.FLOAT_VECTOR, dim=dim)
    return schema


def _schema(connection: Connection, what: str, id_chars: int) -> Any:
    from pymilvus import DataType

    schema = connection.client.create_schema(
        auto_id=False,
        enable_dynamic_field=False,
        description=f"EmotionRank: {what} of the library {connection.address.name}",
    )
    schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=id_chars)
    schema.add_field("edition", DataType.VARCHAR, max_length=_TOKEN_CHARS)
    for column in ("duration", "valence", "arousal"):
        schema.add_field(column, DataType.DOUBLE)
    schema.add_field("added", DataType.INT64)
    schema.add_field("name", DataType.VARCHAR, max_length=MAX_TEXT)
    schema.add_field(
        "tokens",
        DataType.ARRAY,
        element_type=DataType.VARCHAR,
        max_capacity=MAX_TOKENS,
        max_length=_TOKEN_CHARS,
    )
    schema.add_field("ranges", DataType.JSON)
    return schema
