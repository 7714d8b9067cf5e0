"""The pretrained encoders: speech to hidden states of every layer, text to sentence vectors.

whisper.py      Whisper of any size, at the clips' own length
text.py         any encoder for text, mean of its tokens
freezing.py     how much of an encoder is trained
packaged.py     the two that come as packages: Whisper tiny.en and MiniLM
ctranslate2.py  the file format of the first
"""

from model_export.backbones.freezing import blocks_trained, settle, train_only
from model_export.backbones.packaged import minilm_folder, packaged
from model_export.backbones.text import TextEncoder, sentence_encoder
from model_export.backbones.whisper import WhisperEncoder, whisper

__all__ = [
    "TextEncoder",
    "WhisperEncoder",
    "blocks_trained",
    "minilm_folder",
    "packaged",
    "sentence_encoder",
    "settle",
    "train_only",
    "whisper",
]
