"""Facets: what a library holds, counted by field."""

from typing import Annotated, Final

from fastapi import Query

from index import hints
from service.access.needs import READ, needs
from service.problems import documented
from service.routes.context import FOR_LIBRARY, FilterQuery, TheEngine, filter_of, router
from service.schemas import FacetOut, FacetsResponse

MAX_FIELDS: Final = 64
MAX_VALUES: Final = 1000

routes = router("facets")


@routes.get(
    "/facets",
    operation_id="facets",
    summary="Count the clips by field",
    openapi_extra=needs(READ),
    response_description="A facet for each field.",
    responses=documented("request-invalid", "filter-invalid", "query-invalid", *FOR_LIBRARY),
)
async def facets(
    engine: TheEngine,
    field: Annotated[
        list[str] | None,
        Query(
            max_length=MAX_FIELDS,
            description="A field as a filter names it: a metadata field, `duration`, `valence` or `arousal`. Repeat it "
            "for more. Without: these three, and the metadata fields that most clips have.",
            examples=[["speaker"]],
        ),
    ] = None,
    filter: FilterQuery = None,
    limit: Annotated[int, Query(ge=1, le=MAX_VALUES, description="How many values of a field at most.")] = 20,
) -> FacetsResponse:
    """Count the clips that a filter keeps by the values of each field, and by ranges of the clip's own numbers.

    For a page that offers filters: each count is what adding `{field: value}` to the filter would keep.
    """
    kept = filter_of(filter)

    def count() -> FacetsResponse:
        return FacetsResponse(
            facets=[FacetOut.of(facet) for facet in engine.store.facets(field, filter=kept, limit=limit)],
            total=engine.store.count(kept).clips,
            hints=hints.of_filter(engine.store, kept),
        )

    return await engine.quick.run(count)
