"""Reader of CTranslate2's model files (https://github.com/OpenNMT/CTranslate2, binary format 6).

The layout, little-endian; a string is its length with the closing zero (uint16), then its bytes:

    uint32 format, string specification, uint32 revision
    uint32 number of variables, each: string name, uint8 rank, uint32 sizes, uint8 type, uint32 bytes, data
    uint32 number of aliases, each: string alias, string name     (equal variables are stored once)

Quantised weights (int8, int16) have a `<name>_scale` beside them, per output channel; they are widened here.
"""

import struct
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from model_export.errors import BackboneError

_FORMAT = 6
_TYPES = {0: torch.float32, 1: torch.int8, 2: torch.int16, 3: torch.int32, 4: torch.float16, 5: torch.bfloat16}


def read(path: Path, *parts: Path) -> dict[str, Tensor]:
    """All variables of a file by name, as float32 (integers that are no quantised weights stay int64).

    A file that was cut into several is read from all of them, in order.

    Raises:
        BackboneError: the file is not there, or is not of this format.
    """
    try:
        file = BytesIO(b"".join(part.read_bytes() for part in (path, *parts)))
        version = _number(file, "I")
        if version != _FORMAT:
            raise BackboneError(f"{path}: CTranslate2 format {version}; this reads format {_FORMAT}")
        _string(file), _number(file, "I")
        stored = dict(_variable(file) for _ in range(_number(file, "I")))
        for _ in range(_number(file, "I")):
            alias, name = _string(file), _string(file)
            stored[alias] = stored[name]
    except (OSError, struct.error, KeyError, ValueError, RuntimeError, UnicodeDecodeError) as error:
        raise BackboneError(f"{path}: not a readable CTranslate2 model ({error})") from error
    return {name: _wide(value, stored.get(f"{name}_scale")) for name, value in stored.items()}


def _number(file: BinaryIO, kind: str) -> int:
    (value,) = struct.unpack("<" + kind, file.read(struct.calcsize(kind)))
    return int(value)


def _string(file: BinaryIO) -> str:
    return file.read(_number(file, "H"))[:-1].decode()


def _variable(file: BinaryIO) -> tuple[str, Tensor]:
    name = _string(file)
    shape = [_number(file, "I") for _ in range(_number(file, "B"))]
    kind, size = _TYPES[_number(file, "B")], _number(file, "I")
    return name, torch.frombuffer(bytearray(file.read(size)), dtype=kind).reshape(shape)


def _wide(value: Tensor, scale: Tensor | None) -> Tensor:
    if value.dtype.is_floating_point:
        return value.float()
    if scale is None:
        return value.long()
    # CTranslate2 multiplies by the scale when it quantises; a scale a row.
    return value.float() / scale.float().reshape(-1, *[1] * (value.dim() - 1))
