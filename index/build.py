"""The batch build: recordings into a library.

A file whose stamp (size and time of change) the library knows is passed over without being read. Each other one
is hashed, and only one whose content the library does not have is decoded and embedded, on as many threads as there
are processors, each with a recording of its own; clips are added whole, a few of them in one transaction. So a build
that is stopped at any moment, even killed, keeps what it has told of, and a second run adds only what is missing. Sound
is never held: of the few recordings in flight only their segments' embeddings are.

The same content at two paths is one clip, the first's. A recording that fails does not stop the others. Several
builds may add to one library at the same time: what one is encoding, the others pass over (`Store.claim`), and come
back to.

A file that was replaced or edited has another content: that becomes a new clip (which keeps the old one's metadata
where nothing is said about it), and when the build ends, the clip whose file this was is moved to where the build
found its content, and removed where it found it nowhere. Nothing is removed for a file whose new content could not
be added, nor by a build that was stopped.
"""

import hashlib
import stat
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from encoders.audio import DEFAULT_MAX_DURATION
from encoders.encoder import EncodedSegment, Encoder
from encoders.errors import AudioNotFound, EmotionRankError, InputError
from encoders.sessions import available_cpus
from index import estimate
from index.encode import encode_clip
from index.errors import ClipNotFound, LibraryError, SourceError
from index.known import Found, look, stamp_of
from index.records import Metadata, NewClip, Stamp, clip_id
from index.sources import Failure, Recording, recordings
from index.store import Store
from index.unmade import Unmade

_PATIENCE: Final = 0.2  # seconds between two looks at what another build is encoding
_RESTAMPED: Final = 512  # stamps that are set in one transaction
_TOGETHER: Final = 8  # clips that are added in one transaction at most,
_AT_LATEST: Final = 0.2  # seconds after the first of them was encoded


# A library that is there, or one that is made when there is something to add.
Library = Store | Unmade


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a build is, in recordings; `new` of them are not known to the library as they are.

    `seconds_left` is an estimate, None where there is none yet.
    """

    done: int
    total: int
    failed: int
    new: int = 0
    seconds_left: float | None = None


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What a build did, in recordings. `skipped` were there already; `interrupted` says that it was stopped (Ctrl-C).

    `replaced` counts the clips that were removed since their files hold something else now.
    """

    added: int
    updated: int
    skipped: int
    failed: tuple[Failure, ...]
    seconds: float
    interrupted: bool
    replaced: int = 0


def build(
    library: Library,
    encoder: Encoder,
    sources: Sequence[Path],
    *,
    threads: int | None = None,
    max_duration: float = DEFAULT_MAX_DURATION,
    progress: Callable[[Progress], None] | None = None,
    keep: Callable[[Recording], bool] | None = None,
) -> BuildReport:
    """Add the recordings of `sources` (see `index.sources`) to a library.

    `encoder` should have one ONNX Runtime thread; `threads` recordings (default: one a processor) are embedded
    at a time. `max_duration` in seconds. `progress` is called on this thread. `keep` chooses among the recordings
    (those of a shard). Ctrl-C ends the build in good order and is reported, not raised. Raises a LibraryError where
    the library itself fails.
    """

    def listed() -> Iterator[Recording | Failure]:
        for item in recordings(sources):
            if keep is None or isinstance(item, Failure) or keep(item):
                yield item

    return _Build(library, encoder, threads or available_cpus(), max_duration, progress).run(listed)


class _Stopped(Exception):  # noqa: N818  (never seen by a caller)
    """The build is ending: let go of the recording at hand."""


@dataclass(frozen=True, slots=True)
class _Made:
    """What became of a recording: its segments and its duration, with the claim that is held until it is stored.

    `claimed` is false where there was no library yet to claim it of.
    """

    segments: list[EncodedSegment]
    duration: float
    claim: ExitStack
    claimed: bool


# None: another build is encoding this content; an id: the library has got the clip meanwhile.
_Outcome = _Made | str | None


