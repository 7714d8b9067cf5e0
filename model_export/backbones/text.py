"""Sentence vectors: the mean over the tokens of a BERT-like encoder (Reimers and Gurevych 2019, "Sentence-BERT")."""

from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import AutoModel

from model_export.backbones import hub
from model_export.errors import BackboneError

MAX_TOKENS = 128  # `encoders.encoder` cuts prompts there


class TextEncoder(nn.Module):
    """A BERT-like encoder with mean pooling over the tokens inside the attention mask."""

    def __init__(self, model: nn.Module, width: int) -> None:
        super().__init__()
        self.model = model
        self.width = width

    @property
    def vocabulary(self) -> int:
        """The number of token ids that the encoder knows: ids are 0..vocabulary - 1."""
        config: Any = self.model.config
        return int(config.vocab_size)

    @property
    def blocks(self) -> nn.ModuleList:
        """The transformer's blocks, first to last."""
        return blocks_of(self.model)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """[batch, tokens] twice -> [batch, width]."""
        hidden = self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        weights = attention_mask[:, :, None].to(hidden.dtype)
        pooled: Tensor = (hidden * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1.0)
        return pooled


def blocks_of(model: nn.Module) -> nn.ModuleList:
    """The blocks of a transformer of Hugging Face: the list of modules that is as long as its config says."""
    layers = getattr(model.config, "num_hidden_layers", 0)
    for module in model.modules():
        if isinstance(module, nn.ModuleList) and len(module) == layers:
            return module
    raise BackboneError(
        f"{type(model).__name__}: no list of {layers} blocks is in it; this kind of model is not supported"
    )


def read_text(name: str) -> tuple[TextEncoder, Path]:
    """The text encoder in a folder or of a name of Hugging Face, in evaluation mode, and its `tokenizer.json`.

    Raises:
        BackboneError: see `hub.read_model`; or it is an encoder-decoder, takes too few tokens, or has no
        tokenizer.json, or one of more words than the model knows.
    """
    config: Any = hub.read_config(name)
    if config.is_encoder_decoder:
        raise BackboneError(
            f"{name}: a {config.model_type} has a decoder; give an encoder, such as a BERT or a RoBERTa"
        )
    # RoBERTa and its kin count two positions more than the tokens that they take.
    if getattr(config, "max_position_embeddings", MAX_TOKENS + 2) - 2 < MAX_TOKENS:
        raise BackboneError(
            f"{name}: it takes {config.max_position_embeddings} tokens; prompts have up to {MAX_TOKENS}"
        )
    path = hub.fetch(name, "tokenizer.json")
    if path is None:
        raise BackboneError(
            f"{name}: there is no tokenizer.json, which a bundle carries; write one with "
            'transformers.AutoTokenizer.from_pretrained("...").save_pretrained("...") beside the weights'
        )
    try:
        words = Tokenizer.from_file(str(path)).get_vocab_size()
    except Exception as error:  # tokenizers raises no narrower class
        raise BackboneError(f"{path}: not a readable tokenizer.json ({error})") from error
    if words > config.vocab_size:
        raise BackboneError(
            f"{path} has {words:,} words, the model only {config.vocab_size:,}: they do not belong together"
        )
    # Eager attention: the fused kinds trace into operators that the ONNX exporter lowers less simply.
    model = hub.read_model(name, AutoModel, attn_implementation="eager")
    return TextEncoder(model, int(config.hidden_size)), path
