"""Facets over HTTP."""

import json
from typing import Any

import httpx
import pytest

from tests.service.conftest import VOICES, problem_of

FACETS = "/v1/facets"


def by_field(response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    return {facet["field"]: facet for facet in response.json()["facets"]}


def test_every_count_is_what_its_filter_keeps(client: httpx.Client) -> None:
    answer = client.get(FACETS)
    found = by_field(answer)
    assert list(found) == ["duration", "valence", "arousal", "speaker", "take"]
    assert answer.json()["total"] == len(VOICES)
    assert found["speaker"]["values"] == [{"value": "00", "clips": 3}, {"value": "01", "clips": 3}]
    assert (found["take"]["clips"], found["take"]["distinct"]) == (len(VOICES), len(VOICES))
    for field in ("duration", "arousal"):
        assert found[field]["distinct"] is None
        assert sum(item["clips"] for item in found[field]["ranges"]) == len(VOICES)
        for item in found[field]["ranges"]:
            bounds = {"gte": item["low"], "lt": item["high"]}
            kept = {field: {operator: bound for operator, bound in bounds.items() if bound is not None}}
            assert client.get("/v1/clips", params={"filter": json.dumps(kept)}).json()["total"] == item["clips"]


def test_fields_filter_and_limit_are_parameters(client: httpx.Client) -> None:
    fields = ["take", "speaker", "nobody"]
    answer = client.get(FACETS, params={"field": fields, "filter": json.dumps({"take": {"gte": 2}}), "limit": 2})
    found = by_field(answer)
    assert list(found) == ["take", "speaker", "nobody"]
    assert answer.json()["total"] == found["take"]["distinct"] == 4
    assert found["take"]["values"] == [{"value": 2, "clips": 1}, {"value": 3, "clips": 1}]
    assert (found["nobody"]["clips"], found["nobody"]["values"]) == (0, [])


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"limit": "0"}, "request-invalid"),
        ({"fields": "speaker"}, "request-invalid"),
        ({"field": [f"k{n}" for n in range(65)]}, "request-invalid"),
        ({"filter": "speaker"}, "filter-invalid"),
        ({"field": "metadata."}, "filter-invalid"),
        ({"field": "name"}, "query-invalid"),
    ],
)
def test_what_cannot_be_counted_is_named(client: httpx.Client, parameters: dict[str, Any], code: str) -> None:
    problem_of(client.get(FACETS, params=parameters), 422, code)