@dataclass
class _Build:
    """One build: hashing and encoding on the pool's threads, every decision and write on the caller's."""

    library: Library
    encoder: Encoder
    threads: int
    max_duration: float
    progress: Callable[[Progress], None] | None

    ahead: estimate.Survey = field(default_factory=estimate.Survey)
    expected: float | None = None  # seconds, before anything is encoded
    begun: float = 0.0
    read: int = 0  # bytes of what was new and is done with
    added: int = 0
    updated: int = 0
    skipped: int = 0
    replaced: int = 0
    failed: list[Failure] = field(default_factory=list)
    # What this build has met: the id of every content, and the contents that failed.
    met: set[str] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)
    again: list[tuple[Found, str]] = field(default_factory=list)
    # What other builds are encoding.
    later: list[tuple[Found, str]] = field(default_factory=list)
    # Clips whose files hold another content now, with the paths of these; and contents that were found elsewhere
    # than at their clips' paths.
    stale: dict[str, str] = field(default_factory=dict)
    elsewhere: dict[str, Found] = field(default_factory=dict)
    restamped: dict[str, Stamp] = field(default_factory=dict)
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self, listed: Callable[[], Iterator[Recording | Failure]]) -> BuildReport:
        self.begun = time.monotonic()
        interrupted = False
        encoding: dict[Future[_Outcome], tuple[Found, str]] = {}
        pool = ThreadPoolExecutor(self.threads, thread_name_prefix="build")
        try:
            self.ahead = estimate.survey(look(self.library, listed()))
            self.expected = estimate.seconds(self.ahead, self.encoder, self.threads)
            self._work(pool, look(self.library, listed()), encoding)
        except KeyboardInterrupt:
            interrupted = True
        finally:
            self.stop.set()
            pool.shutdown(cancel_futures=True)
            self._end(encoding, keep=interrupted)
        self._settle(complete=not interrupted)
        return BuildReport(
            self.added,
            self.updated,
            self.skipped,
            tuple(self.failed),
            time.monotonic() - self.begun,
            interrupted,
            self.replaced,
        )

    def _work(
        self,
        pool: ThreadPoolExecutor,
        items: Iterator[Found | Failure],
        encoding: dict[Future[_Outcome], tuple[Found, str]],
    ) -> None:
        hashing: deque[tuple[Found, Future[str] | None]] = deque()
        ahead, room = 8 * self.threads, 2 * self.threads
        more = True
        due: float | None = None  # when what is encoded has to be stored
        while more or hashing or encoding or self.later:
            while more and len(hashing) < ahead:
                item = next(items, None)
                if isinstance(item, Found):
                    hashed = None if item.unchanged else pool.submit(_sha256, item.recording.path)
                    hashing.append((item, hashed))
                elif item:
                    self._fail(item.name, item.message)
                else:
                    more = False
            # In the order of the sources, so that of two recordings of one content it is always the first
            # whose name and metadata are taken.
            pending: set[Future[Any]] = {future for future in encoding if not future.done()}
            while hashing and len(pending) < room and _is_done(hashing[0][1]):
                found, hashed = hashing.popleft()
                if sha256 := self._decide(found, hashed):
                    future = pool.submit(self._encode, found, sha256)
                    encoding[future] = (found, sha256)
                    pending.add(future)
            if not (more or hashing or encoding) and self.later:
                time.sleep(_PATIENCE)
                encoding |= {pool.submit(self._encode, *item): item for item in self.later}
                self.later.clear()
            self._report()
            if hashing and len(pending) < room and hashing[0][1]:
                pending.add(hashing[0][1])
            wait(pending, None if due is None else max(0.0, due - time.monotonic()), FIRST_COMPLETED)
            encoded = sum(future.done() for future in encoding)
            if encoded and due is None:
                due = time.monotonic() + _AT_LATEST
            if due and (encoded >= min(_TOGETHER, len(encoding)) or time.monotonic() >= due):
                self._store_all(encoding)
                due = None

    def _decide(self, found: Found, hashed: Future[str] | None) -> str | None:
        """Return the sha256 of a recording that has to be encoded, None where that is not needed."""
        try:
            sha256 = hashed.result() if hashed else None
        except Exception as error:
            self._fail(found.path, _message(error), found)
            return None
        identity = clip_id(sha256) if sha256 else found.unchanged
        assert identity is not None
        if identity in self.met:
            self.again.append((found, identity))
            self._count(found)
            return None
        self.met.add(identity)
        if self._known(found, identity):
            return None
        return sha256 or _sha256(found.recording.path)  # the clip was removed while the build was looking

    def _known(self, found: Found, identity: str) -> bool:
        """Bring the clip of this content to what the recording says. False where the library has none."""
        if found.unchanged and found.recording.metadata is None:
            self.skipped += 1
            self._replace(found, identity)
            return True
        try:
            clip = self.library.get(identity)
        except ClipNotFound:
            return False
        changes: dict[str, Any] = {}
        metadata = found.recording.metadata
        if metadata is not None and _typed(metadata) != _typed(clip.metadata):
            changes["metadata"] = metadata
        if found.path != clip.path and not Path(clip.path).is_file():
            changes |= {"path": found.path, "name": found.recording.name}
        elif found.path != clip.path:
            self.elsewhere.setdefault(identity, found)
        try:
            if changes:
                self.library.update(clip.id, **changes)
        except InputError as error:
            self._fail(found.path, str(error), found)
            return True
        if changes:
            self.updated += 1
        else:
            self.skipped += 1
        if "path" in changes or (found.path == clip.path and found.stamp != clip.stamp):
            self._restamp(identity, found)
        self._replace(found, identity)
        self._count(found)
        return True

    def _encode(self, found: Found, sha256: str) -> _Outcome:
        def look(_: EncodedSegment) -> None:
            if self.stop.is_set():
                raise _Stopped

        claimed = not isinstance(self.library, Unmade) or self.library.store is not None
        with ExitStack() as stack:
            mine = stack.enter_context(self.library.claim(clip_id(sha256)))
            if self.library.has([clip_id(sha256)]):
                return clip_id(sha256)
            if not mine:
                return None
            path = found.recording.path
            segments, duration = encode_clip(
                self.encoder, path, name=str(path), max_duration=self.max_duration, visit=look
            )
            if stamp_of(path) != found.seen:
                raise SourceError(f"{path} was changed while it was read. Run the build again.")
            return _Made(segments, duration, stack.pop_all(), claimed)

    def _store_all(self, encoding: dict[Future[_Outcome], tuple[Found, str]]) -> None:
        """Store what has been encoded, in one transaction; claims are held until it is durable."""
        encoded = [future for future in encoding if future.done()]
        with ExitStack() as claims:
            for future in encoded:
                if not future.exception() and isinstance(made := future.result(), _Made):
                    claims.enter_context(made.claim)
            with self.library.together():
                for future in encoded:
                    self._store(*encoding.pop(future), future)

    def _store(self, found: Found, sha256: str, outcome: Future[_Outcome]) -> None:
        try:
            made = outcome.result()
            if made is None:
                self.later.append((found, sha256))
                return
            if isinstance(made, str) and self._known(found, made):
                return
            if not isinstance(made, _Made):
                raise SourceError(f"{found.path}: its clip was removed during the build. Run the build again.")
            if isinstance(self.library, Unmade) and not made.claimed:
                self.library.make()  # another build may have done so before, and be at the same recordings
                if not made.claim.enter_context(self.library.claim(clip_id(sha256))):
                    self.later.append((found, sha256))
                    return
                if self.library.has([clip_id(sha256)]) and self._known(found, clip_id(sha256)):
                    return
            self._add(found, sha256, made)
        except LibraryError:
            raise
        except Exception as error:  # one recording, whatever is wrong with it, must not stop the others
            self.refused[clip_id(sha256)] = _message(error)
            self._fail(found.path, _message(error), found)

    def _add(self, found: Found, sha256: str, made: _Made) -> None:
        metadata = found.recording.metadata
        clip = NewClip(
            sha256,
            found.recording.name,
            found.path,
            made.duration,
            self._inherited(found) if metadata is None else metadata,
            found.stamp,
        )
        self.library.add(clip, made.segments)
        self.added += 1
        self._replace(found, clip.id)
        self._count(found)

    def _inherited(self, found: Found) -> Metadata | None:
        """Return the metadata of the clip whose file this was."""
        for identity in reversed(list(found.clips)):
            try:
                return self.library.get(identity).metadata or None
            except ClipNotFound:
                continue
        return None

    def _replace(self, found: Found, identity: str) -> None:
        """Note the clips whose file this was, now that the content it has is in the library."""
        self.stale |= dict.fromkeys(found.clips.keys() - {identity}, found.path)

    def _restamp(self, identity: str, found: Found) -> None:
        if found.stamp:
            self.restamped[identity] = found.stamp
        if len(self.restamped) >= _RESTAMPED:
            self._write_stamps()

    def _write_stamps(self) -> None:
        if self.restamped:
            self.library.restamp(self.restamped)
            self.restamped = {}

    def _end(self, encoding: dict[Future[_Outcome], tuple[Found, str]], *, keep: bool) -> None:
        """Store what was encoded before a build was stopped, and let go of every claim."""
        for future in list(encoding):
            if future.cancelled() or isinstance(future.exception(), _Stopped):
                del encoding[future]
        if keep:
            self._store_all(encoding)
            return
        for future in encoding:
            if not future.exception() and isinstance(made := future.result(), _Made):
                made.claim.close()

    def _settle(self, *, complete: bool) -> None:
        """Account for contents that were met before and, where the build is complete, for clips without their files."""
        for found, identity in self.again:
            if message := self.refused.get(identity):
                same = f"{found.path} has the same content as a recording that failed: {message}"
                self.failed.append(Failure(found.path, same))
            else:
                self.skipped += 1
                self._replace(found, identity)
        self.again.clear()
        if complete:
            for identity, path in self.stale.items():
                self._retire(identity, path)
        self._write_stamps()
        self._report()

    def _retire(self, identity: str, path: str) -> None:
        """Move a clip whose file at `path` holds another content to where its own is, or remove it."""
        try:
            if self.library.get(identity).path != path:
                return
            if moved := self.elsewhere.get(identity):
                self.library.update(identity, path=moved.path, name=moved.recording.name)
                self._restamp(identity, moved)
                self.skipped -= 1
                self.updated += 1
            elif identity not in self.met:
                self.library.delete(identity)
                self.replaced += 1
        except ClipNotFound:  # another build was faster
            return

    def _fail(self, name: str, message: str, found: Found | None = None) -> None:
        self.failed.append(Failure(name, message))
        if found:
            self._count(found)

    def _count(self, found: Found) -> None:
        if found.seen and not found.unchanged:
            self.read += found.seen.size

    def _report(self) -> None:
        if self.progress:
            done = self.added + self.updated + self.skipped + len(self.failed) + len(self.again)
            self.progress(Progress(done, self.ahead.total, len(self.failed), self.ahead.new, self._left()))

    def _left(self) -> float | None:
        if not self.read:
            return self.expected
        rest = max(0, self.ahead.bytes - self.read)
        return rest * (time.monotonic() - self.begun) / self.read


def _is_done(future: Future[str] | None) -> bool:
    return future is None or future.done()


def _sha256(path: Path) -> str:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise AudioNotFound(f"{path} is no file.")  # opening a pipe would wait for its other end
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise AudioNotFound(f"{path} cannot be read: {error.strerror}.") from None


def _typed(metadata: Metadata) -> list[str]:
    return sorted(map(repr, metadata.items()))  # 1, 1.0 and true are different values


def _message(error: BaseException) -> str:
    return str(error) if isinstance(error, EmotionRankError) else f"unexpected {type(error).__name__}: {error}"
