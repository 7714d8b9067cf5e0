"""The batch build: recordings into a library.

Each recording is hashed, and only one whose content the library does not have is decoded and embedded, on as
many threads as there are processors, each with a recording of its own; one transaction adds a clip whole. So
a build that is stopped at any moment, even killed, keeps what it has added, and a second run adds only what
is missing. Sound is never held: of the few recordings in flight only their segments' embeddings are.

The same content at two paths is one clip, the first's. A recording that fails does not stop the others. Two
builds may add to one library at the same time.
"""

import hashlib
import stat
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from encoders.audio import DEFAULT_MAX_DURATION
from encoders.encoder import EncodedSegment, Encoder
from encoders.errors import AudioNotFound, EmotionRankError, InputError
from encoders.sessions import available_cpus
from index.encode import encode_clip
from index.errors import ClipNotFound, LibraryError
from index.records import Clip, Metadata, NewClip, clip_id
from index.sources import Failure, Recording, recordings
from index.store import Store


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a build is, in recordings."""

    done: int
    total: int
    failed: int


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What a build did. `skipped` were there already; `interrupted` says that it was stopped (Ctrl-C)."""

    added: int
    updated: int
    skipped: int
    failed: tuple[Failure, ...]
    seconds: float
    interrupted: bool


def build(
    store: Store,
    encoder: Encoder,
    sources: Sequence[Path],
    *,
    threads: int | None = None,
    max_duration: float = DEFAULT_MAX_DURATION,
    progress: Callable[[Progress], None] | None = None,
) -> BuildReport:
    """Add the recordings of `sources` (see `index.sources`) to a library.

    `encoder` should have one ONNX Runtime thread; `threads` recordings (default: one a processor) are embedded
    at a time. `max_duration` in seconds. `progress` is called on this thread. Ctrl-C ends the build in good
    order and is reported, not raised. Raises a LibraryError where the library itself fails.
    """
    return _Build(store, encoder, threads or available_cpus(), max_duration, progress).run(sources)


class _Stopped(Exception):  # noqa: N818  (never seen by a caller)
    """The build is ending: let go of the recording at hand."""


Encoded = tuple[list[EncodedSegment], float]


