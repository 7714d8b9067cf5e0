"""All segments in few dimensions, in the order of the rows, a byte a value: what a filter leaves is scanned in it.

float16, as older versions kept them, would find hardly more and take twice the memory.
"""

from dataclasses import dataclass
from typing import Self

import faiss
import numpy as np

from index.local.codes import Bytes, Codes, Floats, Ints, over, taken


@dataclass(frozen=True, eq=False)
class Coarse:
    """The codes [n, bytes of a code], and an index over them; both live as long as this does."""

    codes: Bytes
    index: faiss.IndexScalarQuantizer

    @classmethod
    def of(cls, codes: Bytes, quantizer: faiss.ScalarQuantizer) -> Self:
        """Return those that the quantizer made."""
        return cls(codes, over(codes, quantizer, faiss.METRIC_L2))

    @classmethod
    def read(cls, kept: Bytes) -> Self:
        """Return them from the bytes of `serialized`."""
        index = faiss.deserialize_index(kept)
        assert isinstance(index, faiss.IndexScalarQuantizer)
        codes: Bytes = faiss.rev_swig_ptr(index.codes.data(), index.codes.size())
        return cls(codes.reshape(index.ntotal, index.code_size), index)

    @classmethod
    def read_halves(cls, values: Codes) -> Self:
        """Return them from values [n, values] as older versions kept them."""
        quantizer = faiss.ScalarQuantizer(values.shape[1], faiss.ScalarQuantizer.QT_fp16)
        return cls.of(values.view(np.uint8), quantizer)

    def serialized(self) -> Bytes:
        """Return the bytes to be kept."""
        kept: Bytes = faiss.serialize_index(self.index)
        return kept

    def nearest(self, query: Floats, rows: Ints, count: int) -> Ints:
        """Return the `count` rows among those given that are nearest to a query [values], nearest first."""
        copied = taken(self.codes, rows)
        _, places = over(copied, self.index.sq, faiss.METRIC_L2).search(query[np.newaxis], count)
        nearest: Ints = rows[places[0]]
        return nearest


def quantizer_for(sample: Floats) -> faiss.ScalarQuantizer:
    """Return what makes vectors like those of the sample [n, values] bytes: each value's range there in 256 steps."""
    quantizer = faiss.ScalarQuantizer(sample.shape[1], faiss.ScalarQuantizer.QT_8bit)
    quantizer.train(sample)
    return quantizer
