"""The web page: the files of `service/web`, as they lie there, without a build step and without other hosts.

Every file has a route of its own, so what is served is what was there at the start, and no path leads elsewhere. What
follows `?` is the page's own business: the search that it shows. The page may load only from this service: no inline
script or style, no frame, no form that leads away. Files are read and packed once; a browser asks whether it has the
newest of each, and is answered 304 mostly.
"""

import gzip
import hashlib
import mimetypes
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from service.access.needs import OPEN, needs

WEB: Final = Path(__file__).parent.parent / "web"
HEADERS: Final[Mapping[str, str]] = {
    # Asked for each time: a new version of the service shows at once.
    "Cache-Control": "no-cache",
    "Vary": "Accept-Encoding",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "media-src 'self' blob:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Permissions-Policy": "microphone=(self)",
}


def _route(path: Path) -> Callable[[Request], Awaitable[Response]]:
    content = path.read_bytes()
    packed = gzip.compress(content, mtime=0)
    tag = hashlib.blake2b(content, digest_size=12).hexdigest()
    media_type = mimetypes.guess_type(path.name)[0]

    async def file(request: Request) -> Response:
        small = "gzip" in request.headers.get("Accept-Encoding", "")
        etag = f'"{tag}-gzip"' if small else f'"{tag}"'
        headers = {**HEADERS, "ETag": etag}
        if etag in request.headers.get("If-None-Match", ""):
            return Response(status_code=304, headers=headers)
        if small:
            headers["Content-Encoding"] = "gzip"
        return Response(packed if small else content, media_type=media_type, headers=headers)

    return file


routes = APIRouter(include_in_schema=False)
for path in sorted(path for path in WEB.rglob("*") if path.is_file()):
    name = path.relative_to(WEB).as_posix()
    address = "/" if name == "index.html" else f"/{name}"
    routes.add_api_route(address, _route(path), response_class=Response, openapi_extra=needs(OPEN))
