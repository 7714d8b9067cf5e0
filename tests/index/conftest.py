"""Fixtures of the library's tests: stores of every kind."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from index.open import open_store
from index.store import Store
from tests.index import making

KINDS = ("local", "milvus")

_names = itertools.count(1)


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
