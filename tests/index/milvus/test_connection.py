"""Addresses, settings and failures: each is named, none takes long, and no secret is ever told."""

import builtins
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from index.errors import LibraryAway, LibraryError
from index.milvus import connection
from index.open import open_store
from tests.index import making


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("milvus://host/clips", "milvus://host:19530/clips"),
        ("milvus://10.0.0.1:19531/team_1/", "milvus://10.0.0.1:19531/team_1"),
        ("milvus://[::1]:1/_x", "milvus://[::1]:1/_x"),
    ],
)
def test_an_address_is_a_host_a_port_and_a_name(given: str, address: str) -> None:
    parsed = connection.parse(given)
    assert str(parsed) == address
    assert (parsed.clips, parsed.segments) == (f"{parsed.name}_clips", f"{parsed.name}_segments")


@pytest.mark.parametrize(
    "given",
    [
        "milvus://",
        "milvus://host",
        "milvus://host/",
        "milvus://host:x/clips",
        "milvus://host:70000/clips",
        "milvus://host/two/parts",
        "milvus://host/1st",
        "milvus://host/a-b",
        "milvus:///clips",
        "milvus://host/clips?x=1",
        "milvus://host/é",
    ],
)
def test_what_is_no_address_is_refused(given: str) -> None:
    with pytest.raises(LibraryError, match=r"milvus://HOST:PORT/NAME|the port is no number"):
        open_store(given, bundle=making.bundle())


def test_a_password_in_an_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(LibraryError, match="EMOTIONRANK_MILVUS_TOKEN") as caught:
        open_store("milvus://me:geheim@host/clips", bundle=making.bundle())
    assert "geheim" not in str(caught.value)


def test_a_server_that_is_not_there_is_told_within_seconds() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    started = time.monotonic()
    with pytest.raises(LibraryAway, match=rf"milvus://127\.0\.0\.1:{port}/clips cannot be reached"):
        open_store(f"milvus://127.0.0.1:{port}/clips", bundle=making.bundle(), create=True)
    assert time.monotonic() - started < 30


def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOTIONRANK_MILVUS_TIMEOUT", "1")
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(LibraryAway, match="no answer within 1 s"):
        open_store(f"milvus://127.0.0.1:{silent.getsockname()[1]}/clips", bundle=making.bundle())


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("EMOTIONRANK_MILVUS_TIMEOUT", "soon", "EMOTIONRANK_MILVUS_TIMEOUT=soon"),
        ("EMOTIONRANK_MILVUS_TIMEOUT", "0", "EMOTIONRANK_MILVUS_TIMEOUT=0"),
        ("EMOTIONRANK_MILVUS_TLS", "/nowhere/ca.pem", "EMOTIONRANK_MILVUS_TLS=/nowhere/ca.pem"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(LibraryError, match=message):
        open_store("milvus://127.0.0.1:1/clips", bundle=making.bundle())


def test_without_the_extra_it_is_said_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **options: Any) -> Any:
        if name == "pymilvus":
            raise ImportError(name)
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(LibraryError, match=r"pip install 'emotionrank\[milvus\]'"):
        connection.connect(connection.parse("milvus://host/clips"))


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("EMOTIONRANK_MILVUS_TOKEN", "somebody:s3cr3t")
    return "s3cr3t"


def test_a_token_is_never_told(milvus: str, secret: str, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    told: list[str] = []
    with open_store(f"{milvus}secrets", bundle=making.bundle(), create=True) as store:
        told += [str(store.info()), repr(store)]
        for change in (lambda: store.get("nowhere"), lambda: store.backup(tmp_path / "x")):
            with pytest.raises(Exception, match=r"no clip|index copy") as caught:
                change()
            told.append(str(caught.value))
    with pytest.raises(LibraryAway) as away:
        open_store("milvus://127.0.0.1:1/clips", bundle=making.bundle())
    captured = capfd.readouterr()
    assert not any(secret in text for text in (*told, str(away.value), captured.out, captured.err))
