"""A tower as an ONNX file, and whether that file computes what torch computes."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from encoders.sessions import open_session
from model_export.errors import ExportError
from model_export.towers import Exported

OPSET = 20
INPUTS = {"audio": ("samples", "lengths"), "text": ("input_ids", "attention_mask")}
OUTPUTS = ("embedding", "affect")
TOLERANCE = 1e-4

Example = tuple[Tensor, Tensor]


def audio_example(batch: int, samples: int, seed: int = 0) -> Example:
    """Noise bursts of unequal lengths, padded with zeros: samples [batch, samples], lengths [batch]."""
    rng = torch.Generator().manual_seed(seed)
    lengths = torch.linspace(samples, max(samples * 0.4, 4800), batch).long()
    envelope = torch.sin(torch.arange(samples) / 2500).square() + 0.02
    inside = torch.arange(samples)[None] < lengths[:, None]
    return torch.randn(batch, samples, generator=rng) * 0.05 * envelope * inside, lengths


def text_example(batch: int, tokens: int, seed: int = 0, vocabulary: int = 30_000) -> Example:
    """Random token ids below `vocabulary` and masks of unequal lengths, both int64 [batch, tokens]."""
    rng = torch.Generator().manual_seed(seed)
    lengths = torch.linspace(tokens, max(tokens // 2, 3), batch).long()
    inside = (torch.arange(tokens)[None] < lengths[:, None]).long()
    return torch.randint(1, vocabulary, (batch, tokens), generator=rng) * inside, inside


def to_onnx(module: Exported, example: Example, names: tuple[str, str], path: Path) -> None:
    """Export with both axes dynamic into one file; ExportError when the exporter cannot follow the module."""
    # Batch and length must be larger than 1 and equal no constant of the model, or the exporter freezes them.
    batch = torch.export.Dim("batch", min=1, max=4096)
    axis = torch.export.Dim.AUTO
    second = {0: batch} if example[1].dim() == 1 else {0: batch, 1: axis}
    try:
        program = torch.onnx.export(
            module.eval(),
            example,
            dynamo=True,
            opset_version=OPSET,
            external_data=False,
            input_names=list(names),
            output_names=list(OUTPUTS),
            dynamic_shapes=({0: batch, 1: axis}, second),
            verbose=False,
        )
    except torch.onnx.errors.OnnxExporterError as error:
        reason = str(error).strip().splitlines()[0]
        raise ExportError(f"{path.name}: torch cannot export this encoder to ONNX ({reason})") from error
    assert program is not None
    for node in program.model.graph:
        for value in node.outputs:
            # BERT has values of its own called "embedding"; the contract's name is the output's alone.
            if value.name in OUTPUTS and not value.is_graph_output():
                value.name = f"{value.name}_inside"
    program.save(str(path))


def check(module: Exported, path: Path, examples: list[Example], names: tuple[str, str]) -> float:
    """Hold a file to TOLERANCE in all outputs: the largest difference to torch.

    Raises:
        ExportError: it is larger, or no number.
    """
    session = open_session(path, threads=1)
    differences = []
    for first, second in examples:
        with torch.inference_mode():
            expected = [output.numpy() for output in module(first, second)]
        found = session.run(list(OUTPUTS), {names[0]: first.numpy(), names[1]: second.numpy()})
        differences += [np.abs(a - b).max() for a, b in zip(expected, found, strict=True)]
    difference = float(np.max(differences))  # NumPy's max, unlike Python's, lets a NaN through
    if not difference <= TOLERANCE:
        raise ExportError(f"{path.name} differs from torch by {difference:.2e}; at most {TOLERANCE:.0e} is allowed")
    return difference
