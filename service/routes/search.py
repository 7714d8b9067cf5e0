"""Search the library: by prompt, by weighted parts, by an uploaded recording."""

from typing import Annotated

from fastapi import Form, Request, Response

from index import filters, query
from service.access.needs import READ, needs
from service.problems import documented
from service.queries import (
    MAX_OFFSET,
    MAX_WEIGHT,
    SearchRequest,
    parts_of,
    read_parts,
    read_region,
    read_shift,
    region_of,
    shift_of,
)
from service.routes.context import (
    FOR_AUDIO,
    FOR_FORMS,
    FOR_JSON,
    FOR_LIBRARY,
    FormK,
    OneFile,
    TheEngine,
    filter_of,
    find,
    root_path,
    router,
)
from service.schemas import SearchResponse
from service.uploads import received

routes = router("search")


@routes.post(
    "/search",
    operation_id="search",
    summary="Search with words, clips or vectors",
    openapi_extra=needs(READ),
    response_model=SearchResponse,
    response_description="The hits, best first.",
    responses=documented(
        *FOR_JSON,
        "prompt-invalid",
        "query-invalid",
        "embedding-invalid",
        "filter-invalid",
        "clip-not-found",
        *FOR_LIBRARY,
    ),
)
async def search(request: Request, wanted: SearchRequest, engine: TheEngine) -> Response:
    """Find the clips that feel like the query.

    `query` is a prompt, or a list of parts whose unit vectors are summed with their weights: a `text`, a `clip` of
    the library ("more like this"), an `affect` (a point of the valence-arousal plane), an `embedding`. `shift` moves
    the sum in the plane by points of the scale: a clip with `{"arousal": -1}` is "like this, but calmer". A clip that
    is a part is left out of the hits. `filter` keeps clips, `region` the moments (segments) that lie in a part of the
    plane. Both apply inside the search, so they never cost hits, nor does `distinct`.
    """
    asked = query.Query(
        parts=parts_of(wanted.query),
        k=wanted.k,
        offset=wanted.offset,
        min_score=wanted.min_score,
        filter=None if wanted.filter is None else filters.parse(wanted.filter),
        region=region_of(wanted.region),
        group_by_clip=wanted.group_by_clip,
        shift=shift_of(wanted.shift),
        distinct=wanted.distinct,
    )
    return await find(engine, asked, engine.quick, root_path(request))


@routes.post(
    "/search/audio",
    operation_id="search_audio",
    summary="Search with a recording",
    openapi_extra=needs(READ),
    response_model=SearchResponse,
    response_description="The hits, best first.",
    responses=documented(
        *FOR_FORMS,
        *FOR_AUDIO,
        "prompt-invalid",
        "query-invalid",
        "embedding-invalid",
        "filter-invalid",
        "clip-not-found",
        *FOR_LIBRARY,
    ),
)
async def search_audio(
    request: Request,
    engine: TheEngine,
    file: OneFile,
    k: FormK = 10,
    offset: Annotated[int, Form(ge=0, le=MAX_OFFSET, description="How many of the best hits to skip.")] = 0,
    filter: Annotated[str | None, Form(description="A filter as JSON text, as in POST /v1/search.")] = None,
    min_score: Annotated[
        float | None,
        Form(ge=-1, le=1, allow_inf_nan=False, description="Only hits with at least this score."),
    ] = None,
    group_by_clip: Annotated[bool, Form(description="One hit a clip; false gives every segment.")] = True,
    weight: Annotated[
        float,
        Form(ge=-MAX_WEIGHT, le=MAX_WEIGHT, allow_inf_nan=False, description="How much the recording counts."),
    ] = 1.0,
    parts: Annotated[
        str | None,
        Form(
            description="More parts of the query, as JSON text: a list as in POST /v1/search.",
            examples=['[{"text": "shouting", "weight": -0.5}]'],
        ),
    ] = None,
    shift: Annotated[
        str | None,
        Form(description="A shift as JSON text, as in POST /v1/search.", examples=['{"arousal": -1}']),
    ] = None,
    region: Annotated[
        str | None,
        Form(description="A region as JSON text, as in POST /v1/search.", examples=['{"arousal": [5, 7]}']),
    ] = None,
    distinct: Annotated[
        bool, Form(description="Leave out hits that are nearly the same sound as a better one.")
    ] = False,
) -> Response:
    """Find the clips that feel like an uploaded recording, which is one part of the query. It is not kept."""
    upload = received(file)
    with engine.decoders.sound(upload) as sound:
        recording = query.AudioPart(sound, upload.name, weight, engine.settings.max_duration)
        asked = query.Query(
            parts=[recording, *read_parts(parts)],
            k=k,
            offset=offset,
            min_score=min_score,
            filter=filter_of(filter),
            region=read_region(region, "body"),
            group_by_clip=group_by_clip,
            shift=read_shift(shift, "body"),
            distinct=distinct,
        )
        return await find(engine, asked, engine.audio, root_path(request))
