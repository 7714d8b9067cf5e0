"""Which store an address means."""

from pathlib import Path

from encoders.bundle import Bundle
from index.errors import LibraryError, LibraryInvalid
from index.local.library import LocalStore
from index.store import Store

_MILVUS = "milvus"


def open_store(address: str | Path, *, bundle: Bundle | None, create: bool = False, read_only: bool = False) -> Store:
    """Open the library at `address`: the path of a directory, or milvus://HOST:PORT/NAME.

    With `create`, a library that is not there is made, for `bundle`. `bundle` None opens a library for
    looking at it, whatever bundle made its embeddings. Raises LibraryNotFound, LibraryInvalid (something
    else lies there), LibraryNewer, LibraryMismatch (another bundle made it), LibraryBusy, LibraryReadOnly,
    LibraryAway (its server does not answer).
    """
    if create and (bundle is None or read_only):
        raise ValueError("making a library needs a bundle and the right to write")
    if is_remote(address):
        # Late: pymilvus takes long to import, and most libraries do not need it.
        from index.milvus import connection
        from index.milvus.store import MilvusStore

        there = connection.parse(str(address))
        if create and bundle is not None:
            return MilvusStore.create(there, bundle)
        return MilvusStore.open(there, bundle, read_only=read_only)
    path = Path(address)
    if path.exists() and not path.is_dir():
        raise LibraryInvalid(f"{path} is a file; a library is a folder. Give the path of a folder.")
    if create and bundle is not None:
        return LocalStore.create(path, bundle)
    return LocalStore.open(path, bundle, read_only=read_only)


def is_remote(address: str | Path) -> bool:
    """Say whether an address is a server's, not a folder's. Raises LibraryError for servers of another kind."""
    if isinstance(address, Path) or "://" not in address:
        return False
    scheme = address.partition("://")[0]
    if scheme != _MILVUS:
        raise LibraryError(
            f"{address}: libraries are kept in folders and in Milvus, not in {scheme}. Give the path of a folder, or "
            "milvus://HOST:PORT/NAME."
        )
    return True
