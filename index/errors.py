"""Every error a user of a library can cause, in the manner of `encoders.errors`.

The caller's input (a filter, a query, metadata, a clip that is not there) is an `InputError`; the library
itself (missing, damaged, another bundle's, busy, full) is a `LibraryError`.
"""

# The names follow the working vocabulary ("LibraryMismatch"); the suffix would add nothing.
# ruff: noqa: N818

from typing import ClassVar

from encoders.errors import EmotionRankError, InputError


class LibraryError(EmotionRankError):
    """A library cannot be used."""

    code: ClassVar[str] = "library-error"


class LibraryNotFound(LibraryError):
    """There is no library at the address."""

    code: ClassVar[str] = "library-not-found"


class LibraryInvalid(LibraryError):
    """What lies at the address is no library, or is damaged."""

    code: ClassVar[str] = "library-invalid"


class LibraryNewer(LibraryError):
    """The library was made by a newer version of this program."""

    code: ClassVar[str] = "library-newer"


class LibraryMismatch(LibraryError):
    """The library's embeddings were made with another bundle."""

    code: ClassVar[str] = "library-mismatch"


class LibraryBusy(LibraryError):
    """Another process kept the library locked for too long."""

    code: ClassVar[str] = "library-busy"


class LibraryReadOnly(LibraryError):
    """The library may not be written to."""

    code: ClassVar[str] = "library-read-only"


class LibraryAway(LibraryError):
    """The server that keeps the library does not answer, or its folder was deleted or replaced while it was in use."""

    code: ClassVar[str] = "library-away"


class LibraryFull(LibraryError):
    """The disk has no room for the change."""

    code: ClassVar[str] = "library-full"


class ClipNotFound(InputError):
    """The library has no clip of this id."""

    code: ClassVar[str] = "clip-not-found"


class ClipConflict(InputError):
    """Another clip already has this id: the first 64 bits of both files' sha256 are the same."""

    code: ClassVar[str] = "clip-conflict"


class EmbeddingError(InputError):
    """A vector has the wrong dimension, no direction, or values that are not finite."""

    code: ClassVar[str] = "embedding-invalid"


class MetadataError(InputError):
    """Metadata is no flat object of scalars, or is over the limits."""

    code: ClassVar[str] = "metadata-invalid"


class FilterError(InputError):
    """A filter is not of the filter language."""

    code: ClassVar[str] = "filter-invalid"


class QueryError(InputError):
    """A query has no parts, no direction, or options outside their range."""

    code: ClassVar[str] = "query-invalid"


class SourceError(InputError):
    """A source of a build (a folder or a manifest) cannot be read."""

    code: ClassVar[str] = "source-invalid"
