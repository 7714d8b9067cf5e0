"""From the states of a layer over time [batch, steps, width] to one vector a clip, heeding the mask [batch, steps].

"mean" is the mean over time, "statistics" mean and standard deviation (Snyder et al. 2018, "X-vectors"), "attentive"
both weighted by a learned attention over time (Okabe et al. 2018, "Attentive Statistics Pooling for Deep Speaker
Embedding", equations 2-6). "mixed" is "statistics" of the mix of all layers, where the others mix what was pooled of
each: their deviations differ.
"""

import torch
from torch import Tensor, nn

POOLINGS = ("statistics", "mean", "attentive", "mixed")
LEARNED = ("attentive", "mixed")  # what is pooled depends on weights of the tower


def even(inside: Tensor, dtype: torch.dtype) -> Tensor:
    """Weights [batch, steps] that are equal inside, zero outside, and sum to 1."""
    keep = inside.to(dtype)
    return keep / keep.sum(dim=1, keepdim=True).clamp(min=1.0)


def mean(states: Tensor, weights: Tensor) -> Tensor:
    """The weighted mean over time: [batch, width]."""
    return (states * weights[:, :, None]).sum(dim=1)


def mean_and_deviation(states: Tensor, weights: Tensor) -> Tensor:
    """The weighted mean and standard deviation over time, side by side: [batch, 2 * width]."""
    centre = mean(states, weights)
    variance = mean((states - centre[:, None]).square(), weights)
    return torch.cat([centre, (variance + 1e-6).sqrt()], dim=1)


class Attention(nn.Module):
    """One hidden layer that says how much each step counts."""

    def __init__(self, width: int, hidden: int = 128) -> None:
        super().__init__()
        self.hidden = nn.Linear(width, hidden)
        self.score = nn.Linear(hidden, 1, bias=False)

    def forward(self, states: Tensor, inside: Tensor) -> Tensor:
        """Weights [batch, steps] that are zero outside and sum to 1."""
        scores = self.score(torch.tanh(self.hidden(states)))[:, :, 0]
        return torch.softmax(torch.where(inside, scores, -1e9), dim=1)
