"""Adding many recordings: what goes into one request, what came of each, and how far it is.

A request is worked on by one core of the service, file after file; small requests, several at a time, keep all of them
busy, and a request that has to be sent again costs little.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from pydantic import TypeAdapter, ValidationError

from service.client.calls import Call, Metadata, add_several, several
from service.client.errors import ProblemError
from service.client.results import Added, AddedFiles, Limits, Problem
from service.client.sounds import Sound, name_of, size_of

# Of one request. A file that is larger goes alone.
FILES: Final = 8
BYTES: Final = 8 * 1024 * 1024
# What a form adds to a file: boundary, header, a name of 255 characters.
_OVERHEAD: Final = 4096
# Too busy, takes no uploads, away, no room: what the next recording would meet as well.
_ENDS_ALL: Final = frozenset({429, 501, 503, 507})

_RESULTS: Final[TypeAdapter[AddedFiles]] = TypeAdapter(AddedFiles)


class Item(NamedTuple):
    """A recording to add; `problem` says that it cannot be sent."""

    sound: Sound
    metadata: Metadata | None
    size: int
    problem: Problem | None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far adding is: files and bytes, done and of all, and what became of those done."""

    done: int
    files: int
    done_bytes: int
    bytes: int
    added: int
    exists: int
    failed: int


def items(given: Iterable[Sound], metadata: Metadata | Sequence[Metadata | None] | None, limits: Limits) -> list[Item]:
    """Pair sounds with their metadata (one for all, or one each), and say what cannot be sent.

    Raises ValueError when there is not one metadata for each, and TypeError for a single path.
    """
    sounds = several(given, "sounds")
    each = metadata if isinstance(metadata, Sequence) else [metadata] * len(sounds)
    if len(each) != len(sounds):
        raise ValueError(f"{len(each)} metadata for {len(sounds)} recordings. Give one for each, or one for all.")
    return [_item(sound, own, limits) for sound, own in zip(sounds, each, strict=True)]


def _item(sound: Sound, metadata: Metadata | None, limits: Limits) -> Item:
    try:
        size = size_of(sound)
    except OSError as error:
        return Item(sound, metadata, 0, unreadable(sound, error))
    if size + _OVERHEAD <= limits.max_upload_bytes:
        return Item(sound, metadata, size, None)
    return Item(
        sound,
        metadata,
        size,
        Problem(
            "urn:emotionrank:problem:upload-too-large",
            "The body is too large",
            413,
            f"{name_of(sound)} has {size} bytes; the service takes {limits.max_upload_bytes} in a request. Not sent.",
        ),
    )


def unreadable(sound: Sound, error: OSError) -> Problem:
    """Make the problem of a file that cannot be read here. Its status is 0: nothing was sent."""
    return Problem(
        "urn:emotionrank:problem:file-unreadable",
        "The file cannot be read",
        0,
        f"{name_of(sound)} cannot be read: {error.strerror or error}. Not sent.",
    )


def batches(waiting: Sequence[Item], limits: Limits) -> Iterator[list[Item]]:
    """Cut into requests that the service takes, in order; what cannot be sent is in batches by itself."""
    most_files = min(FILES, limits.max_files)
    most_bytes = min(BYTES, limits.max_upload_bytes)
    batch: list[Item] = []
    size = 0
    for item in waiting:
        costs = item.size + _OVERHEAD
        if batch and (
            len(batch) == most_files or size + costs > most_bytes or bool(item.problem) != bool(batch[0].problem)
        ):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += costs
    if batch:
        yield batch


def unsent(batch: Sequence[Item]) -> tuple[Added, ...]:
    """Return what became of a batch that cannot be sent; nothing for one that can."""
    return tuple(failed(item, item.problem) for item in batch if item.problem)


def failed(item: Item, problem: Problem) -> Added:
    """Make the result of a recording that was not sent."""
    return Added(name_of(item.sound), "failed", problem=problem)


def call(batch: Sequence[Item]) -> Call[AddedFiles]:
    """Make the call that adds a batch."""
    return add_several([item.sound for item in batch], [item.metadata for item in batch])


def outcome(error: ProblemError) -> tuple[Added, ...]:
    """Return what became of each file of a request none of whose files could be used; raises any other refusal.

    Raised is also what is not the files' fault.
    """
    if error.status in _ENDS_ALL:
        raise error
    try:
        return _RESULTS.validate_json(error.body).results
    except ValidationError:
        raise error from None


class Tally:
    """Counts what is done."""

    def __init__(self, waiting: Sequence[Item]) -> None:
        self._waiting = waiting
        self._bytes = sum(item.size for item in waiting)
        self._done = 0
        self._done_bytes = 0
        self._became: Counter[str] = Counter()

    def count(self, added: Added) -> Progress:
        """Count the next file, and return how far it is."""
        self._done_bytes += self._waiting[self._done].size
        self._done += 1
        self._became[added.status] += 1
        return Progress(
            self._done,
            len(self._waiting),
            self._done_bytes,
            self._bytes,
            self._became["added"],
            self._became["exists"],
            self._became["failed"],
        )
