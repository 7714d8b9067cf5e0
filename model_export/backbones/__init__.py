"""The pretrained encoders: speech to the hidden states of every layer, text to sentence vectors.

    named.py        a name or a folder to an encoder: `speech`, `text`
    whisper.py      Whisper of any size
    wave.py         WavLM, HuBERT, wav2vec 2.0
    text.py         any encoder of text, mean of its tokens
    freezing.py     how much of an encoder is kept, and trained
    packaged.py     those that come as packages: Whisper tiny.en, Whisper base and MiniLM
    ctranslate2.py  the file format of the packaged Whispers
    hub.py          models of Hugging Face

Speech encoders take samples and lengths and heed the lengths: a clip's states do not depend on what it is padded with.
"""

from model_export.backbones.freezing import keep_first, settle, train_only
from model_export.backbones.named import MINILM, WHISPER, SpeechEncoder, speech, text
from model_export.backbones.packaged import minilm_folder, packaged
from model_export.backbones.text import TextEncoder
from model_export.backbones.wave import WaveEncoder
from model_export.backbones.whisper import WhisperEncoder

__all__ = [
    "MINILM",
    "WHISPER",
    "SpeechEncoder",
    "TextEncoder",
    "WaveEncoder",
    "WhisperEncoder",
    "keep_first",
    "minilm_folder",
    "packaged",
    "settle",
    "speech",
    "text",
    "train_only",
]
