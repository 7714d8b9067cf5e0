"""What a call can raise.

    ClientError
      ProblemError       the service refused, and says why: `code`, `detail`, `errors`
      Unreachable        there was no answer: wrong address, nothing runs there, the connection broke, it took too long
      AnswerUnreadable   there was an answer, but not one of EmotionRank's

No message holds the API key.
"""

# The names follow the service's own ("Overloaded"); the suffix would add nothing.
# ruff: noqa: N818

from collections.abc import Mapping
from typing import Final

import httpx
from pydantic import TypeAdapter, ValidationError

from service.client.results import Fault, Problem

MEDIA_TYPE: Final = "application/problem+json"
_PROBLEM: Final[TypeAdapter[Problem]] = TypeAdapter(Problem)


class ClientError(Exception):
    """The root of what a call can raise."""


class Unreachable(ClientError):
    """The service gave no answer. A request that was already sent may have been worked on all the same."""


class AnswerUnreadable(ClientError):
    """Something answered, but not as EmotionRank does: the address may be that of something else."""


class ProblemError(ClientError):
    """The service refused. `problem` is its whole answer, `results` what became of each file where it says so."""

    def __init__(self, problem: Problem, headers: Mapping[str, str], body: bytes = b"") -> None:
        super().__init__(f"{problem.detail} ({problem.code}, {problem.status})")
        self.problem = problem
        self.retry_after = headers.get("retry-after")
        self.request_id = headers.get("x-request-id")
        self.body = body

    @property
    def code(self) -> str:
        """The kind of problem, such as `clip-not-found`: the name to program against."""
        return self.problem.code

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.problem.status

    @property
    def detail(self) -> str:
        """What happened and what to do, for people."""
        return self.problem.detail

    @property
    def errors(self) -> tuple[Fault, ...]:
        """Every fault of a request that does not fit its schema; empty for other problems."""
        return self.problem.errors or ()


def refusal(answer: httpx.Response) -> ProblemError:
    """Make the error of an answer that is no success, also of one that a proxy wrote."""
    if answer.headers.get("content-type", "").startswith(MEDIA_TYPE):
        try:
            return ProblemError(_PROBLEM.validate_json(answer.content), answer.headers, answer.content)
        except ValidationError:
            pass  # told below as what it is: not a problem of EmotionRank's
    title = answer.reason_phrase or "No success"
    where = answer.headers.get("location")
    detail = f"{answer.url} answered {answer.status_code} {title}" + (f", to {where}" if where else "")
    detail += ", but not as EmotionRank does. Is the address right, and does a proxy stand before it?"
    problem = Problem(f"urn:emotionrank:problem:http-{answer.status_code}", title, answer.status_code, detail)
    return ProblemError(problem, answer.headers, answer.content)
