"""The library's clips: add, list, look at, listen to, find similar ones, delete."""

import os
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Annotated, NamedTuple

from fastapi import Form, Path, Query, Request, Response
from fastapi.responses import FileResponse, JSONResponse

from index import hints, query
from index.errors import MetadataError
from index.records import Clip, JsonScalar, check_metadata
from service import adding, examples, strictjson
from service.access.needs import READ, WRITE, needs
from service.engine import Engine
from service.errors import AudioMissing
from service.mediatypes import UNKNOWN, Container
from service.problems import Problem, documented
from service.queries import read_region, read_shift
from service.routes.context import (
    FOR_AUDIO,
    FOR_FORMS,
    FOR_LIBRARY,
    FOR_WRITING,
    DistinctQuery,
    FilterQuery,
    K,
    ManyFiles,
    MinScoreQuery,
    Offset,
    RegionQuery,
    ShiftQuery,
    TheEngine,
    filter_of,
    find,
    root_path,
    router,
)
from service.routes.files import all_failed, uploads_of, work_on_each
from service.schemas import (
    AddResponse,
    AddResult,
    ClipOut,
    ClipsResponse,
    SearchResponse,
)
from service.uploads import Upload, container_of

routes = router("clips")

ClipId = Annotated[str, Path(min_length=1, max_length=64, description="The clip's id.", examples=[examples.ID])]


@routes.post(
    "/clips",
    operation_id="add_clips",
    summary="Add recordings",
    openapi_extra=needs(WRITE),
    status_code=201,
    response_model=AddResponse,
    response_description="Every file was added.",
    responses={
        200: {"model": AddResponse, "description": "Not every file was added: some were there, or failed."},
        **documented(
            *FOR_FORMS,
            *FOR_AUDIO,
            "too-many-files",
            "metadata-invalid",
            "clip-conflict",
            "uploads-unavailable",
            *FOR_WRITING,
        ),
    },
)
async def add_clips(
    request: Request,
    response: Response,
    engine: TheEngine,
    files: ManyFiles,
    metadata: Annotated[
        str | None,
        Form(
            description="JSON text: one flat object for all files, or a list with an object (or null) for each.",
            examples=['{"speaker": "03", "take": 2}'],
        ),
    ] = None,
) -> AddResponse | JSONResponse:
    """Add recordings to the library and keep their audio.

    Each file has its own status: `added`; `exists`, when the library has that content already (its metadata is
    then replaced, if any is given); `failed`, with the problem. One file does not affect another. When none
    could be used, the answer is the first one's problem, with all `results` as an extension member.
    """
    uploads = uploads_of(files, engine)
    described = _metadata(metadata, len(uploads))

    def add(position: int, upload: Upload) -> adding.Added:
        return adding.add(
            upload,
            described[position],
            encoder=engine.encoder,
            store=engine.store,
            decoders=engine.decoders,
            folder=engine.audio_folder,
            max_duration=engine.settings.max_duration,
        )

    outcomes = await work_on_each(uploads, engine, add)
    root = root_path(request)
    results = [
        AddResult(name=upload.name, status="failed", problem=outcome)
        if isinstance(outcome, Problem)
        else AddResult(name=upload.name, status=outcome.status, clip=ClipOut.of(outcome.clip, root))
        for upload, outcome in zip(uploads, outcomes, strict=True)
    ]
    failures = [outcome for outcome in outcomes if isinstance(outcome, Problem)]
    if len(failures) == len(results):
        return all_failed(request, failures, results)
    if any(result.status != "added" for result in results):
        response.status_code = 200
    return AddResponse(results=results)


@routes.get(
    "/clips",
    operation_id="list_clips",
    summary="List the clips",
    openapi_extra=needs(READ),
    response_description="One page of clips.",
    responses=documented("request-invalid", "filter-invalid", *FOR_LIBRARY),
)
async def list_clips(
    request: Request,
    engine: TheEngine,
    offset: Offset = 0,
    limit: Annotated[int, Query(ge=1, le=1000, description="How many clips at most.")] = 100,
    filter: FilterQuery = None,
) -> ClipsResponse:
    """List the library's clips in the order in which they were added, a page at a time."""
    kept = filter_of(filter)

    def page() -> ClipsResponse:
        return ClipsResponse(
            clips=[ClipOut.of(clip, root) for clip in engine.store.clips(offset=offset, limit=limit, filter=kept)],
            total=engine.store.count(kept).clips,
            offset=offset,
            limit=limit,
            hints=hints.of_filter(engine.store, kept),
        )

    root = root_path(request)
    return await engine.quick.run(page)


