"""The pool that a training run draws from, written once."""

import pytest

from model_export import captions


@pytest.fixture(scope="session")
def pool() -> list[captions.Caption]:
    return captions.pool(seed=0)