@dataclass
class _Build:
    """One build: hashing and encoding on the pool's threads, every decision and write on the caller's."""

    store: Store
    encoder: Encoder
    threads: int
    max_duration: float
    progress: Callable[[Progress], None] | None

    total: int = 0
    added: int = 0
    updated: int = 0
    skipped: int = 0
    failed: list[Failure] = field(default_factory=list)
    # What this build has met: the id of every content, and the contents that failed.
    met: set[str] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)
    again: list[tuple[Recording, str]] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self, sources: Sequence[Path]) -> BuildReport:
        started = time.monotonic()
        interrupted = False
        self.total = sum(1 for _ in recordings(sources))
        encoding: dict[Future[Encoded], tuple[Recording, str]] = {}
        pool = ThreadPoolExecutor(self.threads, thread_name_prefix="build")
        try:
            self._work(pool, recordings(sources), encoding)
        except KeyboardInterrupt:
            interrupted = True
        finally:
            self.stop.set()
            pool.shutdown(cancel_futures=True)
        if interrupted:
            for future, (recording, sha256) in encoding.items():
                if not future.cancelled() and not isinstance(future.exception(), _Stopped):
                    self._store(recording, sha256, future)
        self._settle()
        return BuildReport(
            self.added,
            self.updated,
            self.skipped,
            tuple(self.failed),
            time.monotonic() - started,
            interrupted,
        )

    def _work(
        self,
        pool: ThreadPoolExecutor,
        items: Iterator[Recording | Failure],
        encoding: dict[Future[Encoded], tuple[Recording, str]],
    ) -> None:
        hashing: deque[tuple[Recording, Future[str]]] = deque()
        ahead, room = 8 * self.threads, 2 * self.threads
        more = True
        while more or hashing or encoding:
            while more and len(hashing) < ahead:
                item = next(items, None)
                if isinstance(item, Recording):
                    hashing.append((item, pool.submit(_sha256, item.path)))
                elif item:
                    self._fail(item.name, item.message)
                else:
                    more = False
            # In the order of the sources, so that of two recordings of one content it is always the first
            # whose name and metadata are taken.
            while hashing and len(encoding) < room and hashing[0][1].done():
                recording, hashed = hashing.popleft()
                if sha256 := self._decide(recording, hashed):
                    encoding[pool.submit(self._encode, recording)] = (recording, sha256)
            self._report()
            pending: set[Future[Any]] = {*encoding}
            if hashing and len(encoding) < room:
                pending.add(hashing[0][1])
            wait(pending, return_when=FIRST_COMPLETED)
            for future in [future for future in encoding if future.done()]:
                recording, sha256 = encoding[future]
                self._store(recording, sha256, future)
                del encoding[future]

    def _decide(self, recording: Recording, hashed: Future[str]) -> str | None:
        """Return the sha256 of a recording that has to be encoded, None where that is not needed."""
        if error := hashed.exception():
            self._fail(str(recording.path), _message(error))
            return None
        sha256 = hashed.result()
        if sha256 in self.met:
            self.again.append((recording, sha256))
            return None
        self.met.add(sha256)
        try:
            clip = self.store.get(clip_id(sha256))
        except ClipNotFound:
            return sha256
        changes = _changes(clip, recording)
        if not changes:
            self.skipped += 1
            return None
        try:
            self.store.update(clip.id, **changes)
        except InputError as error:
            self._fail(str(recording.path), str(error))
        else:
            self.updated += 1
        return None

    def _encode(self, recording: Recording) -> Encoded:
        def look(_: EncodedSegment) -> None:
            if self.stop.is_set():
                raise _Stopped

        name = str(recording.path)
        return encode_clip(self.encoder, recording.path, name=name, max_duration=self.max_duration, visit=look)

    def _store(self, recording: Recording, sha256: str, encoded: Future[Encoded]) -> None:
        name = str(recording.path)
        try:
            segments, duration = encoded.result()
            clip = NewClip(sha256, recording.name, str(recording.path), duration, recording.metadata)
            self.store.add(clip, segments)
        except LibraryError:
            raise
        except Exception as error:  # one recording, whatever is wrong with it, must not stop the others
            self.refused[sha256] = _message(error)
            self._fail(name, _message(error))
        else:
            self.added += 1

    def _settle(self) -> None:
        """Account for the recordings whose content this build had met before."""
        for recording, sha256 in self.again:
            if message := self.refused.get(sha256):
                same = f"{recording.path} has the same content as a recording that failed: {message}"
                self.failed.append(Failure(str(recording.path), same))
            else:
                self.skipped += 1
        self.again.clear()
        self._report()

    def _fail(self, name: str, message: str) -> None:
        self.failed.append(Failure(name, message))

    def _report(self) -> None:
        if self.progress:
            done = self.added + self.updated + self.skipped + len(self.failed) + len(self.again)
            self.progress(Progress(done, self.total, len(self.failed)))


def _sha256(path: Path) -> str:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise AudioNotFound(f"{path} is no file.")  # opening a pipe would wait for its other end
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise AudioNotFound(f"{path} cannot be read: {error.strerror}.") from None


def _changes(clip: Clip, recording: Recording) -> dict[str, Any]:
    """Return what the recording says anew of a clip that is there: metadata, or a path if the old one is gone."""
    changes: dict[str, Any] = {}
    if recording.metadata is not None and _typed(recording.metadata) != _typed(clip.metadata):
        changes["metadata"] = recording.metadata
    path = str(recording.path.absolute())
    if path != clip.path and not Path(clip.path).is_file():
        changes |= {"path": path, "name": recording.name}
    return changes


def _typed(metadata: Metadata) -> list[str]:
    return sorted(map(repr, metadata.items()))  # 1, 1.0 and true are different values


def _message(error: BaseException) -> str:
    return str(error) if isinstance(error, EmotionRankError) else f"unexpected {type(error).__name__}: {error}"
