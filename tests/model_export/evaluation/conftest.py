"""Clips made of the bundle's own prompts."""

import csv
from pathlib import Path

import pytest

from encoders.encoder import Encoder
from model_export.evaluation import GRADED, Embedded, Settings
from tests.model_export.evaluation.prompted import clips_like


@pytest.fixture(scope="session")
def worded(encoder: Encoder) -> Embedded:
    """A clip for every fourth prompt of the bundle's vocabulary, named after its term."""
    prompts = encoder.bundle.prompts[::4]
    return clips_like(encoder, [p.text for p in prompts], [p.affect for p in prompts], [p.term for p in prompts])


@pytest.fixture
def quick(tmp_path: Path) -> Settings:
    """Settings of an evaluation in a few seconds: few captions, graded prompts and resamples."""
    with GRADED.open(encoding="utf-8", newline="") as file:
        few = list(csv.reader(file))
    with (tmp_path / "few.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([few[0], *few[1::8]])
    return Settings(rounds=5, captions=60, graded=tmp_path / "few.csv")
