"""The connection to a Milvus server: where a library is, what it is asked, and what its failures are called.

An address is `milvus://HOST[:PORT]/NAME`. What must not be seen in a list of processes or in a message comes from
the environment:

    EMOTIONRANK_MILVUS_TOKEN     USER:PASSWORD, or an API key
    EMOTIONRANK_MILVUS_DATABASE  the database in Milvus (default)
    EMOTIONRANK_MILVUS_TLS       1: over TLS; or the path of a file with the authorities to trust (PEM)
    EMOTIONRANK_MILVUS_TIMEOUT   seconds that one request may take (10)

Every request is read at the consistency level Strong and ends within the time limit. Whatever goes wrong is a
LibraryError that names the address.
"""

import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from index.errors import LibraryAway, LibraryError

SCHEME: Final = "milvus"
DEFAULT_PORT: Final = 19530
DEFAULT_TIMEOUT: Final = 10.0

STRONG: Final = "Strong"
MAX_ROWS: Final = 16_384  # Milvus gives no more at a time
_PORTION: Final = 500  # ids in one expression, rows in one write

Row = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a library is. `str` of it is the address as it was given; it holds no secret."""

    host: str
    port: int
    name: str

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{SCHEME}://{host}:{self.port}/{self.name}"

    @property
    def clips(self) -> str:
        """The name of the clips' collection."""
        return f"{self.name}_clips"

    @property
    def segments(self) -> str:
        """The name of the segments' collection."""
        return f"{self.name}_segments"


def parse(text: str) -> Address:
    """Read an address. Raises LibraryError."""
    form = f"{SCHEME}://HOST:PORT/NAME"
    parts = urlsplit(text)
    if "@" in parts.netloc:
        # Not repeated in the message: what is before the @ may be a password.
        raise LibraryError(
            f"a library's address has no user or password in it ({form}): set EMOTIONRANK_MILVUS_TOKEN=USER:PASSWORD."
        )
    try:
        host, port = parts.hostname, parts.port or DEFAULT_PORT
    except ValueError:
        raise LibraryError(f"{text}: the port is no number from 1 to 65535. A library in Milvus is {form}.") from None
    name = parts.path.strip("/")
    if not host or not re.fullmatch(r"[A-Za-z_]\w{0,199}", name, re.ASCII) or parts.query or parts.fragment:
        raise LibraryError(
            f"{text} is no library in Milvus: {form}, where NAME has letters, digits and _ and starts with no digit."
        )
    return Address(host, port, name)


