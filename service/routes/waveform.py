"""A clip's waveform, for pages that draw it."""

from typing import Annotated, Final

from fastapi import Query, Request, Response

from service.access.needs import READ, needs
from service.engine import Engine
from service.peaks import MAX_COLUMNS
from service.problems import documented
from service.routes.clips import Audio, ClipId, locate
from service.routes.context import FOR_AUDIO, FOR_LIBRARY, TheEngine, router
from service.schemas import WaveformResponse
from service.waveforms import Waveform

# A clip's content never changes, and neither does its waveform; but it may be private.
_CACHED: Final = "private, max-age=31536000, immutable"

routes = router("clips")


@routes.get(
    "/clips/{clip_id}/waveform",
    operation_id="get_clip_waveform",
    summary="Draw a clip",
    openapi_extra=needs(READ),
    response_model=WaveformResponse,
    response_description="How loud the clip is, from its beginning to its end.",
    responses={
        304: {"description": "The caller has it already (If-None-Match)."},
        **documented("request-invalid", "clip-not-found", "audio-missing", "storage-full", *FOR_AUDIO, *FOR_LIBRARY),
    },
)
async def get_clip_waveform(
    request: Request,
    response: Response,
    engine: TheEngine,
    clip_id: ClipId,
    points: Annotated[int, Query(ge=1, le=MAX_COLUMNS, description="Into how many equal parts to cut it.")] = 400,
) -> WaveformResponse | Response:
    """Tell how loud each part of a clip is: the loudest sample of it, 1 being full scale.

    It is decoded behind uploads and descriptions, so a busy service may say 429; it remembers what it has drawn.
    """
    audio, waveform = await engine.quick.run(_look, engine, clip_id, points)
    headers = {"ETag": f'"{audio.clip.sha256}-{points}"', "Cache-Control": _CACHED}
    if headers["ETag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if waveform is None:
        waveform = await engine.audio.run(engine.waveforms.make, audio.clip, audio.path, points)
    response.headers.update(headers)
    return WaveformResponse.of(waveform)


def _look(engine: Engine, clip_id: str, points: int) -> tuple[Audio, Waveform | None]:
    return locate(engine, clip_id), engine.waveforms.known(clip_id, points)
