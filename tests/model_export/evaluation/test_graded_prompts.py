"""The graded prompts: enough of them, all different, and independent of the captions that train."""

import csv
from collections import Counter
from pathlib import Path

import pytest

import model_export
from model_export import captions

LEVELS = range(1, 8)
PHRASINGS = 20


@pytest.fixture(scope="module")
def prompts() -> list[dict[str, str]]:
    """Every row of the file, wherever in the package it lies."""
    (path,) = Path(model_export.__file__).parent.rglob("graded_prompts.csv")
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def plain(text: str) -> str:
    """The text without case, punctuation and spacing."""
    return " ".join("".join(c if c.isalnum() else " " for c in text.lower()).split())


def test_each_level_of_each_axis_has_as_many_phrasings(prompts: list[dict[str, str]]) -> None:
    counts = Counter((prompt["axis"], int(prompt["level"])) for prompt in prompts)
    assert set(counts) == {(axis, level) for axis in ("valence", "arousal") for level in LEVELS}
    assert set(counts.values()) == {PHRASINGS}


def test_no_prompt_stands_there_twice(prompts: list[dict[str, str]]) -> None:
    twice = [text for text, count in Counter(plain(prompt["text"]) for prompt in prompts).items() if count > 1]
    assert twice == []


def test_no_prompt_is_a_training_caption(prompts: list[dict[str, str]]) -> None:
    trained = {plain(caption.text) for caption in captions.pool(seed=0)}
    assert trained
    assert [prompt["text"] for prompt in prompts if plain(prompt["text"]) in trained] == []
