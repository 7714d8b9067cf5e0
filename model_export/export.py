"""Towers to a bundle: two ONNX files that agree with torch, stored small.

Matrices are stored as int8 per output channel and the word table as float16; both are widened when the session is made
and computed with in float32. So a vector depends neither on what else is in its batch nor on the processor: int8
activations are scaled over a batch, and on processors without VNNI their products saturate (a cosine of 0.97 to the
float32 model on some clips, where this keeps 0.999).
"""

import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

from encoders import bundle
from encoders.audio import SAMPLE_RATE
from encoders.sessions import open_session
from model_export import captions
from model_export.errors import ExportError
from model_export.towers import HOP_DUR, WIN_DUR, Exported, Towers

OPSET = 20
OUTPUTS = ("embedding", "affect")
TOLERANCE = 1e-4
SMALLEST_COSINE = 0.995
SMALLEST_MATRIX = 16_384  # entries; below it int8 saves nothing worth its error

Example = tuple[Tensor, Tensor]


def audio_example(batch: int, samples: int, seed: int = 0) -> Example:
    """Noise bursts of unequal lengths, padded with zeros: samples [batch, samples], lengths [batch]."""
    rng = torch.Generator().manual_seed(seed)
    lengths = torch.linspace(samples, max(samples * 0.4, 4800), batch).long()
    envelope = torch.sin(torch.arange(samples) / 2500).square() + 0.02
    inside = torch.arange(samples)[None] < lengths[:, None]
    return torch.randn(batch, samples, generator=rng) * 0.05 * envelope * inside, lengths


