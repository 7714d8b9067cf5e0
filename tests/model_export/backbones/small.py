"""Small models with random weights, saved as Hugging Face folders: one of each family."""

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import (
    BertConfig,
    BertModel,
    DistilBertConfig,
    DistilBertModel,
    HubertConfig,
    HubertModel,
    MPNetConfig,
    MPNetModel,
    PreTrainedModel,
    RobertaConfig,
    RobertaModel,
    Wav2Vec2Config,
    Wav2Vec2Model,
    WavLMConfig,
    WavLMModel,
    WhisperConfig,
    WhisperModel,
)

BASE = {"feat_extract_norm": "group", "do_stable_layer_norm": False, "conv_bias": False}
LARGE = {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}

_WAVE: dict[str, Any] = {"wavlm": (WavLMConfig, WavLMModel), "hubert": (HubertConfig, HubertModel)}
_WAVE["wav2vec2"] = (Wav2Vec2Config, Wav2Vec2Model)
_TEXT: dict[str, Any] = {
    "bert": (BertConfig, BertModel),
    "roberta": (RobertaConfig, RobertaModel),
    "mpnet": (MPNetConfig, MPNetModel),
    "distilbert": (DistilBertConfig, DistilBertModel),
}
WORDS = (
    "<s>",
    "<pad>",
    "</s>",
    "<unk>",
    "a",
    "an",
    "very",
    "calm",
    "angry",
    "sad",
    "happy",
    "voice",
    "speaks",
    "softly",
)
VOCABULARY = 64


def _made(config: Any, model: Any, seed: int) -> Any:
    torch.manual_seed(seed)
    made = model(config).eval()
    with torch.no_grad():
        for weights in made.parameters():
            # Gains of one and offsets of zero would hide a part that is left out.
            if weights.dim() == 1:
                weights.add_(0.1 * torch.randn_like(weights))
    return made


def wave_model(kind: str, shape: dict[str, Any], seed: int = 0) -> Any:
    """Make a WavLM, HuBERT or wav2vec 2.0 with a step of 320 samples (20 ms), as all published ones have it."""
    config, model = _WAVE[kind]
    return _made(
        config(
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=48,
            conv_dim=(16, 16, 16),
            conv_kernel=(10, 3, 3),
            conv_stride=(5, 8, 8),
            num_conv_pos_embeddings=16,
            num_conv_pos_embedding_groups=2,
            **shape,
        ),
        model,
        seed,
    )


def whisper_model(seed: int = 0, mels: int = 40) -> Any:
    """Make a Whisper of two blocks."""
    config = WhisperConfig(
        vocab_size=20,
        d_model=32,
        encoder_layers=2,
        encoder_attention_heads=2,
        encoder_ffn_dim=128,
        decoder_layers=1,
        decoder_attention_heads=2,
        decoder_ffn_dim=32,
        num_mel_bins=mels,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
    )
    return _made(config, WhisperModel, seed)


def text_model(kind: str, seed: int = 0, **choices: Any) -> Any:
    """Make an encoder of text with a vocabulary of VOCABULARY words."""
    config, model = _TEXT[kind]
    settings = {
        "vocab_size": VOCABULARY,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 48,
        "hidden_dim": 48,
        "max_position_embeddings": 140,
        "pad_token_id": 1,
        "bos_token_id": 0,
        "eos_token_id": 2,
    }
    return _made(config(**{**settings, **choices}, attn_implementation="eager"), model, seed)


def saved(model: PreTrainedModel, folder: Path) -> str:
    """Save a model and return its folder as the name that a config would give."""
    model.save_pretrained(folder)
    return str(folder)


def tokenizer(folder: Path, words: tuple[str, ...] = WORDS) -> None:
    """Write a `tokenizer.json` that knows a few words."""
    made = Tokenizer(WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))
    made.pre_tokenizer = Whitespace()
    made.post_processor = TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", words.index("<s>")), ("</s>", words.index("</s>"))]
    )
    made.save(str(folder / "tokenizer.json"))
