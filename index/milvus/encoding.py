"""How a library in Milvus files what filters look at, so that Milvus compares exactly as the language says.

Milvus' own comparison of JSON values is not the filter language's: it depends on the server's version what `not`
makes of a missing key, whole numbers beyond 2**53 lose their last digits, and a field's name or value would be
text of the expression. So nothing of metadata is ever compared as such:

- `tokens` are fixed-length hashes of (key, type, value), of (key, type) and of (key): whether a field equals
  something, is of a type, has a value or is there at all is whether a token is among a row's tokens.
- `ranges` maps a hash of (key, type) to a text that orders as the value does, exactly: see `sortable`.

All that reaches an expression is made of letters, digits, `-` and `_`.
"""

import math
import struct
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Final

from index.records import JsonScalar, Kind, kind

# base64's alphabet in the order of its characters' codes: with it, encoded texts order as the bytes do.
_BASE64: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_ORDERED: Final = b"-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
_IN_ORDER: Final = bytes.maketrans(_BASE64, _ORDERED)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def field_token(key: str) -> str:
    """Return the token of a row that has the metadata field `key`, be it null."""
    return _digest("field", key)


def has_token(key: str) -> str:
    """Return the token of a row whose metadata field `key` has a value."""
    return _digest("has", key)


def type_token(key: str, type: Kind) -> str:
    """Return the token of a row whose field `key` has a value of that type."""
    return _digest("type", key, type)


def value_token(key: str, value: str | int | float | bool) -> str:
    """Return the token of a row whose field `key` equals `value`: of equal values it is the same."""
    return _digest("value", key, kind(value), _canonical(value))


def range_key(key: str, type: Kind) -> str:
    """Return under what name `ranges` holds the value of `key`, where it is of that type."""
    return _digest("range", key, type)


def tokens(metadata: Mapping[str, JsonScalar]) -> list[str]:
    """Return all tokens of a clip's metadata, in one order whatever the order of its fields."""
    found = []
    for key, value in metadata.items():
        found.append(field_token(key))
        if value is not None:
            found += [has_token(key), type_token(key, kind(value)), value_token(key, value)]
    return sorted(found)


def ranges(metadata: Mapping[str, JsonScalar]) -> dict[str, str]:
    """Return what is compared in order of a clip's metadata: its numbers and texts."""
    return {
        range_key(key, kind(value)): sortable(value)
        for key, value in metadata.items()
        if value is not None and not isinstance(value, bool)
    }


def sortable(value: str | int | float) -> str:
    """Return an ASCII text that equals and orders, among those of one type, exactly as the value does.

    A text becomes its UTF-8 in an ordered base64. A number becomes the greatest double that is not over it, as
    16 hexadecimal digits that order as doubles do, and how far the number is above it (whole numbers only).
    """
    if isinstance(value, str):
        return b64encode(value.encode()).rstrip(b"=").translate(_IN_ORDER).decode()
    below = float_below(value)
    above = value - int(below) if isinstance(value, int) else 0
    (bits,) = struct.unpack(">Q", struct.pack(">d", below + 0.0))  # + 0.0: minus zero is zero
    bits = bits ^ (2**64 - 1) if bits >> 63 else bits | 1 << 63
    return f"{bits:016x}{above:03x}"


def float_below(value: int | float) -> float:
    """Return the greatest double that is not over `value`, which is a double or of 64 bits."""
    near = float(value)
    return near if near <= value else math.nextafter(near, -math.inf)


def microseconds(moment: datetime) -> int:
    """Return a moment as microseconds since 1970."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def moment(microseconds: int) -> datetime:
    """Return the moment of so many microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=microseconds)


def name_key(text: str) -> str:
    """Return what stands for a text, such as a path, that is only ever looked for as a whole."""
    return _digest("name", text)


def _canonical(value: str | int | float | bool) -> str:
    return str(value) if isinstance(value, bool) else sortable(value)


def _digest(*parts: str) -> str:
    # Lengths in between: no two different lists of parts give one text.
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return blake2b(text.encode(), digest_size=16).hexdigest()
