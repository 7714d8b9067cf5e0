"""Fixtures that every package's tests share."""

import pytest

from encoders.encoder import Encoder


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    """Load the bundle's encoders: those of $EMOTIONRANK_BUNDLE, else of the released bundle."""
    return Encoder.load(threads=1)
