"""Fixtures of the library's tests: a Milvus server on loopback, and stores of every kind."""

import importlib.util
import itertools
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from encoders.bundle import Bundle
from index.errors import LibraryAway
from index.open import open_store
from index.store import Store
from tests.index import making

KINDS = ("local", "milvus")

_names = itertools.count(1)


@pytest.fixture(scope="session")
def milvus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start milvus-lite; yield the address of its libraries, but for the name."""
    for package in ("pymilvus", "milvus_lite"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed (it is in the extra `dev`)")
    from index.milvus import connection

    folder = tmp_path_factory.mktemp("milvus")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "milvus_lite", "server", "--data-dir", str(folder / "data")]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)], stdout=log, stderr=subprocess.STDOUT
        )
    try:
        address = f"milvus://127.0.0.1:{port}/"
        until = time.monotonic() + 90
        while True:
            try:
                connection.connect(connection.parse(f"{address}probe")).close()
                break
            except LibraryAway:
                assert server.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < until, "milvus-lite does not answer"
                time.sleep(0.2)
        yield address
    finally:
        server.terminate()
        server.wait(timeout=30)


@pytest.fixture
def address(request: pytest.FixtureRequest, kind: str, tmp_path: Path) -> str:
    """Return the address of a library of the `kind` that a test is parametrized with; there is none there yet."""
    if kind == "local":
        return str(tmp_path / "library")
    return f"{request.getfixturevalue('milvus')}library_{next(_names)}"


@pytest.fixture
def store(address: str) -> Iterator[Store]:
    """Make an empty library of the `kind` that a test is parametrized with."""
    with open_store(address, bundle=making.bundle(), create=True) as store:
        yield store


Opening = Callable[[], Store]


def opened(address: str, bundle: Bundle | None = None, *, read_only: bool = False) -> Store:
    """Open the library at an address once more."""
    return open_store(address, bundle=bundle or making.bundle(), read_only=read_only)
