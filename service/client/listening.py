"""A description that is told as it is heard: the server-sent events of `/v1/describe`, read piece by piece."""

from collections.abc import Callable
from typing import Final

import httpx
from pydantic import TypeAdapter, ValidationError

from service.client.errors import AnswerUnreadable, ProblemError
from service.client.results import Description, HeardSegment, Problem

EVENTS: Final = {"Accept": "text/event-stream"}

_SEGMENT: Final = TypeAdapter(HeardSegment)
_RESULT: Final = TypeAdapter(Description)
_PROBLEM: Final = TypeAdapter(Problem)


class Listener:
    """Takes the bytes of the events, and tells `heard` each segment."""

    def __init__(self, answer: httpx.Response, heard: Callable[[HeardSegment], None]) -> None:
        self._answer = answer
        self._heard = heard
        self._rest = b""
        self._name = ""
        self._found: Description | None = None

    def take(self, piece: bytes) -> None:
        """Take the next bytes; raises `ProblemError` for an event that tells of one, and `AnswerUnreadable`."""
        # Not by `splitlines`: a text may hold characters that are line ends elsewhere.
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            name, _, value = line.rstrip(b"\r").partition(b":")
            if name == b"event":
                self._name = value.strip().decode()
            elif name == b"data":
                self._event(value)

    def result(self) -> Description:
        """Return what came last; raises `AnswerUnreadable` when the events ended without it."""
        if self._found is None:
            raise AnswerUnreadable(f"{self._answer.url} ended its events without a result. Is the service all right?")
        return self._found

    def _event(self, data: bytes) -> None:
        try:
            match self._name:
                case "segment":
                    segment = _SEGMENT.validate_json(data)
                case "result":
                    self._found = _RESULT.validate_json(data)
                    return
                case "problem":
                    raise ProblemError(_PROBLEM.validate_json(data), self._answer.headers)
                case _:
                    return
        except ValidationError as error:
            raise AnswerUnreadable(f"{self._answer.url} sent an event that this client cannot read.") from error
        self._heard(segment)
