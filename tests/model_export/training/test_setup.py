"""What a run hears is said truly, and what it does not hear cannot stop it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model_export import manifest
from model_export.errors import TrainingError
from model_export.manifest import Row
from model_export.training import setup
from model_export.training.config import Config
from model_export.training.texts import Pool
from tests.model_export.training.conftest import changed


@pytest.fixture
def rows(material: Path) -> list[Row]:
    """Return the clips of the material."""
    return manifest.read(material / "made.csv")


def provenance(rows: list[Row], config: Config) -> dict[str, list[str]]:
    used, training, held = setup.split(rows, config)
    return setup.provenance(used, training, held, config)


def test_who_was_heard_and_who_was_not_is_recorded(rows: list[Row], config: Config) -> None:
    about = provenance(rows, config)
    assert about["corpora"] == ["made"]
    assert set(about["training_speakers"]) | set(about["validation_speakers"]) == {row.speaker for row in rows}
    assert not set(about["training_speakers"]) & set(about["validation_speakers"])
    assert "words_left_out" not in about


def test_a_corpus_that_is_never_drawn_was_not_trained_on(rows: list[Row], config: Config) -> None:
    other = [replace(row, corpus="other", speaker=row.speaker.replace("made", "other")) for row in rows]
    about = provenance(rows + other, changed(config, data={"corpus_weight": {"other": 0.0}}))
    assert about["corpora"] == ["made"]
    assert not any(speaker.startswith("other") for speaker in about["training_speakers"])
    assert any(speaker.startswith("other") for speaker in about["validation_speakers"])
    with pytest.raises(TrainingError, match="leaves no clip"):
        setup.split(rows, changed(config, data={"corpus_weight": {"made": 0.0}}))
    with pytest.raises(TrainingError, match="names no corpus of this run: elsewhere"):
        setup.split(rows, changed(config, data={"corpus_weight": {"elsewhere": 1.0}}))


def test_clips_of_a_test_part_are_not_even_opened(rows: list[Row], config: Config, tmp_path: Path) -> None:
    hidden = [replace(rows[0], path=tmp_path / f"{n}.wav", speaker="made-hidden", split="test") for n in range(3)]
    used, training, held = setup.split([*hidden, *rows], config)
    assert used == rows
    assert sorted([*training, *held]) == list(range(len(rows)))


def test_left_out_words_are_recorded_and_are_in_no_caption_of_a_clip_either(rows: list[Row], config: Config) -> None:
    config = changed(config, captions={"leave_out": ("furious",)})
    assert provenance(rows, config)["words_left_out"] == ["furious"]
    spoken = [replace(row, caption="a Furious voice | an angry voice") for row in rows]
    pool = Pool.of(spoken, np.full((len(rows), 3), 4.0, np.float32), config.captions, 0)
    assert all([pool.captions[i].text for i in own] == ["an angry voice"] for own in pool.own)
    assert not any("furious" in caption.text.lower() for caption in pool.captions)
