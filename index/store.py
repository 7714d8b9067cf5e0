"""The store: the interface behind which a library lives.

Every method may be called from any thread at any time. What `add`, `update` and `delete` did is durable when
they return, and is seen by the next search: of this store at once, and of any other process that has the same
library open.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt

from encoders.encoder import EncodedSegment
from index.facets import Facet
from index.filters import Filter
from index.places import Places
from index.records import Backup, Clip, Compaction, Counts, Drift, Hit, IndexInfo, LibraryInfo, Metadata, NewClip, Stamp
from index.region import Region

# What a long work on a whole library is at, and how far, 0..1.
Progress = Callable[[str, float], None]


class Store(Protocol):
    """A library, open. A context manager that closes it.

    Besides what each method names, all raise a LibraryError where the library itself fails (locked by another
    process, disk full, damaged, ...); what was stored before is safe then.
    """

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the bundle that made the library's embeddings."""

    def add(self, clip: NewClip, segments: Sequence[EncodedSegment]) -> Clip:
        """Add a clip with its segments, all or nothing, and return it.

        A clip of the same content that is there already keeps its segments and gets the new name, path, stamp and
        (where given) metadata. Raises EmbeddingError for no segments or a segment that is no unit vector of
        the library's dimension, MetadataError, ClipConflict.
        """

    def update(
        self, clip_id: str, *, name: str | None = None, path: str | None = None, metadata: Metadata | None = None
    ) -> Clip:
        """Change what is given, and return the clip. Metadata is replaced; a new path has no stamp yet.

        Raises ClipNotFound, MetadataError.
        """

    def delete(self, clip_id: str) -> None:
        """Remove a clip. Raises ClipNotFound."""

    def get(self, clip_id: str) -> Clip:
        """Return a clip. Raises ClipNotFound."""

    def segments(self, clip_id: str) -> list[EncodedSegment]:
        """Return a clip's segments in order of time. Raises ClipNotFound."""

    def has(self, ids: Iterable[str]) -> set[str]:
        """Return those of `ids` that the library has."""

    def stamps(self, paths: Sequence[str]) -> dict[str, dict[str, Stamp | None]]:
        """Return, for those of `paths` (absolute) that are a clip's path, that clip's id and its stamp.

        More than one clip has the same path only where a file was replaced and a build has not seen to it yet.
        """

    def restamp(self, stamps: Mapping[str, Stamp]) -> None:
        """Set the stamps of clips, by id, all or nothing. Ids that the library does not have are passed over."""

    def together(self) -> AbstractContextManager[None]:
        """Let what this thread writes be durable only when the block ends, where waiting for each would cost more.

        Each write is whole or nothing as ever; where the block raises, those before are kept. It should be short:
        others may have to wait with their writes.
        """

    def claim(self, clip_id: str) -> AbstractContextManager[bool]:
        """Ask for the right to make the clip of this id, held until the block ends; False: another has it.

        It keeps several builds from encoding one recording twice, nothing more: nobody needs a claim to write.
        A store that cannot tell always grants it.
        """

    def clips(self, *, offset: int = 0, limit: int = 100, filter: Filter | None = None) -> list[Clip]:
        """Return the clips that a filter keeps, in the order they were added. Raises QueryError."""

    def state(self) -> str | None:
        """Name the library's last change: while the name is the same, so are its clips. None where that is not told."""

    def count(self, filter: Filter | None = None) -> Counts:
        """Count the clips that a filter keeps, their segments and their seconds."""

    def fields(self, among: Iterable[str] | None = None) -> set[str]:
        """Return the names of the metadata fields that clips have (null or not): those of `among`, or all.

        With `among` it is quick: a search asks it of the fields of its filter. Without, it may take a scan.
        """

    def facets(
        self, fields: Sequence[str] | None = None, *, filter: Filter | None = None, limit: int = 20
    ) -> list[Facet]:
        """Count the clips that a filter keeps by the values of each field, at most `limit` values a field.

        Fields are named as in a filter and answered in their order; None stands for `facets.NUMBERS` and the
        (at most `facets.MAX_FIELDS`) metadata fields that most of these clips have. `index.facets` says how to
        count, and does it for a store whose engine cannot. Raises QueryError for a field that has no facets, or a
        limit under 1.
        """

    def places(self, filter: Filter | None = None) -> Places:
        """Return where the segments of the clips that a filter keeps lie in the plane. It walks over all of them."""

    def search(
        self,
        vector: npt.NDArray[np.float32],
        *,
        k: int,
        offset: int = 0,
        min_score: float | None = None,
        filter: Filter | None = None,
        region: Region | None = None,
        group_by_clip: bool = True,
        exclude: frozenset[str] = frozenset(),
        embeddings: bool = False,
    ) -> list[Hit]:
        """Return the `k` best hits after the first `offset`; fewer only where there are no more.

        `vector` is float32 [dim] of any length but zero; scores are cosines. The filter (of clips), the region (of
        segments) and `exclude` (clip ids) hold inside the search. With `group_by_clip` each clip is there once,
        with its best segment of those in the region. With `embeddings` the hits have their segment's.
        The order is by score, then clip id, then start, so that pages of one query fit together. Raises
        EmbeddingError for a vector of the wrong dimension, zero or not finite, QueryError for k < 1,
        offset < 0 or a min_score that is no number.
        """

    def info(self) -> LibraryInfo:
        """Say what the library is. It walks over all of it; `count` and `index` are quick."""

    def index(self) -> IndexInfo:
        """Say what the library is searched with."""

    def verify(self, *, audio: bool = False) -> list[Drift]:
        """Check the library against itself and return every kind of drift found; empty is good.

        With `audio`, every clip's file is read, to see that it is still the one that was added.
        """

    def outgrown(self) -> bool:
        """Say whether so much has changed since the last compaction that compacting pays."""

    def compact(
        self,
        queries: npt.NDArray[np.float32] | None = None,
        *,
        memory: int | None = None,
        recall: float = ...,
        progress: Progress | None = None,
    ) -> Compaction:
        """Make what is searched anew from the records, while others search, add and delete.

        `queries`, unit vectors of prompts [n, dim], are what an approximate index is tuned with, to a recall@10 of
        `recall`; without them it is exact. `memory` is how many bytes searching may take. Raises LibraryBusy where
        the library is being compacted already, LibraryError for a library that looks after itself.
        """

    def rebuild(
        self,
        queries: npt.NDArray[np.float32] | None = None,
        *,
        memory: int | None = None,
        recall: float = ...,
        progress: Progress | None = None,
    ) -> Compaction:
        """Derive anew whatever is derived from the records, and compact. Raises as `compact`."""

    def backup(self, target: Path, progress: Progress | None = None) -> Backup:
        """Copy the library, as it is at one moment, to the folder `target`, while others use it.

        The copy is a library; it appears whole or not at all. Raises LibraryError for a target that is there already
        or for a library that cannot be copied so, LibraryBusy, LibraryFull, LibraryReadOnly.
        """

    def close(self) -> None:
        """Let go of the library. Other methods raise LibraryError afterwards."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
