"""A corpus of made voices and small backbones with random weights: a run of a few steps takes a second."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from model_export import manifest
from model_export.emotions import affect_of
from model_export.manifest import Row
from model_export.training import config as configuration
from model_export.training.config import Config
from tests.model_export.backbones import small
from tests.model_export.conftest import speak

EMOTIONS = ("anger", "calm", "happiness", "sadness")


@pytest.fixture(scope="session")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with a manifest of 24 clips by six speakers, a Whisper of two blocks and a BERT of two."""
    folder = tmp_path_factory.mktemp("material")
    rows = []
    for speaker in range(6):
        for number, emotion in enumerate(EMOTIONS):
            path = folder / "clips" / f"{speaker}-{emotion}.wav"
            speak(path, seed=10 * speaker + number, pitch=100 + 30 * number)
            place = affect_of(emotion)
            gender = "female" if speaker % 2 else "male"
            rows.append(Row(path, "made", f"made-{speaker}", emotion, *place, gender=gender))
    manifest.write(rows, folder / "made.csv")
    small.saved(small.whisper_model(), folder / "whisper")
    small.saved(small.text_model("bert"), folder / "bert")
    small.tokenizer(folder / "bert")
    return folder


@pytest.fixture
def config(material: Path) -> Config:
    """Describe a run of six steps over the material."""
    return changed(
        configuration.Config(manifests=(str(material / "made.csv"),), threads=1),
        towers={"audio": str(material / "whisper"), "text": str(material / "bert"), "train_audio": "last-1", "dim": 16},
        data={"crop_seconds": (0.3, 0.5)},
        captions={"pool": 60, "extra": 7},
        features={"folder": str(material / "features")},
        optimisation={"steps": 6, "batch": 8, "validate_every": 2, "checkpoint_every": 2, "log_every": 1},
    )


def changed(config: Config, **sections: dict[str, Any]) -> Config:
    """The configuration with some keys of some sections changed."""
    return dataclasses.replace(
        config,
        **{name: dataclasses.replace(getattr(config, name), **values) for name, values in sections.items()},
    )
