"""The map: every segment of the library as a point of the plane."""

from typing import Annotated, Any, Final

from fastapi import Header, Response

from service.access.needs import READ, needs
from service.problems import documented
from service.routes.context import FOR_LIBRARY, FilterQuery, TheEngine, filter_of, router

MEDIA_TYPE: Final = "application/octet-stream"

routes = router("map")

_BODY: Final[dict[str, Any]] = {"content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}}


@routes.get(
    "/map",
    operation_id="plane_map",
    summary="Every segment as a point of the plane",
    openapi_extra=needs(READ),
    response_class=Response,
    response_description="A head of 16 bytes, then points or a grid.",
    responses={
        200: _BODY,
        304: {"description": "The map is the one whose ETag was sent as If-None-Match."},
        **documented("request-invalid", "filter-invalid", *FOR_LIBRARY),
    },
)
async def plane_map(
    engine: TheEngine,
    filter: FilterQuery = None,
    if_none_match: Annotated[str | None, Header(description="The ETag of a map that the caller has.")] = None,
) -> Response:
    """Return where the segments of the clips that a filter keeps lie, as compact bytes for drawing.

    Little-endian. The head: the text `ERmp`, then as uint8 the version 1 and the kind (0 points, 1 grid), as uint16
    the cells of a grid's side, as uint32 the number of segments and that of clips. A point is two uint16, valence and
    arousal, from 0 (1 on the scale) to 65535 (7). With more than 200,000 segments there is a grid of uint32 counts
    instead, by ascending arousal and, within it, valence. The ETag changes when the map does.
    """
    found = await engine.mapping.run(engine.maps.of, filter_of(filter))
    headers = {"ETag": found.etag, "Cache-Control": "private, no-cache"}
    if if_none_match is not None and _knows(if_none_match, found.etag):
        return Response(status_code=304, headers=headers)
    return Response(found.body, media_type=MEDIA_TYPE, headers=headers)


def _knows(header: str, etag: str) -> bool:
    tags = [tag.strip().removeprefix("W/") for tag in header.split(",")]
    return etag in tags or "*" in tags
