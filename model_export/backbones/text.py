"""Sentence vectors: the mean over the tokens of a BERT-like encoder (Reimers and Gurevych 2019, "Sentence-BERT")."""

from pathlib import Path

import torch
from torch import Tensor, nn

from model_export.backbones.packaged import minilm_folder
from model_export.errors import BackboneError


class TextEncoder(nn.Module):
    """A BERT-like encoder with mean pooling over the tokens inside the attention mask."""

    def __init__(self, model: nn.Module, width: int) -> None:
        super().__init__()
        self.model = model
        self.width = width

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


def sentence_encoder(folder: Path | None = None) -> TextEncoder:
    """The text encoder in a Hugging Face folder (default: the packaged MiniLM), in float32 and evaluation mode."""
    from transformers import AutoModel

    folder = folder or minilm_folder()
    # Eager attention: the fused kinds trace into operators that the ONNX exporter lowers less simply.
    model = AutoModel.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32, local_files_only=True)
    return TextEncoder(model.eval(), int(model.config.hidden_size))