@routes.get(
    "/clips/{clip_id}",
    operation_id="get_clip",
    summary="Look at a clip",
    openapi_extra=needs(READ),
    response_description="The clip.",
    responses=documented("request-invalid", "clip-not-found", *FOR_LIBRARY),
)
async def get_clip(request: Request, engine: TheEngine, clip_id: ClipId) -> ClipOut:
    """Return what the library knows of one clip."""
    return ClipOut.of(await engine.quick.run(engine.store.get, clip_id), root_path(request))


@routes.delete(
    "/clips/{clip_id}",
    operation_id="delete_clip",
    summary="Delete a clip",
    openapi_extra=needs(WRITE),
    status_code=204,
    response_description="It is gone.",
    responses=documented("request-invalid", "clip-not-found", *FOR_WRITING),
)
async def delete_clip(engine: TheEngine, clip_id: ClipId) -> None:
    """Delete a clip from the library, and its audio if it was uploaded. Files of the user's own stay."""
    await engine.quick.run(adding.delete, clip_id, engine.store, engine.audio_folder)


@routes.get(
    "/clips/{clip_id}/audio",
    operation_id="get_clip_audio",
    summary="Listen to a clip",
    openapi_extra=needs(READ),
    response_class=FileResponse,
    response_description="The file as it was added.",
    responses={
        200: {"content": {"audio/*": {"schema": {"type": "string", "format": "binary"}}}},
        206: {
            "description": "The part of the file that the Range header asks for.",
            "content": {"audio/*": {"schema": {"type": "string", "format": "binary"}}},
        },
        **documented(
            "request-invalid",
            "bad-request",
            "clip-not-found",
            "audio-missing",
            "range-not-satisfiable",
            *FOR_LIBRARY,
        ),
    },
)
async def get_clip_audio(engine: TheEngine, clip_id: ClipId) -> FileResponse:
    """Stream the clip's audio, with range requests, so that players can seek."""
    audio = await engine.quick.run(locate, engine, clip_id)
    return FileResponse(
        audio.path,
        media_type=audio.container.media_type,
        filename=audio.clip.name,
        stat_result=audio.status,
        # What cannot be named as audio is offered as a download, never shown.
        content_disposition_type="attachment" if audio.container == UNKNOWN else "inline",
    )


@routes.get(
    "/clips/{clip_id}/similar",
    operation_id="similar_clips",
    summary="Find clips that feel alike",
    openapi_extra=needs(READ),
    response_model=SearchResponse,
    response_description="The hits, best first.",
    responses=documented("request-invalid", "clip-not-found", "filter-invalid", "query-invalid", *FOR_LIBRARY),
)
async def similar_clips(
    request: Request,
    engine: TheEngine,
    clip_id: ClipId,
    k: K = 10,
    offset: Offset = 0,
    filter: FilterQuery = None,
    region: RegionQuery = None,
    min_score: MinScoreQuery = None,
    shift: ShiftQuery = None,
    distinct: DistinctQuery = False,
) -> Response:
    """Search with a clip of the library, moved in the plane if wanted; the clip itself is left out."""
    asked = query.Query(
        parts=[query.ClipPart(clip_id)],
        k=k,
        offset=offset,
        min_score=min_score,
        filter=filter_of(filter),
        region=read_region(region, "query"),
        shift=read_shift(shift, "query"),
        distinct=distinct,
    )
    return await find(engine, asked, engine.quick, root_path(request))


class Audio(NamedTuple):
    """A clip, and its file as it lies on the disk now."""

    clip: Clip
    path: FilePath
    container: Container
    status: os.stat_result


def locate(engine: Engine, clip_id: str) -> Audio:
    """Find a clip's file; raises `ClipNotFound` and `AudioMissing`."""
    clip = engine.store.get(clip_id)
    path = FilePath(clip.path)
    if not path.is_file() or not os.access(path, os.R_OK):
        raise AudioMissing(
            f"the audio of clip {clip_id} ({clip.name}) is no longer where it was when the clip was added. "
            "Searching still works; to hear it, put the file back, or add it again."
        )
    return Audio(clip, path, container_of(path), path.stat())


def _metadata(text: str | None, files: int) -> list[Mapping[str, JsonScalar] | None]:
    """Read the `metadata` field: one object for all files or one each. Raises `MetadataError`."""
    if text is None:
        return [None] * files
    try:
        value = strictjson.parse(text)
    except ValueError as error:
        raise MetadataError(f'metadata is not JSON that can be read: {error}. Example: {{"speaker": "03"}}') from error
    if not isinstance(value, list):
        value = [value] * files
    if len(value) != files:
        raise MetadataError(f"metadata is a list of {len(value)}, but {files} files were sent; give one for each.")
    checked: list[Mapping[str, JsonScalar] | None] = []
    for item in value:
        if item is not None and not isinstance(item, dict):
            raise MetadataError('metadata must be an object such as {"speaker": "03"}, or a list of such objects.')
        checked.append(None if item is None else check_metadata(item))
    return checked
