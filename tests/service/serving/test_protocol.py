"""What a connection may send beside bodies, over real sockets."""

import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from itertools import repeat

import httpx
import pytest

from service.serving.protocol import MAX_AHEAD, MAX_BESIDE

GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
ENOUGH = 50 * 1024 * 1024  # bytes, far above what a system's socket buffers hold


@pytest.fixture
def line(client: httpx.Client) -> Iterator[socket.socket]:
    """A connection to the service."""
    with socket.create_connection((client.base_url.host, client.base_url.port or 80), timeout=20) as opened:
        yield opened


def sent(line: socket.socket, start: bytes, again: bytes) -> int:
    """Send the start, and the rest again and again, until the other side has hung up; say how many bytes it took."""
    line.sendall(start)
    taken = 0
    with suppress(ConnectionError):
        for part in repeat(again):
            line.sendall(part)
            taken += len(part)
            if taken > ENOUGH:
                break
    return taken


@pytest.mark.parametrize(
    ("start", "again"),
    [
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Long: ", b"x" * 8192),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n", b"X-More: 1\r\n" * 800),
        (b"GET /", b"x" * 8192),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X-Trailer: 1\r\n" * 600),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n5;", b"x" * 8192),
    ],
    ids=["header", "headers", "address", "trailers", "extension"],
)
def test_what_never_ends_ends_the_connection(line: socket.socket, start: bytes, again: bytes) -> None:
    assert sent(line, start, again) < ENOUGH


@pytest.mark.parametrize(
    "bytes_", [GET[:-2] + b"X-Long: " + b"x" * MAX_BESIDE, b"MAKEITUP / HTTP/1.1\r\n", b"\x16\x03\x01"]
)
def test_what_is_no_request_is_a_problem(line: socket.socket, bytes_: bytes) -> None:
    line.sendall(bytes_)
    head, _, body = b"".join(iter(lambda: line.recv(65536), b"")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"\r\nContent-Type: application/problem+json\r\n" in head
    assert b"\r\nX-Content-Type-Options: nosniff\r\n" in head
    assert json.loads(body)["type"].endswith(":bad-request")


def test_a_long_head_is_taken(line: socket.socket) -> None:
    line.sendall(GET[:-2] + b"X-Long: " + b"x" * (MAX_BESIDE // 2) + b"\r\n\r\n")
    assert line.recv(100).startswith(b"HTTP/1.1 200 ")


def test_a_body_may_come_in_the_smallest_chunks(line: socket.socket) -> None:
    body = b'{"query": "calm"' + b" " * MAX_BESIDE + b"}"
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
    line.sendall(POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n")
    assert line.recv(100).startswith(b"HTTP/1.1 200 ")


def answers(line: socket.socket, requests: int) -> int:
    line.sendall(GET * (requests - 1) + GET[:-2] + b"Connection: close\r\n\r\n")
    received = b""
    with suppress(ConnectionResetError):
        while part := line.recv(65536):
            received += part
    return received.count(b"HTTP/1.1 200 ")


def test_requests_may_be_sent_ahead_of_their_answers_but_not_thousands(client: httpx.Client) -> None:
    found = []
    for requests in (MAX_AHEAD, 100 * MAX_AHEAD):
        with socket.create_connection((client.base_url.host, client.base_url.port or 80), timeout=20) as opened:
            found.append(answers(opened, requests))
    assert found[0] == MAX_AHEAD
    assert found[1] <= MAX_AHEAD + 1
