"""What every request passes: content types, sizes, well-formed bodies, known names, and errors as problems."""

import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service import strictjson
from service.intake import MAX_JSON_BYTES
from tests.service.conftest import problem_of

FORM = {"Content-Type": "multipart/form-data; boundary=X"}


def test_an_unknown_route_is_a_problem(client: httpx.Client) -> None:
    assert "/nowhere" in problem_of(client.get("/nowhere"), 404, "route-not-found")["detail"]
    problem_of(client.get("/v1/clips/a/b/c"), 404, "route-not-found")
    problem_of(client.post("/v2/search"), 404, "route-not-found")


def test_a_wrong_method_is_a_problem_that_names_the_right_ones(client: httpx.Client) -> None:
    answer = client.put("/v1/search", json={"query": "calm"})
    problem_of(answer, 405, "method-not-allowed")
    assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize("path", ["/healthz", "/", "/docs", "/openapi.json", "/v1/info"])
def test_head_is_answered_like_get_without_a_body(client: httpx.Client, path: str) -> None:
    answer = client.head(path)
    assert answer.status_code == 200
    assert answer.content == b""
    assert answer.headers["content-type"] == client.get(path).headers["content-type"]
    assert client.head("/nowhere").status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"query=calm",
        b'{"query": "calm", "k": NaN}',
        b'{"query": "calm", "min_score": Infinity}',
        b'{"query": "calm", "min_score": 1e999}',
        b'{"query": "calm", "filter": {"take": 99999999999999999999}}',
        b'{"query": "\\ud800"}',
        b'{"query": "\xff"}',
        b'{"query": "calm"} x',
        b"[" * 100_000,
        b"9" * 10_000,
        '{"query": "calm"}'.encode("utf-16"),
    ],
)
def test_malformed_json_is_a_problem(client: httpx.Client, body: bytes) -> None:
    answer = client.post("/v1/search", content=body, headers={"Content-Type": "application/json"})
    problem_of(answer, 400, "body-malformed")


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (FORM, b""),
        (FORM, b"--X"),
        (FORM, b"no boundary at all"),
        (FORM, b"--X\r\nContent-Disposition: form-data\r\n\r\nabc\r\n--X--\r\n"),
        (FORM, b'--X\r\nContent-Disposition: form-data; name="k"\r\n\r\n' + b"1" * 100_000 + b"\r\n--X--\r\n"),
        ({"Content-Type": "multipart/form-data"}, b"--X--"),
        ({"Content-Type": "multipart/form-data; boundary="}, b"----"),
        ({"Content-Type": "multipart/form-data; boundary=" + "X" * 5000}, b"--X--"),
        ({"Content-Type": "multipart/form-data; boundary=X; charset=nonsense"}, b"--Y\r\n\r\n"),
    ],
)
def test_a_malformed_form_is_a_problem(client: httpx.Client, headers: dict[str, str], body: bytes) -> None:
    answer = client.post("/v1/describe", content=body, headers=headers)
    assert answer.status_code in {400, 422}
    problem_of(answer, answer.status_code, "body-malformed" if answer.status_code == 400 else "request-invalid")


@pytest.mark.parametrize("path", ["/v1/describe", "/v1/clips", "/v1/search/audio", "/v1/embed/audio"])
@pytest.mark.parametrize("given", ["application/json", "audio/wav", "application/x-www-form-urlencoded", None])
def test_a_form_route_takes_forms_only(client: httpx.Client, path: str, given: str | None) -> None:
    answer = client.post(path, content=b"{}", headers={"Content-Type": given} if given else {})
    assert "multipart/form-data" in problem_of(answer, 415, "media-type-unsupported")["detail"]


@pytest.mark.parametrize("path", ["/v1/search", "/v1/embed/text"])
@pytest.mark.parametrize("given", ["text/plain", "application/x-www-form-urlencoded", None])
def test_a_json_route_takes_json_only(client: httpx.Client, path: str, given: str | None) -> None:
    answer = client.post(path, content=b'{"query": "calm"}', headers={"Content-Type": given} if given else {})
    assert "application/json" in problem_of(answer, 415, "media-type-unsupported")["detail"]


def test_a_charset_beside_the_content_type_is_no_matter(client: httpx.Client) -> None:
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert client.post("/v1/search", content=b'{"query": "calm"}', headers=headers).status_code == 200


