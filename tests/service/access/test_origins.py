"""Pages of other sites: kept out of a service that asks for no key."""

import pytest
from starlette.datastructures import Headers

from service.access.origins import Origins
from service.errors import AccessRefused, HostRefused, OriginRefused

OURS = Origins.of(["speech.example", "emotionrank"], ["https://app.example"])


def refusal(method: str, **headers: str) -> type[AccessRefused] | None:
    try:
        OURS.check(method, Headers({name.replace("_", "-"): value for name, value in headers.items()}))
    except AccessRefused as error:
        return type(error)
    return None


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:8000",
        "localhost.:8000",
        "demo.localhost:8000",
        "127.0.0.1:8000",
        "192.168.1.20",
        "[::1]:8000",
        "[::1]",
        "speech.example",
        "Speech.Example:443",
        "emotionrank:8000",
    ],
)
def test_own_names_and_addresses_are_answered(host: str) -> None:
    assert refusal("GET", host=host) is None
    assert refusal("POST", host=host) is None


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "speech.example.evil.example",
        "notspeech.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil.example:80@localhost",
        "localhost@evil.example",
        "127.0.0.1, evil.example",
        "[evil.example]",
        "0x7f.1",
        "",
        ":8000",
        "[",
        "a" * 10_000,
    ],
)
def test_any_other_name_is_refused_whatever_is_asked(host: str) -> None:
    assert refusal("GET", host=host) is HostRefused
    assert refusal("POST", host=host) is HostRefused


def test_programs_that_send_neither_header_are_answered() -> None:
    assert refusal("POST") is None
    assert refusal("DELETE", host="127.0.0.1:8000") is None


@pytest.mark.parametrize(
    "origin",
    ["http://127.0.0.1:8000", "https://127.0.0.1:8000", "https://app.example", "HTTPS://APP.EXAMPLE"],
)
def test_own_pages_and_those_of_the_list_may_change_things(origin: str) -> None:
    assert refusal("POST", host="127.0.0.1:8000", origin=origin) is None


def test_pages_behind_a_proxy_that_passes_on_another_host_may_too() -> None:
    assert refusal("POST", host="127.0.0.1:8000", origin="https://speech.example") is None


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://127.0.0.1:3000",
        "http://localhost:8000",
        "http://app.example",
        "https://app.example.evil.example",
        "https://app.example:8443",
        "null",
        "",
        "file://",
        "http://",
        "http://[",
        "http://[::1",
        "http://127.0.0.1:8000.evil.example",
    ],
)
@pytest.mark.parametrize("method", ["POST", "DELETE", "PUT", "PATCH", "BREW"])
def test_pages_of_others_may_change_nothing(method: str, origin: str) -> None:
    assert refusal(method, host="127.0.0.1:8000", origin=origin) is OriginRefused
    assert refusal("GET", host="127.0.0.1:8000", origin=origin) is None  # a browser does not show them the answer


def test_a_browser_that_says_so_is_believed_without_an_origin() -> None:
    assert refusal("POST", host="localhost", sec_fetch_site="cross-site") is OriginRefused
    assert refusal("POST", host="localhost", sec_fetch_site="same-site") is OriginRefused
    assert refusal("POST", host="localhost", sec_fetch_site="same-origin") is None
    assert refusal("POST", host="localhost", sec_fetch_site="none") is None


def test_a_refusal_repeats_little_of_what_it_refuses() -> None:
    with pytest.raises(HostRefused) as caught:
        OURS.check("GET", Headers({"host": "x" * 10_000}))
    assert len(str(caught.value)) < 500
    assert "EMOTIONRANK_HOSTS" in str(caught.value)
