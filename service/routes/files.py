"""Routes that take many files: work on each, tell of each; one bad file does not fail the others."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from fastapi import Request, UploadFile
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from encoders.errors import EmotionRankError
from service import problems
from service.engine import Engine
from service.errors import TooManyFiles
from service.problems import Problem
from service.uploads import Upload, received

T = TypeVar("T")


def uploads_of(files: Sequence[UploadFile], engine: Engine) -> list[Upload]:
    """Take the files of a form; raises `TooManyFiles`."""
    most = engine.settings.max_files
    if len(files) > most:
        raise TooManyFiles(f"{len(files)} files in one request; at most {most} are taken. Send them in parts.")
    return [received(file) for file in files]


async def work_on_each(
    uploads: Sequence[Upload], engine: Engine, work: Callable[[int, Upload], T]
) -> list[T | Problem]:
    """Call `work(position, upload)` on the audio lane for one upload after the other.

    Returns what it returned or, where it failed, the problem. Raises `Overloaded` before any work is done.
    """
    outcomes: list[T | Problem] = []
    async with engine.audio.seat() as run:
        for position, upload in enumerate(uploads):
            try:
                outcomes.append(await run(work, position, upload))
            except EmotionRankError as error:
                outcomes.append(problems.from_error(error))
            except Exception:
                problems.log.exception("unexpected error with an uploaded file")
                outcomes.append(problems.internal())
    return outcomes


def all_failed(request: Request, outcomes: Sequence[Problem], results: Sequence[BaseModel]) -> JSONResponse:
    """Answer a request none of whose files could be used: the first file's problem, with every result."""
    first = outcomes[0]
    detail = first.detail
    if len(outcomes) > 1:
        detail = f"None of the {len(outcomes)} files could be used. The first: {first.detail}"
    found = first.model_copy(update={"instance": request.url.path, "detail": detail})
    dumped: list[dict[str, Any]] = [result.model_dump(mode="json", exclude_none=True) for result in results]
    return problems.respond(found, extra={"results": dumped})
