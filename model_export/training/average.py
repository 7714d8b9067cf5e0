"""The moving average of the weights, which is what is validated and kept (Polyak and Juditsky 1992).

Its decay grows with the steps, min(decay, (1 + step) / (10 + step)), so that the random start is soon forgotten.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Average:
    """An exponential moving average of weights, beside them."""

    def __init__(self, weights: Mapping[str, nn.Parameter], decay: float) -> None:
        self.weights, self.decay = weights, decay
        self.values: dict[str, Tensor] = {name: weight.detach().clone() for name, weight in weights.items()}

    def update(self, step: int) -> None:
        """Move the average towards the weights after step 1, 2, ..."""
        decay = min(self.decay, (1 + step) / (10 + step))
        with torch.no_grad():
            for name, weight in self.weights.items():
                self.values[name].lerp_(weight, 1.0 - decay)

    def put(self, values: Mapping[str, Tensor]) -> None:
        """Take the average from a checkpoint."""
        for name, value in self.values.items():
            value.copy_(values[name])

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The weights are their average for as long as the block lasts."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self) -> None:
        for name, weight in self.weights.items():
            weight.data, self.values[name] = self.values[name], weight.data
