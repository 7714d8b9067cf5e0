"""A backbone by its name: the packaged ones, a local folder, or a name at Hugging Face.

A model that wraps one of the known encoders in code of its own is given by the encoder inside: load it where its code
is trusted, `save_pretrained` the encoder, and give that folder (but see `hub` for the wrappers that are known).
"""

from pathlib import Path
from typing import Any

from transformers import AutoModel

from model_export.backbones import hub, wave, whisper
from model_export.backbones.packaged import WHISPERS, minilm_folder, whisper_files
from model_export.backbones.text import TextEncoder, read_text
from model_export.backbones.wave import WaveEncoder
from model_export.backbones.whisper import WhisperEncoder
from model_export.errors import BackboneError

WHISPER, MINILM = "whisper-tiny.en", "minilm"  # what is taken when nothing is named

SpeechEncoder = WhisperEncoder | WaveEncoder


def speech(name: str = WHISPER) -> SpeechEncoder:
    """The speech encoder of a name, in evaluation mode.

    A name is "whisper-tiny.en" or "whisper-base" (packaged), a folder with CTranslate2's `model.bin` (a Whisper, as
    faster-whisper has them), or a folder or name of a Whisper, WavLM, HuBERT or wav2vec 2.0 of Hugging Face.

    Raises:
        BackboneError: there is no such model, it cannot be read, or is of another family.
    """
    if name in WHISPERS:
        return whisper.from_ctranslate2(*whisper_files(name)).eval()
    path = Path(name).expanduser()
    if path.is_dir() and (path / "model.bin").is_file():
        path = path / "model.bin"
    if path.is_file():
        return whisper.from_ctranslate2(path).eval()
    config: Any = hub.read_config(name)
    if config.model_type == "whisper":
        return whisper.from_hugging_face(name).eval()
    if config.model_type in wave.FAMILIES:
        return WaveEncoder(hub.read_model(name, AutoModel)).eval()
    raise BackboneError(
        f'{name}: a "{config.model_type}" is no speech encoder that is known here; '
        f"give a {', '.join(('whisper', *wave.FAMILIES))}"
    )


def text(name: str = MINILM) -> tuple[TextEncoder, Path]:
    """The text encoder of a name, in evaluation mode, and its `tokenizer.json`.

    A name is "minilm" (packaged), or a folder or name of any encoder of Hugging Face (BERT, RoBERTa, MPNet, ...).

    Raises:
        BackboneError: there is no such model, it cannot be read, or is no encoder with a tokenizer.json.
    """
    return read_text(str(minilm_folder()) if name == MINILM else name)
