"""Requests of every shape that the OpenAPI document allows or forbids: no server error, no answer that is not in it.

Schemathesis makes the requests from the document. As it knows no clip's id and no audio, two thirds of those that fit
the document get real ones, so that they reach what lies behind the checks. The seed is fixed.
"""

import json
import zlib
from collections import Counter
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlencode

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, assume, given, seed, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import CheckFunction, load_all_checks, not_a_server_error
from schemathesis.specs.openapi import checks
from schemathesis.specs.openapi.schemas import OpenApiSchema

AnyCase = Case[Any]

OPERATIONS: Final = [
    "search", "search_audio", "describe", "add_clips", "list_clips", "get_clip", "delete_clip", "get_clip_audio",
    "similar_clips", "get_clip_waveform", "facets", "plane_map", "embed_text", "embed_audio", "info",
    "healthz", "readyz",
    "metrics", "metrics_summary",
]  # fmt: skip
CHECKS: Final[list[CheckFunction]] = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
    checks.unsupported_method,
]
# A longer address is refused by the HTTP layer, before there is a request (docs/http.md).
MOST_ADDRESS: Final = 60_000
FILTERS: Final = [
    '{"take": {"gte": 0}}', '{"take": 1}', '{"or": [{"speaker": "00"}, {"arousal": {"gte": 3}}]}',
    '{"speaker": {"in": ["00", null, 1]}}', '{"not": {"duration": {"lt": 1}}}', "{", "[]", "7", '{"and": []}',
    '{"valence": {"gte": "x"}}', '{"name": {"exists": true}}', '{"added_at": {"gt": "2020-01-01"}}',
]  # fmt: skip
SHIFTS: Final = ['{"arousal": -1}', '{"valence": 99}', "null", '{"arousal": "1"}']
REGIONS: Final = [
    '{"arousal": [4, 7]}',
    '{"valence": [1, 4.5], "arousal": null}',
    '{"valence": [5, 2]}',
    "{}",
    "[1, 2]",
]
PARTS: Final = ['[{"text": "calm", "weight": -0.5}]', '[{"affect": {"valence": 1, "arousal": 7}}]', "[]", "[{}]"]
METADATA: Final = ['{"take": 1}', '[{"take": 1}, null]', "[]", '{"a": [1]}', '{"": "\\ud800"}', "null"]


@pytest.fixture(scope="module")
def sounds(speech: Callable[..., bytes]) -> list[bytes]:
    """Recordings, each twice, and what is none."""
    made = [speech(seed=number, seconds=0.5, container=name) for number, name in enumerate(("wav", "mp3", "ogg"))]
    return [*made, *made, made[0][: len(made[0]) // 2], made[1][1000:], b"", b"RIFF\x00\x00\x00\x00WAVEfmt "]


@pytest.fixture(scope="module")
def document(client: httpx.Client) -> OpenApiSchema:
    """The document of the service, as schemathesis reads it."""
    load_all_checks()
    return schemathesis.openapi.from_dict(client.get("/openapi.json").json())


@pytest.fixture
def stocked(own: httpx.Client, sounds: list[bytes]) -> httpx.Client:
    """A service of the test's own with a few clips, as requests add and delete."""
    files = [("files", (f"{number}.x", content)) for number, content in enumerate(sounds[:3])]
    own.post("/v1/clips", files=files, data={"metadata": '{"speaker": "00", "take": 1}'}).raise_for_status()
    return own


def fuzz(document: OpenApiSchema, operation: str, client: httpx.Client, sounds: list[bytes], most: int) -> Counter[int]:
    """Send `most` requests to an operation and check every answer; count the statuses."""
    statuses: Counter[int] = Counter()
    target = document.find_operation_by_id(operation)
    ids = [clip["id"] for clip in client.get("/v1/clips").json()["clips"]]
    assert ids
    cases = st.one_of(
        target.as_strategy(GenerationMode.POSITIVE),
        target.as_strategy(GenerationMode.POSITIVE),
        target.as_strategy(GenerationMode.NEGATIVE),
    )
    session = requests.Session()

    @seed(zlib.crc32(operation.encode()))
    @settings(
        max_examples=most,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases, data=st.data())
    def send(case: AnyCase, data: st.DataObject) -> None:
        positive = case.meta is not None and case.meta.generation.mode.is_positive
        if positive and data.draw(st.sampled_from((True, True, False))):
            dress(case, data, ids, sounds)
        query = urlencode(dict((case.query or {}).items()), doseq=True)
        assume(len(query) < MOST_ADDRESS)
        answer = case.call_and_validate(base_url=str(client.base_url), session=session, checks=CHECKS, timeout=60)
        statuses[answer.status_code] += 1
        if answer.status_code >= 400 and case.method != "HEAD":
            assert answer.headers["content-type"] == ["application/problem+json"]
            assert json.loads(answer.content)["status"] == answer.status_code

    with session:
        send()
    assert client.get("/healthz").status_code == 200
    return statuses


def dress(case: AnyCase, data: st.DataObject, ids: list[str], sounds: list[bytes]) -> None:
    """Put real ids, recordings and JSON texts where the document only says that there is a text or a file."""
    texts = {"filter": FILTERS, "shift": SHIFTS, "region": REGIONS, "parts": PARTS, "metadata": METADATA}
    if "clip_id" in case.path_parameters:
        case.path_parameters["clip_id"] = data.draw(st.sampled_from(ids))
    for holder in (case.query, case.body):
        if not isinstance(holder, dict):
            continue
        for name, options in texts.items():
            if isinstance(holder.get(name), str):
                holder[name] = data.draw(st.sampled_from(options))
    body: Any = case.body
    if isinstance(body, dict) and case.media_type == "multipart/form-data":
        if "file" in body:
            body["file"] = data.draw(st.sampled_from(sounds))
        if "files" in body:
            body["files"] = data.draw(st.lists(st.sampled_from(sounds), min_size=1, max_size=4))
    elif isinstance(body, dict) and isinstance(body.get("filter"), dict):
        body["filter"] = json.loads(data.draw(st.sampled_from(FILTERS[:5])))


def test_no_operation_is_left_out(document: OpenApiSchema) -> None:
    operations = [operation for item in document.raw_schema["paths"].values() for operation in item.values()]
    assert {operation["operationId"] for operation in operations} == set(OPERATIONS)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_few_requests_of_every_shape(
    document: OpenApiSchema, stocked: httpx.Client, sounds: list[bytes], operation: str
) -> None:
    assert fuzz(document, operation, stocked, sounds, 12).total() >= 1


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_many_requests_of_every_shape(
    document: OpenApiSchema, stocked: httpx.Client, sounds: list[bytes], operation: str
) -> None:
    statuses = fuzz(document, operation, stocked, sounds, 400)
    assert statuses.keys() & {200, 201, 204, 404}
