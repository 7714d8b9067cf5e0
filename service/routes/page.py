"""The web page: files that are served as they lie in `service/web`, without a build step and without other hosts.

Every file has a route of its own, so what is served is what was there at the start, and no path leads elsewhere. What
follows `?` is the page's own business: the search that it shows. The page may load only from this service: no inline
script or style, no frame, no form that leads away.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from service.access.needs import OPEN, needs

WEB: Final = Path(__file__).parent.parent / "web"
HEADERS: Final = {
    # Asked for each time, answered by 304 mostly: a new version of the service shows at once.
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "media-src 'self' blob:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Permissions-Policy": "microphone=(self)",
}

_files: Final = StaticFiles(directory=WEB)


def _route(name: str) -> Callable[[Request], Awaitable[Response]]:
    async def file(request: Request) -> Response:
        response = await _files.get_response(name, request.scope)
        response.headers.update(HEADERS)
        return response

    return file


routes = APIRouter(include_in_schema=False)
for path in sorted(path for path in WEB.rglob("*") if path.is_file()):
    name = path.relative_to(WEB).as_posix()
    address = "/" if name == "index.html" else f"/{name}"
    routes.add_api_route(address, _route(name), response_class=Response, openapi_extra=needs(OPEN))
