"""Which store an address means."""

from pathlib import Path

from encoders.bundle import Bundle
from index.errors import LibraryError, LibraryInvalid
from index.local.library import LocalStore
from index.store import Store


def open_store(address: str | Path, *, bundle: Bundle | None, create: bool = False, read_only: bool = False) -> Store:
    """Open the library at `address`, the path of a directory.

    With `create`, a library that is not there is made, for `bundle`. `bundle` None opens a library for
    looking at it, whatever bundle made its embeddings. Raises LibraryNotFound, LibraryInvalid (something
    else lies there), LibraryNewer, LibraryMismatch (another bundle made it), LibraryBusy, LibraryReadOnly.
    """
    if isinstance(address, str) and "://" in address:
        scheme = address.partition("://")[0]
        raise LibraryError(
            f"{address}: this version keeps libraries in directories only, not in {scheme}. Give the path of a "
            "directory."
        )
    path = Path(address)
    if path.exists() and not path.is_dir():
        raise LibraryInvalid(f"{path} is a file; a library is a folder. Give the path of a folder.")
    if not create:
        return LocalStore.open(path, bundle, read_only=read_only)
    if bundle is None or read_only:
        raise ValueError("making a library needs a bundle and the right to write")
    return LocalStore.create(path, bundle)
