"""Problems: one shape, stable types, nothing that belongs inside."""

import asyncio
import importlib
from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI
from starlette.responses import PlainTextResponse

from encoders.errors import EmotionRankError
from service import problems
from service.edge import Edge
from service.errors import Overloaded

# Roots of the tree, and errors that stop a service from starting or belong to a batch build: no request meets them.
NOT_OVER_HTTP = {
    "error",
    "input-invalid",
    "audio-error",
    "audio-not-found",
    "bundle-error",
    "bundle-not-found",
    "bundle-invalid",
    "library-error",
    "library-not-found",
    "library-invalid",
    "library-newer",
    "library-mismatch",
    "source-invalid",
    "output-error",
    "service-error",
    "settings-invalid",
    "access-refused",
}


def tree(root: type[EmotionRankError]) -> Iterator[type[EmotionRankError]]:
    yield root
    for child in root.__subclasses__():
        yield from tree(child)


def test_every_error_has_its_problem_or_is_known_to_need_none() -> None:
    modules = {importlib.import_module(f"{room}.errors").__name__ for room in ("encoders", "index", "service")}
    ours = [error for error in tree(EmotionRankError) if error.__module__ in modules]
    codes = {error.code for error in ours}
    assert codes <= set(problems.KINDS) | NOT_OVER_HTTP, codes - set(problems.KINDS) - NOT_OVER_HTTP
    assert not set(problems.KINDS) & NOT_OVER_HTTP
    assert len(codes) == len(ours), "two errors share a code"


def app_that_fails() -> FastAPI:
    app = FastAPI()
    problems.install(app)
    app.add_middleware(Edge)

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("the password is hunter2")

    @app.get("/library")
    async def library() -> None:
        from index.errors import LibraryBusy

        raise LibraryBusy("/srv/secret/library.db is locked")

    @app.get("/unknown")
    async def unknown() -> None:
        from index.errors import LibraryInvalid

        raise LibraryInvalid("/srv/secret/library.db is damaged")

    @app.get("/full")
    async def full() -> None:
        raise Overloaded("all seats are taken", 7)

    @app.get("/plain")
    async def plain() -> PlainTextResponse:
        return PlainTextResponse("nope", status_code=416, headers={"Content-Range": "bytes */5"})

    return app


def get(path: str) -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app_that_fails())
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.get(path)

    return asyncio.run(ask())


def test_an_unexpected_error_tells_nothing_of_itself_but_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    answer = get("/broken")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.json()["type"] == "urn:emotionrank:problem:internal-error"
    assert "hunter2" not in answer.text
    assert "hunter2" in caplog.text


@pytest.mark.parametrize(("path", "status"), [("/library", 503), ("/unknown", 500)])
def test_an_error_of_the_library_names_no_path(path: str, status: int, caplog: pytest.LogCaptureFixture) -> None:
    answer = get(path)
    assert answer.status_code == status
    assert "secret" not in answer.text
    assert "/srv/secret/library.db" in caplog.text


def test_an_overloaded_service_says_when_to_come_back() -> None:
    answer = get("/full")
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "7"
    assert answer.json()["type"] == "urn:emotionrank:problem:overloaded"
    assert get("/library").headers["retry-after"] == "1"


def test_an_error_that_the_framework_words_becomes_a_problem() -> None:
    answer = get("/plain")
    assert answer.status_code == 416
    assert answer.json()["type"] == "urn:emotionrank:problem:range-not-satisfiable"
    assert answer.headers["content-range"] == "bytes */5"
