"""The furthest moments in a direction are those that a scan in plain Python finds."""

import numpy as np
import pytest

from index.places import Places, places
from index.report.moments import DIRECTIONS, Direction, furthest


def made(clips: int, segments: int) -> Places:
    rng = np.random.default_rng(clips)
    rows = (
        (clip, 2.0 * number, 2.0 * number + 4, *rng.uniform(1, 7, 2).tolist())
        for clip in range(clips)
        for number in range(segments)
    )
    return places([f"{clip:016x}" for clip in range(clips)], rows)


@pytest.mark.parametrize("direction", DIRECTIONS, ids=lambda direction: direction.title)
@pytest.mark.parametrize(("clips", "segments"), [(40, 30), (3, 400), (2, 1)])
def test_the_furthest_are_found_each_of_another_clip(direction: Direction, clips: int, segments: int) -> None:
    there = made(clips, segments)

    def far(row: int) -> float:
        valence, arousal = (float(value) - 4 for value in there.affect[row])
        axes = [(direction.valence, valence), (direction.arousal, arousal)]
        return min(sign * value for sign, value in axes if sign)

    best: dict[int, int] = {}
    for row in range(len(there)):
        owner = int(there.owners[row])
        if owner not in best or far(row) > far(best[owner]):
            best[owner] = row
    assert furthest(there, direction, 3) == sorted(best.values(), key=far, reverse=True)[:3]


def test_a_clip_that_holds_all_the_furthest_segments_is_there_once() -> None:
    rows = [(0, float(at), at + 4.0, 7.0, 4.0) for at in range(500)] + [(1, 0.0, 4.0, 1.0, 4.0)]
    there = places(["0" * 16, "1" * 16], rows)
    assert furthest(there, DIRECTIONS[4], 3) == [0, 500]


def test_the_directions_surround_the_plane() -> None:
    around = {(direction.valence, direction.arousal) for direction in DIRECTIONS}
    assert around == {(v, a) for v in (-1, 0, 1) for a in (-1, 0, 1)} - {(0, 0)}
