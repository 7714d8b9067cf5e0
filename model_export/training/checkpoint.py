"""The two files of a run that hold weights.

`best.pt` is what is exported: the moving average of the weights at the validation with the best mean tau of valence
and arousal, with the configuration, that validation and where the run came from.
`last.pt` is what a stopped run goes on from: weights, their average, the optimiser's state, the step and the best so
far.

Both hold trained weights only; the frozen ones come from the backbones again, and a fingerprint of them makes sure
that they are the same. Each file is written beside and moved into place: a reader sees the old one or the new one,
never a part, and a full disk leaves the old one.
"""

import hashlib
import os
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from model_export import towers
from model_export.errors import TrainingError
from model_export.manifest import Row
from model_export.training import config as configuration
from model_export.training.cache import fingerprint
from model_export.training.config import Config

BEST, LAST = "best.pt", "last.pt"
FORM = 3

_UNREADABLE = (
    OSError,
    LookupError,
    AttributeError,
    RuntimeError,
    TypeError,
    ValueError,
    EOFError,
    pickle.UnpicklingError,
)


def trained(module: nn.Module) -> dict[str, nn.Parameter]:
    """The weights that training moves, by name."""
    return {name: weight for name, weight in module.named_parameters() if weight.requires_grad}


def put(weights: Mapping[str, Tensor], module: nn.Module) -> None:
    """Give a module the trained weights of another one like it; ValueError when they are not its own."""
    own = trained(module)
    if weights.keys() != own.keys():
        raise ValueError(f"other weights than this configuration trains: {sorted(weights.keys() ^ own.keys())[:4]}")
    with torch.no_grad():
        for name, weight in own.items():
            if weight.shape != weights[name].shape:
                raise ValueError(f"{name} is {list(weights[name].shape)}, not {list(weight.shape)}")
            weight.copy_(weights[name])


def save(path: Path, values: dict[str, Any]) -> None:
    """Write a file of a run, whole or not at all.

    Raises:
        TrainingError: it cannot be written; the file that was there before is still there.
    """
    partial = path.with_suffix(".partial")
    try:
        with partial.open("wb") as file:
            torch.save({"form": FORM, **values}, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except (OSError, RuntimeError) as error:
        partial.unlink(missing_ok=True)
        raise TrainingError(
            f"{path}: the checkpoint cannot be written ({error}); the one before it is untouched. Free some space and "
            "go on with --resume"
        ) from error


def read(path: Path, kind: str) -> dict[str, Any]:
    """What a file of `save` holds, on the CPU; TrainingError when it is none, or not of the kind BEST or LAST."""
    try:
        saved: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
        if saved["form"] != FORM:
            raise ValueError(f"form {saved['form']}, not {FORM}")
        if saved["kind"] != kind:
            raise ValueError(f"this is a {saved['kind']}, and a {kind} is needed")
    except _UNREADABLE as error:
        raise TrainingError(f"{path}: not a checkpoint of this version ({error})") from error
    return saved


def load(path: Path) -> tuple[towers.Towers, dict[str, Any]]:
    """The towers of a run's folder or its `best.pt`, in evaluation mode, and what was saved beside the weights.

    Beside them are `config` (nested dictionaries), `step`, `validation` and `provenance`, as they were saved.

    Raises:
        TrainingError: no such checkpoint, or one of another version or with other backbones.
    """
    path = path / BEST if path.is_dir() else path
    saved = read(path, BEST)
    try:
        config = Config.of(saved["config"], str(path))
        _ = saved["provenance"], saved["step"], saved["validation"]
        model = towers.build(config.towers)
        same_backbones(path, saved["frozen"], model)
        put(saved["average"], model)
    except (KeyError, TypeError, ValueError) as error:
        raise TrainingError(f"{path}: not a checkpoint of this version ({error})") from error
    return model.eval(), saved


def frozen(model: towers.Towers) -> str:
    """SHA-256 of all that a checkpoint needs and does not hold: the frozen weights and the tokeniser."""
    return hashlib.sha256(fingerprint(model).encode() + model.tokenizer.read_bytes()).hexdigest()


def same_backbones(path: Path, expected: str, model: towers.Towers) -> None:
    """TrainingError when the frozen weights or the tokeniser are others than those that a checkpoint was trained on."""
    if frozen(model) != expected:
        raise TrainingError(
            f"{path}: was trained on other frozen weights than the backbones installed here; install the same "
            "versions, or point towers.audio and towers.text at the same files"
        )


def same_run(path: Path, saved: Mapping[str, Any], config: Config, data: Mapping[str, str]) -> None:
    """TrainingError that names each key of the configuration and each manifest that differs from the stopped run's."""
    before = Config.of(saved["config"], str(path))
    differ = configuration.differences(before, config)
    differ += [
        f"{name}: other clips or labels than before"
        for name in sorted(saved["data"].keys() | data.keys())
        if saved["data"].get(name) != data.get(name)
    ]
    if differ:
        listed = "\n  ".join(differ)
        raise TrainingError(
            f"{path.parent}: the stopped run had another configuration or other data (before and now):\n  {listed}\n"
            "Resume with what it had, or choose a new run folder"
        )


def data_fingerprints(rows_of: Mapping[str, Sequence[Row]]) -> dict[str, str]:
    """For each manifest a hash of its rows and of the sizes of the files that they name."""
    return {
        name: hashlib.sha256(repr([(row, row.path.stat().st_size) for row in rows]).encode()).hexdigest()
        for name, rows in rows_of.items()
    }
