"""Search the library: by prompt, by weighted parts, by an uploaded recording."""

from typing import Annotated

from fastapi import Form, Request

from index import filters, query
from index.records import Hit
from service.engine import Engine
from service.problems import documented
from service.routes.context import (
    FOR_AUDIO,
    FOR_FORMS,
    FOR_JSON,
    FOR_LIBRARY,
    FormK,
    OneFile,
    TheEngine,
    filter_of,
    root_path,
    router,
)
from service.schemas import (
    MAX_OFFSET,
    ClipPart,
    EmbeddingPart,
    SearchRequest,
    SearchResponse,
    TextPart,
)
from service.uploads import Upload, received

routes = router("search")


@routes.post(
    "/search",
    operation_id="search",
    summary="Search with words, clips or vectors",
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
async def search(request: Request, wanted: SearchRequest, engine: TheEngine) -> SearchResponse:
    """Find the clips that feel like the query.

    `query` is a prompt, or a list of parts whose unit vectors are summed with their weights: a `text`, a `clip` of
    the library ("more like this"), an `embedding`. A clip that is a part is left out of the hits. Filters apply
    inside the search, so they never cost hits.
    """
    asked = query.Query(
        parts=_parts(wanted),
        k=wanted.k,
        offset=wanted.offset,
        min_score=wanted.min_score,
        filter=None if wanted.filter is None else filters.parse(wanted.filter),
        group_by_clip=wanted.group_by_clip,
    )
    hits = await engine.quick.run(query.search, engine.store, engine.encoder, asked)
    return SearchResponse.of(hits, wanted.k, wanted.offset, root_path(request))


@routes.post(
    "/search/audio",
    operation_id="search_audio",
    summary="Search with a recording",
    response_description="The hits, best first.",
    responses=documented(*FOR_FORMS, *FOR_AUDIO, "query-invalid", "filter-invalid", *FOR_LIBRARY),
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
) -> SearchResponse:
    """Find the clips that feel like an uploaded recording. The recording is not kept.

    To weigh a recording against other parts, embed it first (POST /v1/embed/audio) and search with the vector.
    """
    hits = await engine.audio.run(
        _search_like,
        received(file),
        engine,
        k=k,
        offset=offset,
        min_score=min_score,
        filter=filter_of(filter),
        group_by_clip=group_by_clip,
    )
    return SearchResponse.of(hits, k, offset, root_path(request))


def _search_like(
    upload: Upload,
    engine: Engine,
    *,
    k: int,
    offset: int,
    min_score: float | None,
    filter: filters.Filter | None,
    group_by_clip: bool,
) -> list[Hit]:
    asked = query.Query(
        parts=[query.AudioPart(upload.file, upload.name, max_duration=engine.settings.max_duration)],
        k=k,
        offset=offset,
        min_score=min_score,
        filter=filter,
        group_by_clip=group_by_clip,
    )
    return query.search(engine.store, engine.encoder, asked)


def _parts(wanted: SearchRequest) -> list[query.Part]:
    """Turn the query's parts into those of the index."""
    if isinstance(wanted.query, str):
        return [query.TextPart(wanted.query)]
    parts: list[query.Part] = []
    for part in wanted.query:
        match part:
            case TextPart():
                parts.append(query.TextPart(part.text, part.weight))
            case ClipPart():
                parts.append(query.ClipPart(part.clip, part.weight))
            case EmbeddingPart():
                parts.append(query.EmbeddingPart(part.embedding, part.weight))
    return parts
