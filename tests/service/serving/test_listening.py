"""Claiming a port, and saying that the service is there only once it answers."""

import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from service.serving import listening
from service.serving.listening import AddressUnusable

# An application whose /readyz answers 503 twice before it answers 200, served by `listening.serve`.
PROGRAM = """
import sys, time
from fastapi import FastAPI, Response
from service.serving import listening

app, asked = FastAPI(), []

@app.get("/readyz")
def readyz(response: Response) -> dict[str, int]:
    asked.append(1)
    response.status_code = 503 if len(asked) < 3 else 200
    return {"asked": len(asked)}

def ready(url):
    print(url, len(asked), flush=True)

try:
    listening.serve(app, listening.claim(sys.argv[1], 0), ready=ready)
except KeyboardInterrupt:
    print("stopped", flush=True)
"""


def served(host: str, program: str = PROGRAM) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", program, host], stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize(
    ("host", "end"),
    [("127.0.0.1", signal.SIGINT), ("0.0.0.0", signal.SIGTERM), ("localhost", signal.SIGTERM)],
)
def test_the_url_is_given_once_the_service_is_ready_and_it_works(host: str, end: signal.Signals) -> None:
    with served(host) as child:
        assert child.stdout is not None
        try:
            url, asked = child.stdout.readline().split()
            assert int(asked) == 3
            with urllib.request.urlopen(f"{url}/readyz", timeout=5) as answer:
                assert answer.status == 200
        finally:
            child.send_signal(end)
        assert child.wait(10) == 0
        assert child.stdout.read() == "stopped\n"


def test_what_a_warm_service_has_loaded_is_not_looked_through_for_garbage_again() -> None:
    """In a process of its own: what is frozen stays so for all that runs in it."""
    program = """
import gc, sys
from service.serving import listening

loaded = [[] for _ in range(100_000)]
listening.answer_promptly()
print(gc.get_freeze_count() > 100_000, gc.get_count()[2], sys.getswitchinterval() < .005, gc.isenabled())
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["True", "0", "True", "True"]


def test_a_service_that_is_stopped_before_it_is_ready_gives_no_url() -> None:
    never = PROGRAM.replace("len(asked) < 3", "print('asked', flush=True) is None")
    with served("127.0.0.1", never) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "asked\n"
        child.send_signal(signal.SIGINT)
        rest = child.stdout.read().splitlines()
    assert set(rest) <= {"asked", "stopped"}
    assert rest[-1] == "stopped"


def test_a_taken_port_is_refused_with_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(AddressUnusable, match=rf"Port {port} on 127.0.0.1.*EMOTIONRANK_PORT={port + 1}"):
            listening.claim("127.0.0.1", port)


def test_a_host_that_is_no_address_is_refused() -> None:
    with pytest.raises(AddressUnusable, match=r"no\.such\.host\.invalid is no address"):
        listening.claim("no.such.host.invalid", 8000)


def test_a_claimed_port_refuses_clients_until_it_is_served() -> None:
    with listening.claim("127.0.0.1", 0) as bound, pytest.raises(ConnectionRefusedError):
        socket.create_connection(bound.getsockname(), timeout=5)


def test_a_port_that_was_taken_meanwhile_is_an_error_too() -> None:
    from fastapi import FastAPI

    bound = listening.claim("127.0.0.1", 0)
    with socket.create_server(bound.getsockname()), pytest.raises(AddressUnusable, match="Port"):
        listening.serve(FastAPI(), bound)


@pytest.mark.skipif(not socket.has_ipv6 or not Path("/proc/net/if_inet6").exists(), reason="no IPv6 here")
def test_an_ipv6_address_is_bracketed_in_the_url() -> None:
    with listening.claim("::1", 0) as bound:
        assert listening.url(bound) == f"http://[::1]:{bound.getsockname()[1]}"
