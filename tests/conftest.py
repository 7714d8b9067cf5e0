"""Fixtures that every package's tests share."""

import importlib.util
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings

from encoders.encoder import Encoder
from index.errors import LibraryAway
from index.prompts import PromptBank

# A busy machine is no failure; a hang meets pytest's own time limit.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the suite's own option."""
    parser.addoption("--screenshots", metavar="FOLDER", help="keep the pictures that tests of the page take")


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    """Load the bundle's encoders: those of $EMOTIONRANK_BUNDLE, else of the released bundle."""
    return Encoder.load(threads=1)


@pytest.fixture(scope="session")
def bank(encoder: Encoder) -> PromptBank:
    """Make the prompt bank of the encoder; what it is asked for first is embedded once for all tests."""
    return PromptBank(encoder)


@pytest.fixture(scope="session")
def milvus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start milvus-lite; yield the address of its libraries, but for the name."""
    with milvus_server(tmp_path_factory.mktemp("milvus")) as (_, address):
        yield address


@contextmanager
def milvus_server(folder: Path) -> Iterator[tuple["subprocess.Popen[bytes]", str]]:
    """Run milvus-lite with its data in a folder; give the process, once it answers, and the address of its libraries.

    Skips the test where milvus-lite is not installed.
    """
    for package in ("pymilvus", "milvus_lite"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed (it is in the extra `dev`)")
    from index.milvus import connection

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
        yield server, address
    finally:
        server.terminate()
        server.wait(timeout=30)