def text_example(batch: int, tokens: int, seed: int = 0) -> Example:
    """Random token ids and masks of unequal lengths, both int64 [batch, tokens]."""
    rng = torch.Generator().manual_seed(seed)
    lengths = torch.linspace(tokens, max(tokens // 2, 3), batch).long()
    inside = (torch.arange(tokens)[None] < lengths[:, None]).long()
    return torch.randint(999, 30_000, (batch, tokens), generator=rng) * inside, inside


def to_onnx(module: Exported, example: Example, names: tuple[str, str], path: Path) -> None:
    """Export with both axes dynamic into one file."""
    # Batch and length must be larger than 1 and equal no constant of the model, or the exporter freezes them.
    batch = torch.export.Dim("batch", min=1, max=4096)
    axis = torch.export.Dim.AUTO
    second = {0: batch} if example[1].dim() == 1 else {0: batch, 1: axis}
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
    assert program is not None
    for node in program.model.graph:
        for value in node.outputs:
            # BERT has values of its own called "embedding"; the contract's name is the output's alone.
            if value.name in OUTPUTS and not value.is_graph_output():
                value.name = f"{value.name}_inside"
    program.save(str(path))


def compare(module: Exported, path: Path, examples: list[Example], names: tuple[str, str]) -> tuple[float, float]:
    """Largest difference of any output, and smallest cosine of an embedding, between torch and the file."""
    session = open_session(path, threads=1)
    differences, cosines = [], []
    for first, second in examples:
        with torch.inference_mode():
            expected = [output.numpy() for output in module(first, second)]
        found = session.run(None, {names[0]: first.numpy(), names[1]: second.numpy()})
        differences += [np.abs(a - b).max() for a, b in zip(expected, found, strict=True)]
        cosines.append((expected[0] * found[0]).sum(axis=1).min())
    # NumPy's max and min, unlike Python's, let a NaN through.
    return float(np.max(differences)), float(np.min(cosines))


def check(module: Exported, path: Path, examples: list[Example], names: tuple[str, str]) -> dict[str, float]:
    """Hold a float32 file to TOLERANCE, everywhere; ExportError says by how much it misses."""
    difference, _ = compare(module, path, examples, names)
    if not difference <= TOLERANCE:
        raise ExportError(f"{path.name} differs from torch by {difference:.2e}; at most {TOLERANCE:.0e} is allowed")
    return {"float32_largest_difference": difference}


def check_small(module: Exported, path: Path, examples: list[Example], names: tuple[str, str]) -> dict[str, float]:
    """Hold a shrunk file to SMALLEST_COSINE; ExportError says by how much it misses."""
    _, cosine = compare(module, path, examples, names)
    if not cosine >= SMALLEST_COSINE:
        raise ExportError(
            f"{path.name}, shrunk, has cosine {cosine:.4f} with torch; at least {SMALLEST_COSINE} is needed"
        )
    return {"int8_smallest_cosine": cosine}


def shrink(path: Path, target: Path) -> None:
    """Store matrices as int8 per channel and the word table as float16; computation stays float32."""
    model = onnx.load(path)
    graph = model.graph
    graph.ClearField("value_info")  # the exporter's shapes would contradict the new types
    tables = {node.input[0] for node in graph.node if node.op_type == "Gather"}
    matrices: dict[str, int] = {}  # weight -> the axis of its output channels
    for node in graph.node:
        if node.op_type == "MatMul":
            matrices[node.input[1]] = 1
        elif node.op_type == "Gemm":
            transposed = any(a.name == "transB" and a.i for a in node.attribute)
            matrices[node.input[1]] = 0 if transposed else 1
    added: list[onnx.NodeProto] = []
    for initializer in list(graph.initializer):
        values = numpy_helper.to_array(initializer)
        name = initializer.name
        if values.ndim != 2 or values.size < SMALLEST_MATRIX or values.dtype != np.float32:
            continue
        if name in matrices:
            stored, scale = _int8(values, matrices[name])
            graph.initializer.remove(initializer)
            graph.initializer.extend(
                [numpy_helper.from_array(stored, name + ".int8"), numpy_helper.from_array(scale, name + ".scale")]
            )
            # Cast and Mul of constants are folded when the session is made; a DequantizeLinear would run at each call.
            added += [
                onnx.helper.make_node("Cast", [name + ".int8"], [name + ".wide"], to=onnx.TensorProto.FLOAT),
                onnx.helper.make_node("Mul", [name + ".wide", name + ".scale"], [name]),
            ]
        elif name in tables:
            graph.initializer.remove(initializer)
            graph.initializer.append(numpy_helper.from_array(values.astype(np.float16), name))
            for node in [n for n in graph.node if n.op_type == "Gather" and n.input[0] == name]:
                wide = node.output[0]
                node.output[0] = wide + ".half"
                position = list(graph.node).index(node) + 1
                graph.node.insert(
                    position, onnx.helper.make_node("Cast", [wide + ".half"], [wide], to=onnx.TensorProto.FLOAT)
                )
    for position, node in enumerate(added):
        graph.node.insert(position, node)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, target)


def _int8(values: npt.NDArray[np.float32], axis: int) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Symmetric int8 with one scale for each index of `axis`."""
    scale = np.abs(values).max(axis=1 - axis, keepdims=True) / 127
    scale = np.where(scale == 0, 1.0, scale).astype(np.float32)
    return np.round(values / scale).astype(np.int8), scale


def export(
    model: Towers, target: Path, *, name: str, version: str, licence: str, provenance: dict[str, Any], int8: bool = True
) -> bundle.Bundle:
    """Write a bundle into the folder `target` and return it.

    Raises:
        ExportError: the output cannot be written, or a graph differs from torch (nothing is sealed unchecked).
        BundleError: the sealed bundle does not load.
    """
    target.mkdir(parents=True, exist_ok=True)
    towers: list[tuple[str, Exported, tuple[str, str], Callable[[int, int, int], Example]]] = [
        ("audio", Exported(model.audio, model), ("samples", "lengths"), audio_example),
        ("text", Exported(model.text, model), ("input_ids", "attention_mask"), text_example),
    ]
    sizes = {"audio": (12_345, SAMPLE_RATE * 2, SAMPLE_RATE * 4), "text": (5, 17, 60)}
    checks: dict[str, Any] = {}
    for kind, module, names, example in towers:
        module.eval()
        path = target / f"{kind}.onnx"
        full = target / f"{kind}.fp32.onnx"
        to_onnx(module, example(3, sizes[kind][1] + 7, 0), names, full)
        examples = [
            example(batch, size, seed) for seed, (batch, size) in enumerate(itertools.product((1, 2, 5), sizes[kind]))
        ]
        checks[kind] = check(module, full, examples, names)
        if int8:
            shrink(full, path)
            full.unlink()
            checks[kind] |= check_small(module, path, examples, names)
        else:
            full.replace(path)
    shutil.copyfile(model.tokenizer, target / "tokenizer.json")
    with (target / "prompts.jsonl").open("w", encoding="utf-8") as file:
        for caption in captions.bank():
            valence, arousal = (round(float(value), 3) for value in caption.affect)
            line = {"text": caption.text, "term": caption.term, "valence": valence, "arousal": arousal}
            file.write(json.dumps(line) + "\n")
    bundle.seal(
        target,
        name=name,
        version=version,
        licence=licence,
        sample_rate=SAMPLE_RATE,
        embedding_dim=model.read_out.in_features,
        win_dur=WIN_DUR,
        hop_dur=HOP_DUR,
        provenance={**provenance, "int8": int8, "agreement_with_torch": checks},
    )
    return bundle.load(target)