@dataclass
class Connection:
    """An open connection. May be used by any number of threads."""

    address: Address
    client: Any
    timeout: float
    closed: bool = field(default=False, init=False)

    def query(self, collection: str, expression: str, fields: Sequence[str], limit: int = MAX_ROWS) -> list[Row]:
        """Return rows that an expression is true of: all of them, where there are not more than `limit`."""
        with self.answering():
            rows: list[Row] = self.client.query(
                collection,
                filter=expression,
                output_fields=list(fields),
                limit=limit,
                consistency_level=STRONG,
                timeout=self.timeout,
            )
            return rows

    def by_id(self, collection: str, ids: Sequence[str], fields: Sequence[str]) -> Iterator[Row]:
        """Yield the rows of these ids, letters and digits, that are there."""
        for some in portions(ids):
            quoted = ", ".join(f'"{one}"' for one in some)
            yield from self.query(collection, f"id in [{quoted}]", fields)

    def any(self, collection: str, expression: str) -> bool:
        """Say whether an expression is true of any row."""
        return bool(self.query(collection, expression, ("id",), 1))

    def every(self, collection: str, expression: str, fields: Sequence[str], size: int = 8192) -> Iterator[Row]:
        """Yield all rows that an expression is true of, however many, in the order of their ids."""
        with self.answering():
            rows = self.client.query_iterator(
                collection,
                batch_size=size,
                filter=expression,
                output_fields=list(fields),
                consistency_level=STRONG,
                timeout=self.timeout,
            )
        try:
            while True:
                with self.answering():
                    batch: list[Row] = rows.next()
                if not batch:
                    return
                yield from batch
        finally:
            rows.close()

    def count(self, collection: str, expression: str) -> int:
        """Count the rows that an expression is true of."""
        with self.answering():
            (row,) = self.client.query(
                collection,
                filter=expression,
                output_fields=["count(*)"],
                consistency_level=STRONG,
                timeout=self.timeout,
            )
            return int(row["count(*)"])

    def nearest(
        self, collection: str, vector: Sequence[float], expression: str, fields: Sequence[str], limit: int, ef: int
    ) -> list[Row]:
        """Return the `limit` rows with the highest inner product, best first, each with `distance`, the product."""
        with self.answering():
            (found,) = self.client.search(
                collection,
                data=[vector],
                filter=expression,
                limit=limit,
                output_fields=list(fields),
                search_params={"metric_type": "IP", "params": {"ef": max(ef, limit)}},
                consistency_level=STRONG,
                timeout=self.timeout,
            )
            return [{**hit["entity"], "distance": hit["distance"]} for hit in found]

    def write(self, collection: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write rows; one of the same id is replaced. A request that is sent twice does it once."""
        for some in portions(rows):
            with self.answering():
                self.client.upsert(collection, list(some), timeout=self.timeout)

    def delete(self, collection: str, ids: Sequence[str]) -> None:
        """Remove the rows of these ids; ids that are not there are no error."""
        for some in portions(ids):
            with self.answering():
                self.client.delete(collection, ids=list(some), timeout=self.timeout)

    def compact(self, collection: str) -> None:
        """Ask the server to merge what it stores, in its own time."""
        with self.answering():
            self.client.compact(collection, timeout=self.timeout)

    def close(self) -> None:
        """Let go of the connection; it is of no use afterwards."""
        if not self.closed:
            self.closed = True
            self.client.close()

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Turn whatever goes wrong inside into a LibraryError."""
        if self.closed:
            raise LibraryError(f"the library {self.address} has been closed.")
        with _named(self.address, self.timeout):
            yield


def connect(address: Address) -> Connection:
    """Connect to the server of `address`. Raises LibraryError, LibraryAway."""
    try:
        from pymilvus import MilvusClient
    except ImportError:
        raise LibraryError(
            f"{address}: a library in Milvus needs the extra `milvus`: pip install 'emotionrank[milvus]'."
        ) from None
    # It logs every failure with a traceback; they are raised, and told once, by whoever asked.
    logging.getLogger("pymilvus").setLevel(logging.CRITICAL)
    timeout = _timeout()
    options, scheme = _security()
    host = f"[{address.host}]" if ":" in address.host else address.host
    with _named(address, timeout):
        client = MilvusClient(
            uri=f"{scheme}://{host}:{address.port}",
            token=os.environ.get("EMOTIONRANK_MILVUS_TOKEN", ""),
            db_name=os.environ.get("EMOTIONRANK_MILVUS_DATABASE", ""),
            timeout=timeout,
            dedicated=True,
            **options,
        )
    return Connection(address, client, timeout)


def portions(values: Sequence[T]) -> Iterator[tuple[T, ...]]:
    """Yield values in as many at a time as one request may hold."""
    rest = iter(values)
    while portion := tuple(islice(rest, _PORTION)):
        yield portion


def _timeout() -> float:
    given = os.environ.get("EMOTIONRANK_MILVUS_TIMEOUT") or DEFAULT_TIMEOUT
    try:
        timeout = float(given)
    except ValueError:
        timeout = 0.0
    if not 0 < timeout <= 3600:
        raise LibraryError(f"EMOTIONRANK_MILVUS_TIMEOUT={given}: it must be a number of seconds, up to 3600.")
    return timeout


def _security() -> tuple[dict[str, Any], str]:
    given = os.environ.get("EMOTIONRANK_MILVUS_TLS", "")
    if given in ("", "0"):
        return {}, "http"
    if given == "1":
        return {"secure": True}, "https"
    if not Path(given).is_file():
        raise LibraryError(
            f"EMOTIONRANK_MILVUS_TLS={given}: it must be 1, 0 or the path of a file with certificates (PEM)."
        )
    return {"secure": True, "server_pem_path": given}, "https"


@contextmanager
def _named(address: Address, timeout: float) -> Iterator[None]:
    from grpc import RpcError
    from pymilvus.exceptions import MilvusException

    try:
        yield
    except MilvusException as error:
        raise _translated(address, timeout, error.message or "", str(error.code)) from None
    except RpcError as error:
        raise _translated(address, timeout, str(error), str(getattr(error, "code", lambda: "")())) from None


_AWAY: Final = re.compile(
    r"UNAVAILABLE|DEADLINE_EXCEEDED|server unavailable|Retry timeout|Retry run out|Fail connecting|timed? ?out", re.I
)
_REFUSED: Final = re.compile(
    r"UNAUTHENTICATED|PERMISSION_DENIED|auth check failure|permission deny|not authenticated", re.I
)


def _translated(address: Address, timeout: float, message: str, code: str) -> LibraryError:
    reason = " ".join(message.split())[:300]
    if _REFUSED.search(f"{code} {reason}"):
        return LibraryError(
            f"the library {address}: Milvus does not let us in. Set EMOTIONRANK_MILVUS_TOKEN=USER:PASSWORD to an "
            "account that may use it."
        )
    if _AWAY.search(f"{code} {reason}"):
        return LibraryAway(
            f"the library {address} cannot be reached: no answer within {timeout:g} s. Is Milvus running there, and "
            "does it speak TLS just if EMOTIONRANK_MILVUS_TLS says so?"
        )
    return LibraryError(f"the library {address}: Milvus refused a request: {reason or code}.")
