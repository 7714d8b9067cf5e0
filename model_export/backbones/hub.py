"""Models of Hugging Face, from a local folder or by name, through `transformers`; nothing loads half.

A name that is no folder here is asked of the hub (and its cache); without a network that is an error which says to give
a folder. No code that comes with a model is ever run.

The baselines of the Odyssey 2024 challenge (Goncalves et al. 2024, "Odyssey 2024 - Speech Emotion Recognition
Challenge") wrap a WavLM in code of their own: their config names it as `ssl_type`, its weights are called
`ssl_model.*`. Of those the WavLM is read.
"""

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from logging import CRITICAL
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import hf_hub_download
from safetensors import SafetensorError
from transformers import AutoConfig, PretrainedConfig, PreTrainedModel
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.utils import logging

from model_export.errors import BackboneError

# What we never run may be missing from a file: BERT's pooler, the vector that stands for masked speech.
_UNUSED = ("pooler.", "masked_spec_embed", "position_ids")
_WRAPPED = {r"^ssl_model\.": ""}
_FAILURES = (
    OSError,
    ValueError,
    RuntimeError,
    KeyError,
    AttributeError,
    TypeError,
    ImportError,
    EOFError,
    pickle.UnpicklingError,
    SafetensorError,
)


def check_name(name: str) -> None:
    """Refuse a name that can only mean a folder, but is none; BackboneError says so without asking the hub."""
    path = Path(name).expanduser()
    if not name:
        raise BackboneError("the name of a backbone is empty; give a folder with config.json and weights")
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise BackboneError(f"{name}: the folder has no config.json, so it holds no model of Hugging Face")
    elif path.exists():
        raise BackboneError(f"{name} is a file; give the folder that holds the model's config.json and weights")
    elif path.is_absolute() or name[0] in ".~" or name.count("/") > 1:
        raise BackboneError(f'there is no folder "{name}"; give a folder with config.json and weights')


def read_config(name: str) -> PretrainedConfig:
    """The configuration of a model; of one that wraps an encoder (see above) that of the encoder.

    Raises:
        BackboneError: there is no such folder, the hub does not give it (no network, no such name), or it is of a
        kind that transformers does not know.
    """
    check_name(name)
    try:
        with _quiet():
            settings, _ = PretrainedConfig.get_config_dict(_place(name))
            kind, inner = settings.get("model_type"), settings.get("ssl_type")
            if kind in CONFIG_MAPPING:
                config: PretrainedConfig = AutoConfig.from_pretrained(_place(name), trust_remote_code=False)
                return config
    except _FAILURES as error:
        raise _failed(name, error) from error
    if isinstance(inner, str) and inner != name:
        return read_config(inner)
    raise BackboneError(
        f'{name}: transformers knows no "{kind}", and code that comes with a model is never run here; if it wraps a '
        "known encoder, save that one by itself (model.encoder.save_pretrained(folder)) and give its folder"
    )


def read_model(name: str, kind: Any, **choices: Any) -> PreTrainedModel:
    """A model in float32 and evaluation mode, all of whose weights come from its file; `kind` is a class to load with.

    Raises:
        BackboneError: as `read_config`, or the weights are missing, unreadable, of other shapes, or not all there.
    """
    config = read_config(name)
    try:
        with _quiet():
            model, info = kind.from_pretrained(
                _place(name),
                config=config,
                dtype=torch.float32,
                output_loading_info=True,
                trust_remote_code=False,
                key_mapping=_WRAPPED,
                **choices,
            )
    except _FAILURES as error:
        raise _failed(name, error) from error
    missing = sorted(key for key in info["missing_keys"] if not any(part in key for part in _UNUSED))
    if missing:
        raise BackboneError(
            f"{name}: {len(missing)} of the model's weights are not in its file (such as {missing[0]}); "
            "the config and the weights are of different models"
        )
    loaded: PreTrainedModel = model.eval()
    return loaded


def fetch(name: str, file: str) -> Path | None:
    """A file of a model beside its weights; None when the model has none."""
    if Path(name).expanduser().is_dir():
        path = Path(name).expanduser() / file
        return path if path.is_file() else None
    try:
        return Path(hf_hub_download(name, file))
    except (OSError, ValueError):
        return None


def _place(name: str) -> str:
    path = Path(name).expanduser()
    return str(path) if path.is_dir() else name


def _failed(name: str, error: Exception) -> BackboneError:
    reason = " ".join(str(error).split())[:300]
    if Path(name).expanduser().is_dir():
        return BackboneError(f"{name}: no readable model of Hugging Face ({type(error).__name__}: {reason})")
    return BackboneError(
        f'"{name}" is no folder here, and Hugging Face does not give it ({type(error).__name__}: {reason}); '
        "download the model where there is a network and give its folder"
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the progress bars and loading reports of transformers: what matters of them is checked here."""
    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(CRITICAL)
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]
