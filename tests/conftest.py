"""Fixtures that every package's tests share."""

import pytest
from hypothesis import settings

from encoders.encoder import Encoder
from index.prompts import PromptBank

# A busy machine is no failure; a hang meets pytest's own time limit.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    """Load the bundle's encoders: those of $EMOTIONRANK_BUNDLE, else of the released bundle."""
    return Encoder.load(threads=1)


@pytest.fixture(scope="session")
def bank(encoder: Encoder) -> PromptBank:
    """Make the prompt bank of the encoder; what it is asked for first is embedded once for all tests."""
    return PromptBank(encoder)
