"""A description as server-sent events, for recordings that take long: what is heard, as it is heard, then the result.

    event: recording  {"duration": 1800.0}      what its header says, or null; before the first segment
    event: segment    {"start": 2.0, "end": 6.0, "affect": {...}}      in the order in which they are encoded
    event: result     what the plain answer would have been
    event: problem    instead of the result, the problem that came up on the way

What goes wrong before the first segment (no room, a file that is no audio) is answered plainly, with its own status.
A caller that hangs up ends the work at the next segment. While nothing happens a comment is sent every KEEP_ALIVE
seconds, so that no proxy takes the connection for dead.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any, Final, Protocol

from fastapi.responses import StreamingResponse
from fastapi.sse import format_sse_event
from pydantic import BaseModel, Field

from encoders.encoder import EncodedSegment
from encoders.errors import EmotionRankError
from service import problems
from service.descriptions import DescribeResponse
from service.inference.lanes import Lane
from service.schemas import AffectOut

MEDIA_TYPE: Final = "text/event-stream"
KEEP_ALIVE: Final = 15.0

_LAST: Final = frozenset({"result", "problem"})


class Listener(Protocol):
    """Whom to tell of a recording on the way, in the thread that describes it."""

    def declared(self, seconds: float) -> None:
        """Hear how long the header says that the recording is."""

    def segment(self, segment: EncodedSegment) -> None:
        """Hear of a segment; what this raises ends the description."""


Describe = Callable[[Listener], DescribeResponse]
_Event = tuple[str, BaseModel]


class RecordingOut(BaseModel):
    """The recording, before it has been heard."""

    duration: Annotated[float | None, Field(description="In seconds, as its header counts them; null where not.")]


class SegmentOut(BaseModel):
    """A segment of the recording that has just been encoded."""

    start: Annotated[float, Field(description="In seconds.")]
    end: float
    affect: AffectOut


def wanted(accept: str) -> bool:
    """Say whether a caller asks for events rather than for one answer."""
    return any(part.split(";")[0].strip().lower() == MEDIA_TYPE for part in accept.split(","))


async def answer(lane: Lane, describe: Describe, done: Callable[[], None], instance: str) -> StreamingResponse:
    """Do the work in the lane and answer with its events; raises what comes up before the first of them.

    `done` is called when the work has ended, however it did.
    """
    work = _Work(lane, describe, done)
    first = await work.first()
    # No proxy may hold events back to make larger pieces of them.
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(work.written(first, instance), media_type=MEDIA_TYPE, headers=headers)


def documented() -> dict[str, Any]:
    """Describe the answer for OpenAPI."""
    return {"content": {MEDIA_TYPE: {"schema": {"type": "string"}}}}


class _LeftError(Exception):
    """The caller has hung up."""


class _Work:
    """The description at work, and the events that nobody has taken yet."""

    def __init__(self, lane: Lane, describe: Describe, done: Callable[[], None]) -> None:
        self._left = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[_Event | Exception] = asyncio.Queue()
        self._duration: float | None = None
        self._begun = False
        self._task = asyncio.create_task(self._run(lane, describe, done))

    async def first(self) -> _Event:
        """Wait for the first event; raises the error that came in its place."""
        try:
            found = await self._events.get()
        except asyncio.CancelledError:
            self._left.set()
            raise
        if isinstance(found, Exception):
            raise found
        return found

    async def written(self, first: _Event, instance: str) -> AsyncIterator[bytes]:
        """Yield the events as they are written, from the first to the result or the problem."""
        event: _Event | Exception = first
        try:
            while True:
                name, data = _told(event, instance) if isinstance(event, Exception) else event
                yield format_sse_event(event=name, data_str=data.model_dump_json(exclude_none=name == "problem"))
                if name in _LAST:
                    return
                while True:
                    try:
                        event = await asyncio.wait_for(self._events.get(), KEEP_ALIVE)
                        break
                    except TimeoutError:
                        yield format_sse_event(comment="still at work")
        finally:
            self._left.set()

    async def _run(self, lane: Lane, describe: Describe, done: Callable[[], None]) -> None:
        try:
            self._events.put_nowait(("result", await lane.run(describe, self)))
        except Exception as error:  # whoever reads the events says which
            self._events.put_nowait(error)
        finally:
            done()

    def declared(self, seconds: float) -> None:
        """Keep what the header says, until the recording is known to be one."""
        self._duration = round(seconds, 4)

    def segment(self, segment: EncodedSegment) -> None:
        """Take a segment, in the lane's thread."""
        if self._left.is_set():
            raise _LeftError
        if not self._begun:
            self._begun = True
            self._tell("recording", RecordingOut(duration=self._duration))
        found = SegmentOut(
            start=round(segment.start, 4), end=round(segment.end, 4), affect=AffectOut.of(segment.affect)
        )
        self._tell("segment", found)

    def _tell(self, name: str, data: BaseModel) -> None:
        self._loop.call_soon_threadsafe(self._events.put_nowait, (name, data))


def _told(error: Exception, instance: str) -> _Event:
    """Return the event that tells of an error."""
    if isinstance(error, EmotionRankError):
        return "problem", problems.from_error(error, instance=instance)
    problems.log.error("unexpected error while describing", exc_info=error)
    return "problem", problems.internal(instance=instance)