def test_unknown_parameters_and_fields_are_refused(client: httpx.Client) -> None:
    found = problem_of(client.get("/v1/clips", params={"limt": 3}), 422, "request-invalid")
    assert "Did you mean 'limit'?" in found["detail"]
    problem_of(client.get("/healthz", params={"x": 1}), 422, "request-invalid")
    problem_of(client.post("/v1/search?k=3", json={"query": "calm"}), 422, "request-invalid")
    fields = {"candidate": "calm"}
    answer = client.post("/v1/describe", files={"file": ("a.wav", b"RIFF")}, data=fields)
    assert "Did you mean 'candidates'?" in problem_of(answer, 422, "request-invalid")["detail"]


@pytest.mark.parametrize(
    "query", ["offset=-1", "limit=0", "limit=1001", "limit=x", "offset=1e3", "filter={", "filter=[]"]
)
def test_query_parameters_are_checked(client: httpx.Client, query: str) -> None:
    code = "filter-invalid" if query.startswith("filter") else "request-invalid"
    problem_of(client.get(f"/v1/clips?{query}"), 422, code)


def test_a_form_without_its_file_is_refused(client: httpx.Client) -> None:
    answer = client.post("/v1/describe", data={"candidates": "calm"}, files={"x": ("", b"")})
    problem_of(answer, 422, "request-invalid")
    answer = client.post("/v1/describe", headers=FORM, content=_form(b'name="file"', b"a text, not a file"))
    problem_of(answer, 422, "request-invalid")


def _form(disposition: bytes, content: bytes) -> bytes:
    return b"--X\r\nContent-Disposition: form-data; " + disposition + b"\r\n\r\n" + content + b"\r\n--X--\r\n"


def test_json_over_its_limit_is_refused(client: httpx.Client) -> None:
    body = b'{"query": "' + b"x" * MAX_JSON_BYTES + b'"}'
    answer = client.post("/v1/search", content=body, headers={"Content-Type": "application/json"})
    problem_of(answer, 413, "upload-too-large")


