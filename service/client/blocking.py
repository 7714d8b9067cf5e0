"""The client that waits for each answer. It may be used from several threads at once."""

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import httpx

from service.client import bulk, calls
from service.client.bulk import Progress
from service.client.calls import Call, Filter, Metadata
from service.client.connection import address_of, for_sounds, headers_of, options, request_of
from service.client.errors import ClientError, ProblemError
from service.client.listening import EVENTS, Listener
from service.client.methods import documented
from service.client.results import Added, Clip, Description, HeardSegment, Ready
from service.client.retries import Retries, Tries
from service.client.saving import partial_file
from service.client.sounds import Sound

P = ParamSpec("P")
T = TypeVar("T")


def _method(make: Callable[P, Call[T]]) -> "Callable[Concatenate[Client, P], T]":
    """Make the method that sends what `make` makes."""

    def method(self: "Client", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.send(make(*args, **kwargs))

    return documented(method, make)


class Client:
    """A client of the service at `address`, such as `http://127.0.0.1:8000`.

    `key` is the API key, where the service asks for one. `timeout` is how many seconds it may say nothing,
    and ten times as many after a recording was sent: an hour of sound takes minutes. `http` is a client of httpx's that
    you made, for proxies, certificates or limits on time of your own; you close it. Raises `ClientError` for an
    address that is none; the methods raise `ProblemError`, `Unreachable` and `AnswerUnreadable`.

        with Client("http://127.0.0.1:8000") as library:
            for hit in library.search("calm but a little sad", k=5).hits:
                print(hit.score, hit.clip.name, hit.start)
    """

    search = _method(calls.search)
    search_audio = _method(calls.search_audio)
    similar = _method(calls.similar)
    describe = _method(calls.describe)
    add = _method(calls.add)
    clips = _method(calls.clips)
    clip = _method(calls.clip)
    delete = _method(calls.delete)
    audio = _method(calls.audio)
    waveform = _method(calls.waveform)
    facets = _method(calls.facets)
    plane_map = _method(calls.plane_map)
    embed_text = _method(calls.embed_text)
    embed_audio = _method(calls.embed_audio)
    info = _method(calls.info)
    health = _method(calls.health)
    ready = _method(calls.ready)

    def __init__(
        self,
        address: str,
        *,
        key: str | None = None,
        timeout: float | None = 60.0,
        retries: Retries = Retries(),  # noqa: B008 - frozen
        http: httpx.Client | None = None,
    ) -> None:
        self.address = address_of(address)
        self._retries = retries
        self._headers = headers_of(key)
        self._own = http is None
        self._sounds_timeout = None if http else for_sounds(timeout)
        self._http = http or httpx.Client(**options(timeout))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        if self._own:
            self._http.close()

    def send(self, call: Call[T]) -> T:
        """Send a call and read its answer, trying again where that is safe."""
        return self._send(call, _read_all(call))

    def all_clips(self, *, filter: Filter | None = None, page: int = 1000) -> Iterator[Clip]:
        """Go through all clips that a filter keeps, a page at a time.

        Clips that are deleted meanwhile move the pages, and some are passed over: to delete, take a list of all first.
        """
        offset = 0
        while True:
            found = self.clips(offset=offset, limit=page, filter=filter)
            yield from found.clips
            offset += len(found.clips)
            if not found.clips or offset >= found.total:
                return

    def save_audio(self, clip_id: str, path: str | os.PathLike[str]) -> int:
        """Stream a clip's file to the disk and return its size; `path` appears whole or not at all."""

        def save(answer: httpx.Response) -> int:
            with partial_file(Path(path)) as file:
                for piece in answer.iter_bytes():
                    file.write(piece)
                return file.tell()

        return self._send(calls.audio(clip_id), save)

    def describe_aloud(
        self,
        sound: Sound,
        heard: Callable[[HeardSegment], None],
        *,
        candidates: Iterable[str] = (),
        embedding: bool = False,
        peaks: int | None = None,
    ) -> Description:
        """Describe a recording, and call `heard` with each segment of it as it is heard: for long ones.

        After a connection that broke the recording is described anew, and its segments are told again.
        """

        def listen(answer: httpx.Response) -> Description:
            listener = Listener(answer, heard)
            for piece in answer.iter_bytes():
                listener.take(piece)
            return listener.result()

        call = calls.describe(sound, candidates=candidates, embedding=embedding, peaks=peaks)
        return self._send(replace(call, headers=EVENTS), listen)

    def wait_until_ready(self, seconds: float = 60.0) -> Ready:
        """Wait until the service can search; raises, after that many seconds, what it said last."""
        until = time.monotonic() + seconds
        while True:
            try:
                return self.ready()
            except ClientError:
                if time.monotonic() >= until:
                    raise
            time.sleep(0.1)

    def add_all(
        self,
        sounds: Iterable[Sound],
        metadata: Metadata | Sequence[Metadata | None] | None = None,
        *,
        progress: Callable[[Progress], None] | None = None,
        parallel: int = 4,
    ) -> Iterator[Added]:
        """Add recordings, any number, in requests of a few; yield what became of each, in their order.

        A file that cannot be used or read has status `failed`; it raises only what ends everything. What was yielded is
        in the library, and adding all of it again changes nothing but the metadata that is given.
        """
        limits = self.info().limits
        waiting = bulk.items(sounds, metadata, limits)
        tally = bulk.Tally(waiting)
        sent: deque[Future[tuple[Added, ...]]] = deque()
        rest = bulk.batches(waiting, limits)
        pool = ThreadPoolExecutor(parallel, thread_name_prefix="emotionrank-client")
        try:
            while True:
                while len(sent) < parallel and (batch := next(rest, None)):
                    sent.append(pool.submit(self._add_batch, batch))
                if not sent:
                    return
                for added in sent.popleft().result():
                    counted = tally.count(added)
                    if progress is not None:
                        progress(counted)
                    yield added
        finally:
            pool.shutdown(cancel_futures=True)

    def _add_batch(self, batch: Sequence[bulk.Item]) -> tuple[Added, ...]:
        if unsent := bulk.unsent(batch):
            return unsent
        try:
            return self.send(bulk.call(batch)).results
        except ProblemError as error:
            return bulk.outcome(error)
        except OSError as error:  # a file went away since
            if len(batch) > 1:
                return tuple(added for item in batch for added in self._add_batch([item]))
            return (bulk.failed(batch[0], bulk.unreadable(batch[0].sound, error)),)

    def _send(self, call: Call[Any], take: Callable[[httpx.Response], T]) -> T:
        tries = Tries(self._retries, call.repeat)
        with request_of(call, self._headers, self._sounds_timeout) as request:
            while True:
                try:
                    with self._http.stream(call.method, self.address + call.path, **request) as answer:
                        if answer.is_success:
                            return take(answer)
                        answer.read()
                        pause = tries.refused(answer)
                except httpx.RequestError as error:
                    pause = tries.lost(error, self.address)
                time.sleep(pause)


def _read_all(call: Call[T]) -> Callable[[httpx.Response], T]:
    def take(answer: httpx.Response) -> T:
        answer.read()
        return call.read(answer)

    return take
