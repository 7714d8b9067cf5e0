"""Storing an ONNX file small: matrices as int8 per output channel, the word table as float16.

Both are widened when the session is made and computed with in float32. So a vector depends neither on what else is in
its batch nor on the processor: int8 activations are scaled over a batch, and on processors without VNNI their products
saturate (a cosine of 0.97 to the float32 model on some clips, where this keeps 0.999).
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

SMALLEST_MATRIX = 16_384  # entries; below it int8 saves nothing worth its error


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
