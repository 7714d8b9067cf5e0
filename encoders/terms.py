"""Emotion terms: how near a sound is to each, and its shares of them.

A term is worded by several prompts of the bundle's vocabulary; how near a sound is to it is the mean of its cosines to
them. Shares are the softmax of that over a temperature: fitted on held-out speech where the bundle states one
(`TermShares`), else FALLBACK, which is a choice for reading.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

Floats = npt.NDArray[np.float64]
Vectors = npt.NDArray[np.float32]

FALLBACK: Final = 0.05


class TermShares(BaseModel):
    """How nearness becomes shares, fitted on clips of speakers that the model never heard.

    `terms` are those that the clips were labelled with: of the others it is not known how often they are meant. How
    it is found: `model_export/export/term_shares.py`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature: float = Field(gt=0, allow_inf_nan=False)
    terms: tuple[str, ...] = Field(min_length=1)


class Terms:
    """The terms of a vocabulary, from `of`, the term of each of its prompts; in the order in which they come."""

    def __init__(self, of: Sequence[str]) -> None:
        self.names = tuple(dict.fromkeys(of))
        member = np.array([[term == name for term in of] for name in self.names])
        self._mean = (member / member.sum(axis=1, keepdims=True)).astype(np.float32)

    def nearness(self, cosines: Vectors) -> Floats:
        """Return how near each term is, [..., terms], given the cosines to the prompts, [..., prompts]."""
        found: Floats = (cosines @ self._mean.T).astype(np.float64)
        return found


def shares(nearness: Floats, temperature: float) -> Floats:
    """Return the shares of the terms, which sum to 1 over the last axis."""
    weights = np.exp((nearness - nearness.max(axis=-1, keepdims=True)) / temperature)
    found: Floats = weights / weights.sum(axis=-1, keepdims=True)
    return found
