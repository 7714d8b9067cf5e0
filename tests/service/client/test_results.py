"""The client knows every field of every answer, every route and every parameter of the OpenAPI document."""

import dataclasses
import inspect
import json
import typing
from typing import Any

import httpx
import pytest

from service import problems
from service.client import Client, results

ANSWERS: dict[type, str] = {
    results.Found: "SearchResponse",
    results.Page: "ClipsResponse",
    results.Facets: "FacetsResponse",
    results.Waveform: "WaveformResponse",
    results.AddedFiles: "AddResponse",
    results.Description: "DescribeResponse",
    results.TextEmbeddings: "EmbedTextResponse",
    results.AudioEmbeddings: "EmbedAudioResponse",
    results.Info: "InfoResponse",
    results.Health: "HealthResponse",
    results.Ready: "ReadyResponse",
    results.Problem: "Problem",
}
# Where a method is not called as its operation is.
METHODS = {
    "add_clips": "add",
    "list_clips": "clips",
    "get_clip": "clip",
    "delete_clip": "delete",
    "get_clip_audio": "audio",
    "similar_clips": "similar",
    "get_clip_waveform": "waveform",
    "healthz": "health",
    "readyz": "ready",
}
# Arguments that are not called as their parameters are.
ARGUMENTS = {"file": "sound", "files": "sounds", "field": "fields"}


@pytest.fixture(scope="module")
def document(client: httpx.Client) -> dict[str, Any]:
    """The OpenAPI document."""
    found: dict[str, Any] = client.get("/openapi.json").json()
    return found


def compare(kind: type, schema: dict[str, Any], document: dict[str, Any], seen: set[type]) -> None:
    schema = _resolved(schema, document)
    seen.add(kind)
    hints = typing.get_type_hints(kind)
    assert set(hints) == set(schema["properties"]), kind
    for name, hint in hints.items():
        of_field = [part for part in _parts(hint) if isinstance(part, type) and dataclasses.is_dataclass(part)]
        inner = _resolved(schema["properties"][name], document)
        inner = _resolved(inner.get("items", inner), document)
        # An object with fields of its own is a class of its own, and the other way round.
        assert bool(of_field) == ("properties" in inner), (kind, name)
        for part in of_field:
            compare(part, inner, document, seen)


def _parts(hint: Any) -> list[Any]:
    return [part for argument in typing.get_args(hint) for part in _parts(argument)] or [hint]


def _resolved(schema: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    for option in schema.get("anyOf", ()):
        if option != {"type": "null"} and ("$ref" in option or "items" in option):
            return _resolved(option, document)
    if "$ref" not in schema:
        return schema
    return _resolved(document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], document)


def test_every_answer_has_its_class_with_every_field(document: dict[str, Any]) -> None:
    seen: set[type] = set()
    for kind, name in ANSWERS.items():
        compare(kind, {"$ref": f"#/components/schemas/{name}"}, document, seen)
    classes = {kind for _, kind in inspect.getmembers(results, dataclasses.is_dataclass)}
    assert seen == classes - {results.HeardSegment}  # of events, which the document does not describe
    answers = {
        content["schema"]["$ref"].rpartition("/")[2]
        for item in document["paths"].values()
        for operation in item.values()
        for status, answer in operation["responses"].items()
        for content in answer.get("content", {}).values()
        if status.startswith("2") and "$ref" in content.get("schema", {})
    }
    assert answers == set(ANSWERS.values()) - {"Problem"} | {"ClipOut"}


def test_every_route_has_its_method_with_every_parameter(document: dict[str, Any]) -> None:
    checked = 0
    for path, item in document["paths"].items():
        for operation in item.values():
            if path.startswith("/metrics"):
                continue  # for scrapers and people
            name = METHODS.get(operation["operationId"], operation["operationId"])
            known = set(inspect.signature(getattr(Client, name)).parameters) - {"self"}
            given = {parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] != "header"}
            for content in operation.get("requestBody", {}).get("content", {}).values():
                given |= set(_resolved(content["schema"], document)["properties"])
            given = {ARGUMENTS.get(parameter, parameter) for parameter in given}
            if name == "add":
                known |= {"sounds"}  # add_all takes several
            if name == "audio":
                known -= {"first", "last"}  # a header
            assert given <= known, path
            assert known - given <= {"sound"}, path
            checked += 1
    assert checked >= 15


def test_a_problem_of_every_kind_is_read() -> None:
    for code in problems.KINDS:
        fault = problems.Fault(place="body", detail="wrong", rule="rule")
        made = problems.problem(code, "what happened", instance="/v1/clips", errors=[fault])
        read = results.Problem(**json.loads(made.model_dump_json()))
        assert (read.code, read.status, read.detail) == (code, made.status, "what happened")
