"""Who may use the service: keys and scopes on every route, limits, pages of others; over real HTTP."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from fastapi.routing import APIRoute
from typer.main import get_command

from service import commands
from service.access import guard as access
from service.access.keys import new_key
from service.access.needs import needed_by
from service.app import create_app
from service.engine import Engine
from service.errors import SettingsInvalid
from service.routes import clips, describe, embed, facets, metrics, page, search, system
from service.settings import Settings, load_settings
from tests.service.conftest import problem_of, running

ROUTERS = [clips.routes, describe.routes, embed.routes, facets.routes, search.routes, system.routes, metrics.routes]
ROUTES = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
SCOPES_OF = {"reader": ["read"], "writer": ["write"], "both": ["read", "write"], "collector": ["metrics"]}
MADE = {name: new_key(name, scopes) for name, scopes in SCOPES_OF.items()}
LINES = " ".join(key.line() for _, key in MADE.values())


def bearer(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {MADE[name][0]}"}


@pytest.fixture(scope="module")
def guarded(engine: Engine) -> Iterator[httpx.Client]:
    """Serve the library that is only read to those who have a key."""
    settings = engine.settings.model_copy(update={"keys": LINES})
    with running(create_app(settings, engine=engine)) as client:
        yield client


def asked(client: httpx.Client, route: APIRoute, **headers: str) -> httpx.Response:
    """Ask a route with nothing that it needs: whoever gets in gets some other problem, or an answer."""
    method = min(route.methods or ())
    return client.request(method, route.path.replace("{clip_id}", "0" * 16), headers=headers)


def test_every_route_says_what_it_needs() -> None:
    assert len(ROUTES) > 15
    for route in ROUTES:
        assert "security" in (route.openapi_extra or {}), route.path


def test_what_changes_the_library_needs_write_and_nothing_else_does() -> None:
    writing = {(*(route.methods or ()), route.path) for route in ROUTES if needed_by(route) == {"write"}}
    assert writing == {("POST", "/v1/clips"), ("DELETE", "/v1/clips/{clip_id}")}
    open_ = {route.path for route in ROUTES if not needed_by(route)}
    assert open_ == {"/docs", "/healthz", "/readyz"}
    assert all(not needed_by(route) for route in page.routes.routes if isinstance(route, APIRoute))


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{min(route.methods)} {route.path}")
def test_every_route_lets_in_whom_it_says_and_nobody_else(guarded: httpx.Client, route: APIRoute) -> None:
    needed = needed_by(route)
    if not needed:
        assert asked(guarded, route, Authorization="Bearer nonsense").status_code == 200
        return
    missing = asked(guarded, route)
    problem_of(missing, 401, "key-missing")
    assert missing.headers["www-authenticate"] == 'Bearer realm="emotionrank"'
    unknown = asked(guarded, route, Authorization="Bearer er_nonsense")
    problem_of(unknown, 401, "key-unknown")
    assert 'error="invalid_token"' in unknown.headers["www-authenticate"]
    for name, scopes in SCOPES_OF.items():
        answer = asked(guarded, route, **bearer(name))
        if needed & set(scopes):
            assert answer.status_code not in {401, 403}, name
        else:
            assert name in problem_of(answer, 403, "key-insufficient")["detail"]
            assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Bearer",
        "Basic YWxhZGRpbjpvcGVuc2VzYW1l",
        "Token {key}",
        "{key}",
        "Bearer {line}",
        "Bearer {key}x",
    ],
)
def test_a_header_that_holds_no_key_of_ours_opens_nothing(guarded: httpx.Client, value: str) -> None:
    text, key = MADE["reader"]
    answer = guarded.get("/v1/info", headers={"Authorization": value.format(key=text, line=key.line())})
    assert answer.status_code == 401
    assert text not in answer.text


def test_the_scheme_is_read_in_any_case(guarded: httpx.Client) -> None:
    assert guarded.get("/v1/info", headers={"Authorization": f"bearer {MADE['reader'][0]}"}).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/v1/info/",
        "//v1/info",
        "/v1//info",
        "/V1/info",
        "/v1/info;x",
        "/v1/clips/",
        "/v1/../v1/info",
        "/nowhere",
        "/%2fv1/info",
    ],
)
def test_no_spelling_of_a_path_is_a_way_around(guarded: httpx.Client, path: str) -> None:
    for method in ("GET", "HEAD", "POST", "OPTIONS", "DELETE"):
        assert guarded.request(method, httpx.URL(str(guarded.base_url) + path)).status_code == 401, method
    assert guarded.get("/nowhere", headers=bearer("reader")).status_code == 404
    assert guarded.put("/v1/search", headers=bearer("reader")).status_code == 405


def test_head_needs_what_get_needs(guarded: httpx.Client) -> None:
    assert guarded.head("/v1/clips").status_code == 401
    assert guarded.head("/v1/clips", headers=bearer("writer")).status_code == 403
    assert guarded.head("/v1/clips", headers=bearer("reader")).status_code == 200


def test_an_upload_without_a_key_is_refused_before_it_is_sent(guarded: httpx.Client) -> None:
    with socket.create_connection((guarded.base_url.host, guarded.base_url.port or 0), timeout=5) as raw:
        raw.sendall(
            b"POST /v1/clips HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=X\r\n"
            b"Content-Length: 1000000\r\n\r\n--X"
        )
        assert raw.recv(4096).startswith(b"HTTP/1.1 401 ")


def test_the_document_names_keys_where_they_are_asked_for_and_only_there(
    guarded: httpx.Client, client: httpx.Client
) -> None:
    with_keys, without = guarded.get("/openapi.json").json(), client.get("/openapi.json").json()
    assert with_keys["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    assert with_keys["paths"]["/v1/clips"]["post"]["security"] == [{"key": ["write"]}]
    assert with_keys["paths"]["/healthz"]["get"]["security"] == []
    assert "401" in with_keys["paths"]["/v1/search"]["post"]["responses"]
    assert "401" not in with_keys["paths"]["/healthz"]["get"]["responses"]
    assert "securitySchemes" not in without["components"]
    assert '"security"' not in json.dumps(without)
    assert "401" not in without["paths"]["/v1/search"]["post"]["responses"]
    refused = without["paths"]["/v1/search"]["post"]["responses"]["403"]["content"]["application/problem+json"]
    assert set(refused["examples"]) >= {"host-refused", "origin-refused"}


def test_the_page_for_people_says_which_scope_a_route_needs(guarded: httpx.Client, client: httpx.Client) -> None:
    assert "Needs a key with the scope <code>write</code>." in guarded.get("/docs").text
    assert "Needs a key" not in client.get("/docs").text


def test_with_keys_neither_host_nor_origin_matters(guarded: httpx.Client) -> None:
    headers = {**bearer("reader"), "Host": "speech.example", "Origin": "https://elsewhere.example"}
    assert guarded.post("/v1/search", json={"query": "calm"}, headers=headers).status_code == 200


def test_without_keys_pages_of_others_are_kept_out(client: httpx.Client) -> None:
    evil = {"Origin": "https://evil.example"}
    problem_of(client.post("/v1/clips", files={"files": ("a", b"x")}, headers=evil), 403, "origin-refused")
    problem_of(client.delete("/v1/clips/0", headers=evil), 403, "origin-refused")
    problem_of(client.get("/v1/clips", headers={"Host": "evil.example"}), 403, "host-refused")
    assert client.get("/healthz", headers={"Host": "probe.example"}).status_code == 200
    own = {"Origin": str(client.base_url).rstrip("/")}
    assert client.post("/v1/search", json={"query": "calm"}, headers=own).status_code == 200
    assert client.get("/v1/info").headers["cross-origin-resource-policy"] == "same-origin"


def test_pages_of_the_listed_origins_may_use_it_and_read_refusals(engine: Engine) -> None:
    page = {"Origin": "https://app.example"}
    settings = engine.settings.model_copy(update={"keys": LINES, "cors": "https://app.example, http://b.example:3000"})
    with running(create_app(settings, engine=engine)) as client:
        preflight = {**page, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
        asked_first = client.options("/v1/search", headers=preflight)
        assert asked_first.status_code == 200
        assert asked_first.headers["access-control-allow-origin"] == "https://app.example"
        answer = client.post("/v1/search", json={"query": "calm"}, headers={**page, **bearer("reader")})
        assert answer.headers["access-control-allow-origin"] == "https://app.example"
        refused = client.post("/v1/search", json={"query": "calm"}, headers=page)
        problem_of(refused, 401, "key-missing")
        assert refused.headers["access-control-allow-origin"] == "https://app.example"
        assert "Retry-After" in refused.headers["access-control-expose-headers"]
        unreadable = client.get(
            "/v1/clips/0/audio", headers={"Origin": "http://b.example:3000", "Range": "x", **bearer("reader")}
        )
        assert unreadable.headers["access-control-allow-origin"] == "http://b.example:3000"
        other = client.options("/v1/search", headers={**preflight, "Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in other.headers


def test_without_keys_pages_of_the_listed_origins_may_change_things(serve_own: Callable[..., httpx.Client]) -> None:
    client = serve_own(cors="https://app.example", hosts="speech.example")
    page = {"Origin": "https://app.example", "Host": "speech.example"}
    problem_of(client.delete("/v1/clips/0", headers=page), 404, "clip-not-found")
    problem_of(client.delete("/v1/clips/0", headers={"Origin": "https://evil.example"}), 403, "origin-refused")


def test_a_caller_who_asks_too_often_waits_and_others_do_not(engine: Engine) -> None:
    settings = engine.settings.model_copy(update={"keys": LINES, "rate_limit": "3/hour"})
    with running(create_app(settings, engine=engine)) as client:
        assert [client.get("/v1/info", headers=bearer("reader")).status_code for _ in range(3)] == [200] * 3
        refused = client.get("/v1/info", headers=bearer("reader"))
        problem_of(refused, 429, "rate-limited")
        assert 0 < int(refused.headers["retry-after"]) <= 1200
        assert client.get("/v1/info", headers=bearer("both")).status_code == 200
        # Guessing is limited as well, and a key's refusals count for the key.
        assert [client.get("/v1/info").status_code for _ in range(4)] == [401, 401, 401, 429]
        assert [client.get("/v1/info", headers=bearer("writer")).status_code for _ in range(4)] == [403, 403, 403, 429]
        for path in ("/healthz", "/readyz", "/docs"):
            assert client.get(path).status_code == 200


def test_a_caller_has_so_many_requests_answered_at_once(engine: Engine) -> None:
    settings = engine.settings.model_copy(update={"keys": LINES, "concurrency_limit": 2})
    hold = threading.Event()
    with running(create_app(settings, engine=engine)) as client:
        for _ in range(engine.settings.threads):
            engine.quick._pool.submit(hold.wait, 30)
        url = str(client.base_url.join("/v1/clips"))
        statuses: list[int] = []

        def ask() -> None:
            statuses.append(httpx.get(url, headers=bearer("reader"), timeout=30).status_code)

        waiting = [threading.Thread(target=ask) for _ in range(2)]
        for thread in waiting:
            thread.start()
        while engine.quick.taken < 2:
            assert all(thread.is_alive() for thread in waiting)
        refused = client.get("/v1/clips", headers=bearer("reader"))
        problem_of(refused, 429, "concurrency-limited")
        assert int(refused.headers["retry-after"]) > 0
        assert client.get("/v1/nowhere", headers=bearer("both")).status_code == 404  # another caller
        hold.set()
        for thread in waiting:
            thread.join(30)
        assert statuses == [200, 200]
        assert client.get("/v1/clips", headers=bearer("reader")).status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7"])
def test_an_address_of_the_network_is_not_served_without_keys(host: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid) as caught:
        get_command(commands.serve)(["--library", str(tmp_path / "library"), "--host", host], standalone_mode=False)
    for way in ("emotionrank keys new", "EMOTIONRANK_KEYS", "127.0.0.1", "EMOTIONRANK_OPEN_ACCESS", host):
        assert way in str(caught.value)
    assert not (tmp_path / "library").exists()
    with pytest.raises(SettingsInvalid):
        create_app(Settings(library=tmp_path, host=host))
    assert access.guard(Settings(library=tmp_path, host=host, open_access=True)).keyring is None
    assert access.guard(Settings(library=tmp_path, host=host, keys=LINES)).keyring is not None


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_a_loopback_address_needs_no_keys_and_takes_them(host: str) -> None:
    assert access.guard(Settings(host=host)).keyring is None
    assert access.guard(Settings(host=host, keys=LINES, open_access=True)).keyring is not None


def test_settings_that_cannot_be_used_are_named() -> None:
    for flags, named in [
        ({"rate_limit": "lots"}, "EMOTIONRANK_RATE_LIMIT"),
        ({"cors": "*"}, "EMOTIONRANK_CORS"),
        ({"keys": "alice"}, "EMOTIONRANK_KEYS"),
        ({"keys_file": "/nowhere/keys"}, "/nowhere/keys"),
    ]:
        with pytest.raises(SettingsInvalid, match=named):
            access.guard(load_settings(**flags))
    for flags, named in [
        ({"cors": "app.example"}, "app.example"),
        ({"cors": "https://app.example/"}, "app.example/"),
        ({"hosts": "http://speech.example"}, "http://speech.example"),
        ({"hosts": "speech.example:80"}, "speech.example:80"),
    ]:
        with pytest.raises(SettingsInvalid, match=named):
            load_settings(**flags)
    assert access.guard(load_settings(cors="*", keys=LINES)).keyring is not None


def test_callers_over_ipv4_are_told_apart_where_ipv6_is_listened_on() -> None:
    """A socket for both gives the address of a caller over IPv4 as one of IPv6, all of them in one network."""
    named = [access._address({"client": (host, 1)}) for host in ("::ffff:192.0.2.1", "::ffff:192.0.2.2", "192.0.2.1")]
    assert named == ["address 192.0.2.1", "address 192.0.2.2", "address 192.0.2.1"]
    assert access._address({"client": ("2001:db8::1", 1)}) == access._address({"client": ("2001:db8::2", 1)})
