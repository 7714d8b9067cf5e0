"""The client for asyncio."""

import asyncio
import os
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
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


def _method(make: Callable[P, Call[T]]) -> "Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, T]]":
    """Make the method that sends what `make` makes."""

    async def method(self: "AsyncClient", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.send(make(*args, **kwargs))

    return documented(method, make)


class AsyncClient:
    """As `Client`, with methods to be awaited. Use it from one event loop.

    async with AsyncClient("http://127.0.0.1:8000") as library:
        found = await library.search("calm but a little sad", k=5)
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
        http: httpx.AsyncClient | None = None,
    ) -> None:
        self.address = address_of(address)
        self._retries = retries
        self._headers = headers_of(key)
        self._own = http is None
        self._sounds_timeout = None if http else for_sounds(timeout)
        self._http = http or httpx.AsyncClient(**options(timeout))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        if self._own:
            await self._http.aclose()

    async def send(self, call: Call[T]) -> T:
        """Send a call and read its answer, trying again where that is safe."""
        return await self._send(call, _read_all(call))

    async def all_clips(self, *, filter: Filter | None = None, page: int = 1000) -> AsyncIterator[Clip]:
        """Go through all clips that a filter keeps, as `Client.all_clips` does."""
        offset = 0
        while True:
            found = await self.clips(offset=offset, limit=page, filter=filter)
            for clip in found.clips:
                yield clip
            offset += len(found.clips)
            if not found.clips or offset >= found.total:
                return

    async def save_audio(self, clip_id: str, path: str | os.PathLike[str]) -> int:
        """Stream a clip's file to the disk and return its size; `path` appears whole or not at all."""

        async def save(answer: httpx.Response) -> int:
            with partial_file(Path(path)) as file:
                async for piece in answer.aiter_bytes():
                    file.write(piece)
                return file.tell()

        return await self._send(calls.audio(clip_id), save)

    async def describe_aloud(
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

        async def listen(answer: httpx.Response) -> Description:
            listener = Listener(answer, heard)
            async for piece in answer.aiter_bytes():
                listener.take(piece)
            return listener.result()

        call = calls.describe(sound, candidates=candidates, embedding=embedding, peaks=peaks)
        return await self._send(replace(call, headers=EVENTS), listen)

    async def wait_until_ready(self, seconds: float = 60.0) -> Ready:
        """Wait until the service can search; raises, after that many seconds, what it said last."""
        until = time.monotonic() + seconds
        while True:
            try:
                return await self.ready()
            except ClientError:
                if time.monotonic() >= until:
                    raise
            await asyncio.sleep(0.1)

    async def add_all(
        self,
        sounds: Iterable[Sound],
        metadata: Metadata | Sequence[Metadata | None] | None = None,
        *,
        progress: Callable[[Progress], None] | None = None,
        parallel: int = 4,
    ) -> AsyncIterator[Added]:
        """Add recordings, any number, as `Client.add_all` does."""
        limits = (await self.info()).limits
        waiting = bulk.items(sounds, metadata, limits)
        tally = bulk.Tally(waiting)
        sent: deque[asyncio.Task[tuple[Added, ...]]] = deque()
        rest = bulk.batches(waiting, limits)
        try:
            while True:
                while len(sent) < parallel and (batch := next(rest, None)):
                    sent.append(asyncio.create_task(self._add_batch(batch)))
                if not sent:
                    return
                for added in await sent[0]:
                    counted = tally.count(added)
                    if progress is not None:
                        progress(counted)
                    yield added
                sent.popleft()
        finally:
            for task in sent:
                task.cancel()
            await asyncio.gather(*sent, return_exceptions=True)

    async def _add_batch(self, batch: Sequence[bulk.Item]) -> tuple[Added, ...]:
        if unsent := bulk.unsent(batch):
            return unsent
        try:
            return (await self.send(bulk.call(batch))).results
        except ProblemError as error:
            return bulk.outcome(error)
        except OSError as error:  # a file went away since
            if len(batch) > 1:
                return tuple([added for item in batch for added in await self._add_batch([item])])
            return (bulk.failed(batch[0], bulk.unreadable(batch[0].sound, error)),)

    async def _send(self, call: Call[Any], take: Callable[[httpx.Response], Awaitable[T]]) -> T:
        tries = Tries(self._retries, call.repeat)
        with request_of(call, self._headers, self._sounds_timeout) as request:
            while True:
                try:
                    async with self._http.stream(call.method, self.address + call.path, **request) as answer:
                        if answer.is_success:
                            return await take(answer)
                        await answer.aread()
                        pause = tries.refused(answer)
                except httpx.RequestError as error:
                    pause = tries.lost(error, self.address)
                await asyncio.sleep(pause)


def _read_all(call: Call[T]) -> Callable[[httpx.Response], Awaitable[T]]:
    async def take(answer: httpx.Response) -> T:
        await answer.aread()
        return call.read(answer)

    return take
