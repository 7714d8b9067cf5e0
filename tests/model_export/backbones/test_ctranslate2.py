"""CTranslate2's files are read whole, and what is no such file is refused by name."""

import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from model_export.backbones import ctranslate2
from model_export.errors import BackboneError


def text(value: str) -> bytes:
    return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"


def variable(name: str, kind: int, values: np.ndarray) -> bytes:
    shape = b"".join(struct.pack("<I", size) for size in values.shape)
    data = values.tobytes()
    return text(name) + struct.pack("<B", values.ndim) + shape + struct.pack("<BI", kind, len(data)) + data


def model(*variables: bytes, aliases: tuple[tuple[str, str], ...] = (), version: int = 6) -> bytes:
    head = struct.pack("<I", version) + text("SomeSpec") + struct.pack("<II", 3, len(variables))
    tail = struct.pack("<I", len(aliases)) + b"".join(text(alias) + text(name) for alias, name in aliases)
    return head + b"".join(variables) + tail


def test_every_type_is_widened_and_an_alias_is_what_it_names(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    half = np.array([[1.5, -2.0]], np.float16)
    weights = np.array([[127, -127], [0, 64]], np.int8)
    path.write_bytes(
        model(
            variable("half", 4, half),
            variable("brain", 5, np.array([0x3FC0], np.uint16)),
            variable("count", 3, np.array(7, np.int32)),
            variable("layer/weight", 1, weights),
            variable("layer/weight_scale", 0, np.array([127.0, 32.0], np.float32)),
            aliases=(("same", "half"),),
        )
    )
    read = ctranslate2.read(path)
    torch.testing.assert_close(read["half"], torch.tensor([[1.5, -2.0]]))
    torch.testing.assert_close(read["same"], read["half"])
    torch.testing.assert_close(read["brain"], torch.tensor([1.5]))
    assert read["count"] == 7
    torch.testing.assert_close(read["layer/weight"], torch.tensor([[1.0, -1.0], [0.0, 2.0]]))

    whole = path.read_bytes()
    parts = [tmp_path / "model.bin.part1", tmp_path / "model.bin.part2"]
    for part, content in zip(parts, (whole[:50], whole[50:]), strict=True):
        part.write_bytes(content)
    torch.testing.assert_close(ctranslate2.read(*parts), read)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"nonsense",
        b"\x06\x00\x00\x00\xff\xff",
        model(variable("x", 9, np.zeros(2, np.float32))),
        model(variable("x", 0, np.zeros(2, np.float32)))[:-9],
        model(aliases=(("one", "nothing"),)),
        model(version=5),
    ],
)
def test_a_file_that_is_no_model_is_refused_by_name(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(content)
    with pytest.raises(BackboneError, match=r"model\.bin"):
        ctranslate2.read(path)
