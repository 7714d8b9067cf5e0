"""Where the segments of a library lie in the plane, all at once and in columns: what a map is drawn from."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

# A segment: the place of its clip among the clips, then start, end, valence, arousal.
Row = tuple[int, float, float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """The segments of `clips` (ids, in the order they were added), each clip's together and in order of time.

    `owners` int32 [n] are places in `clips`; `starts` and `ends` float64 [n] are seconds within the clip; `affect`
    float32 [n, 2] is valence and arousal. Some 28 bytes a segment and 70 a clip.
    """

    clips: tuple[str, ...]
    owners: npt.NDArray[np.int32]
    starts: npt.NDArray[np.float64]
    ends: npt.NDArray[np.float64]
    affect: npt.NDArray[np.float32]

    def __len__(self) -> int:
        """Return the number of segments."""
        return len(self.owners)


def places(clips: Iterable[str], rows: Iterable[Row]) -> Places:
    """Put segments, in any order, in columns and in order."""
    table = np.fromiter(rows, np.dtype((np.float64, 5)))
    table = table[np.lexsort((table[:, 1], table[:, 0]))]
    return Places(
        clips=tuple(clips),
        owners=table[:, 0].astype(np.int32),
        starts=np.ascontiguousarray(table[:, 1]),
        ends=np.ascontiguousarray(table[:, 2]),
        affect=table[:, 3:].astype(np.float32),
    )