def _pieces(total: int, read: list[int]) -> Iterator[bytes]:
    head = b'--X\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
    yield head
    for _ in range(total // 65_536):
        read.append(65_536)
        yield b"\0" * 65_536


def test_an_upload_over_the_limit_is_refused_in_chunks_too(serve_own: Callable[..., httpx.Client]) -> None:
    small = serve_own(max_upload_mb=1)
    found = small.post("/v1/describe", files={"file": ("a.wav", b"\0" * 2_000_000)})
    assert "1 MiB" in problem_of(found, 413, "upload-too-large")["detail"]
    read: list[int] = []
    problem_of(small.post("/v1/describe", content=_pieces(2_000_000, read), headers=FORM), 413, "upload-too-large")
    # A limit is not a wall: what fits is read.
    problem_of(small.post("/v1/describe", files={"file": ("a.wav", b"\0" * 900_000)}), 422, "audio-unreadable")


def test_a_declared_length_over_the_limit_is_refused_before_the_body_is_sent(
    serve_own: Callable[..., httpx.Client],
) -> None:
    small = serve_own(max_upload_mb=1)
    with socket.create_connection((small.base_url.host, small.base_url.port or 0), timeout=5) as raw:
        raw.sendall(
            b"POST /v1/describe HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=X\r\n"
            b"Content-Length: 99999999\r\n\r\n--X"
        )
        assert raw.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_the_limit_of_a_chunked_upload_holds_before_its_end(serve_own: Callable[..., httpx.Client]) -> None:
    small = serve_own(max_upload_mb=1)
    with socket.create_connection((small.base_url.host, small.base_url.port or 0), timeout=5) as raw:
        raw.sendall(
            b"POST /v1/describe HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=X\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        head = b'--X\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
        raw.sendall(b"%x\r\n%s\r\n" % (len(head), head))
        chunk = b"\0" * 65_536
        for _ in range(17):  # over 1 MiB; the last chunk of the body never comes
            raw.sendall(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        assert raw.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_a_body_that_only_trickles_in_is_not_waited_for(own: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.intake.PATIENCE", 0.3)
    for kind in (b"multipart/form-data; boundary=X", b"application/json"):
        path = b"/v1/describe" if b"form" in kind else b"/v1/search"
        with socket.create_connection((own.base_url.host, own.base_url.port or 0), timeout=20) as raw:
            raw.sendall(
                b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nContent-Length: 5000\r\n\r\n--X"
                % (path, kind)
            )
            answer = raw.recv(65_536)
            assert answer.startswith(b"HTTP/1.1 408 ")
            while b"urn:emotionrank:problem:body-too-slow" not in answer:
                piece = raw.recv(65_536)
                assert piece, answer
                answer += piece
    assert own.post("/v1/search", json={"query": "calm"}).status_code == 200


def test_a_body_that_comes_slowly_but_surely_is_taken(own: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.intake.PATIENCE", 0.2)
    monkeypatch.setattr("service.intake.SLOWEST", 1)  # every byte is worth a second

    def pieces() -> Iterator[bytes]:
        yield b'{"query": "calm",'
        time.sleep(0.5)
        yield b'"k": 1}'

    answer = own.post("/v1/search", content=pieces(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 200


def test_a_client_that_hangs_up_does_no_harm(own: httpx.Client, caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_connection((own.base_url.host, own.base_url.port or 0), timeout=5) as raw:
        raw.sendall(
            b"POST /v1/describe HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=X\r\n"
            b"Content-Length: 5000\r\n\r\n--X\r\n"
        )
    assert own.get("/healthz").status_code == 200
    assert own.get("/readyz").status_code == 200
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
KEYS = ["query", "k", "offset", "filter", "min_score", "group_by_clip", "text", "clip", "embedding", "weight"]
BODIES = st.dictionaries(st.sampled_from(KEYS), JSON_VALUES, max_size=6) | JSON_VALUES


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=BODIES)
def test_no_json_whatsoever_is_an_internal_error(client: httpx.Client, body: Any) -> None:
    import json

    text = json.dumps(body).encode()
    for path in ("/v1/search", "/v1/embed/text"):
        answer = client.post(path, content=text, headers={"Content-Type": "application/json"})
        assert answer.status_code in {200, 400, 404, 422}, answer.text
        if answer.status_code != 200:
            assert answer.headers["content-type"] == "application/problem+json"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=300), name=st.text(max_size=20))
def test_no_form_whatsoever_is_an_internal_error(client: httpx.Client, body: bytes, name: str) -> None:
    wrapped = client.post("/v1/describe", files={"file": (name, body)})
    raw = client.post("/v1/describe", content=b"--X\r\n" + body, headers=FORM)
    for answer in (wrapped, raw):
        assert answer.status_code in {400, 422}, answer.text
        assert answer.headers["content-type"] == "application/problem+json"


@given(value=JSON_VALUES)
def test_strict_json_reads_what_is_json_and_nothing_else(value: Any) -> None:
    import json

    text = json.dumps(value)
    if any(word in text for word in ("NaN", "Infinity")) and not any(c in text for c in '"'):
        with pytest.raises(ValueError, match="line 1"):
            strictjson.parse(text)
        return
    try:
        assert strictjson.parse(text) == json.loads(text)
    except ValueError as error:
        beyond = "64 bits" in str(error)
        assert beyond or any(word in text for word in ("NaN", "Infinity"))


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate, gzip", "zstd"])
def test_a_compressed_body_is_refused(client: httpx.Client, speech: Callable[..., bytes], coding: str) -> None:
    headers = {"Content-Encoding": coding}
    answer = client.post("/v1/describe", files={"file": speech()}, headers=headers)
    assert coding in problem_of(answer, 415, "media-type-unsupported")["detail"]
    answer = client.post("/v1/search", json={"query": "calm"}, headers=headers)
    problem_of(answer, 415, "media-type-unsupported")
    assert client.post("/v1/search", json={"query": "calm"}, headers={"Content-Encoding": "identity"}).is_success


@pytest.mark.parametrize(
    ("path", "field"),
    [("/v1/describe", "file"), ("/v1/search/audio", "file"), ("/v1/clips", "files"), ("/v1/embed/audio", "files")],
)
def test_a_file_that_came_as_text_is_refused_with_what_to_write(client: httpx.Client, path: str, field: str) -> None:
    answer = client.post(path, files={field: (None, "voice.wav")})  # what curl -F file=voice.wav sends
    problem = problem_of(answer, 422, "request-invalid")
    assert problem["errors"][0]["place"] == f"form field '{field}'"
    assert f"-F '{field}=@voice.wav'" in problem["detail"]
