"""A library that is opened where there is one, and else made when the first clip is added.

So a build that finds nothing it can use leaves no empty library behind.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import Self

from encoders.bundle import Bundle
from encoders.encoder import EncodedSegment
from index.errors import ClipNotFound, LibraryInvalid, LibraryNotFound
from index.open import open_store
from index.records import Clip, Metadata, NewClip, Stamp
from index.store import Store


class Unmade:
    """What a build asks of a library, answered by `store`, or, while that is None, as an empty library would.

    A context manager that closes it. Methods are as in `index.store.Store`; one thread at a time may add.
    """

    def __init__(self, make: Callable[[], Store], store: Store | None = None) -> None:
        self._make = make
        self.store = store

    def make(self) -> Store:
        """Return the library, made first where there is none."""
        self.store = self.store or self._make()
        return self.store

    def add(self, clip: NewClip, segments: Sequence[EncodedSegment]) -> Clip:
        """Add a clip to the library, which is made first if need be."""
        return self.make().add(clip, segments)

    def update(
        self, clip_id: str, *, name: str | None = None, path: str | None = None, metadata: Metadata | None = None
    ) -> Clip:
        """Change what is given of a clip."""
        return self._made(clip_id).update(clip_id, name=name, path=path, metadata=metadata)

    def delete(self, clip_id: str) -> None:
        """Remove a clip."""
        self._made(clip_id).delete(clip_id)

    def get(self, clip_id: str) -> Clip:
        """Return a clip."""
        return self._made(clip_id).get(clip_id)

    def has(self, ids: Iterable[str]) -> set[str]:
        """Return those of `ids` that there are."""
        return self.store.has(ids) if self.store else set()

    def stamps(self, paths: Sequence[str]) -> dict[str, dict[str, Stamp | None]]:
        """Return the clips that have these paths."""
        return self.store.stamps(paths) if self.store else {}

    def restamp(self, stamps: Mapping[str, Stamp]) -> None:
        """Set the stamps of clips."""
        if self.store:
            self.store.restamp(stamps)

    def together(self) -> AbstractContextManager[None]:
        """Let what this thread writes be durable when the block ends; each write at once where nothing is made yet."""
        return self.store.together() if self.store else nullcontext()

    def claim(self, clip_id: str) -> AbstractContextManager[bool]:
        """Ask for the right to make a clip."""
        return self.store.claim(clip_id) if self.store else nullcontext(True)

    def _made(self, clip_id: str) -> Store:
        if self.store is None:
            raise ClipNotFound(f"no clip {clip_id} in a library that is not made yet.")
        return self.store

    def __enter__(self) -> Self:
        """Return the library itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        if self.store:
            self.store.close()


def open_later(address: str | Path, bundle: Bundle) -> Unmade:
    """Open the library at `address` for adding to it, or stand in for it until it is made. Raises as `open_store`."""

    def make() -> Store:
        return open_store(address, bundle=bundle, create=True)

    try:
        return Unmade(make, open_store(address, bundle=bundle))
    except LibraryNotFound:
        return Unmade(make)
    except LibraryInvalid:
        return Unmade(make, make())  # making it may have been interrupted; else it is as invalid as before
