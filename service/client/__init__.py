"""The Python client of the service, for asyncio and without it.

It loads no part of the service, and needs httpx only.

    from service.client import Client, ProblemError

    with Client("http://127.0.0.1:8000", key=KEY) as library:
        for added in library.add_all(paths, {"speaker": "03"}, progress=print): ...
        found = library.search("calm but a little sad", k=5, filter={"speaker": "03"})

Results are frozen dataclasses (`service.client.results`). Calls are tried again where that is safe
(`service.client.retries`); uploads are streamed from the disk.
"""

try:
    import httpx as _httpx  # noqa: F401
except ImportError as error:
    raise ImportError("the client needs httpx: pip install 'emotionrank[client]'") from error

from service.client.blocking import Client
from service.client.bulk import Progress
from service.client.errors import AnswerUnreadable, ClientError, ProblemError, Unreachable
from service.client.nonblocking import AsyncClient
from service.client.retries import Retries

__all__ = [
    "AnswerUnreadable",
    "AsyncClient",
    "Client",
    "ClientError",
    "ProblemError",
    "Progress",
    "Retries",
    "Unreachable",
]
