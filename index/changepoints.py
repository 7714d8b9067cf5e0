"""Where a series changes for good: the partition into runs that a penalised sum of squares finds.

Of all ways to cut a series [n, d] into runs of at least `shortest` values, `runs` finds the one with the least

    sum over runs of (squared distances of its values from their mean) + penalty * (number of runs - 1)

It is exact: dynamic programming over the end of the last run (Jackson et al. 2005), with those beginnings left out
that can never become best again (PELT, Killick, Fearnhead and Eckley 2012). Time grows with n where changes are
frequent, with n squared where there are none; memory with n.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def runs(values: Floats, penalty: float, shortest: int = 1) -> list[int]:
    """Return where each run of `values` [n, d] begins: 0 first, none for no values.

    Of partitions that cost the same, one is returned. Raises ValueError for a penalty that is negative or not a
    number, and for runs of less than one value.
    """
    if not penalty >= 0 or shortest < 1:
        raise ValueError(f"runs need a penalty >= 0 and at least one value, got {penalty} and {shortest}")
    count = len(values)
    if count < 2 * shortest:
        return [0] if count else []
    spread = _Spread(values)
    least = np.full(count + 1, np.inf)  # the cost of the best partition of the first values, without their last penalty
    least[0] = -penalty
    last = np.zeros(count + 1, np.int64)  # where its last run begins
    begins = np.zeros(0, np.int64)
    for end in range(shortest, count + 1):
        newest = end - shortest
        if np.isfinite(least[newest]):
            # A run that begins at one of these could as well be cut at `newest`, now and for every later end.
            begins = begins[least[begins] + spread(begins, newest) < least[newest]]
            begins = np.append(begins, newest)
        costs = least[begins] + spread(begins, end) + penalty
        best = int(np.argmin(costs))
        least[end], last[end] = costs[best], begins[best]
    found = [count]
    while found[-1] > 0:
        found.append(int(last[found[-1]]))
    return found[:0:-1]


class _Spread:
    """The sum of squared distances of the values from their mean, of any stretch of a series."""

    def __init__(self, values: Floats) -> None:
        centred = values - values.mean(axis=0)  # sums of squares of large numbers would lose the small differences
        self._sums = np.concatenate([np.zeros((1, centred.shape[1])), np.cumsum(centred, axis=0)])
        self._squares = np.concatenate([[0.0], np.cumsum(np.square(centred).sum(axis=1))])

    def __call__(self, begins: npt.NDArray[np.int64], end: int) -> Floats:
        """Return it for each of the stretches `begins`..`end` (not included)."""
        total = np.square(self._sums[end] - self._sums[begins]).sum(axis=1)
        found: Floats = self._squares[end] - self._squares[begins] - total / (end - begins)
        return found
