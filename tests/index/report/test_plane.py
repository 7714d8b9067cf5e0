"""The map: points where there are few segments, density where there are many, always of a bearable size."""

import re

import numpy as np
import pytest

from encoders.affect import Affect
from index.places import Places
from index.report.moments import DIRECTIONS
from index.report.plane import POINTS, Mark, colour, draw


def made(count: int) -> Places:
    rng = np.random.default_rng(count)
    zeros = np.zeros(count)
    affect = rng.uniform(1, 7, (count, 2)).astype(np.float32)
    return Places(("0" * 16,), zeros.astype(np.int32), zeros, zeros + 4, affect)


def dots(svg: str) -> list[tuple[float, float]]:
    drawn = svg[svg.index('<g class="segments">') : svg.index("</g>", svg.index('<g class="segments">'))]
    return [(float(x), float(y)) for x, y in re.findall(r"M([\d.]+) ([\d.]+)h0", drawn)]


def test_few_segments_are_points_at_their_places() -> None:
    affect = np.array([[1, 1], [7, 7], [4, 4], [1, 7], [9, -3]], np.float32)
    places = Places(("0" * 16,), np.zeros(5, np.int32), np.zeros(5), np.ones(5), affect)
    assert sorted(dots(draw(places, [], []))) == [(34, 34), (34, 634), (334, 334), (634, 34), (634, 634)]


def test_many_segments_are_density_in_a_page_of_a_bearable_size() -> None:
    svg = draw(made(200_000), [], [])
    assert 1000 < len(dots(svg)) < 6000
    assert len(svg) < 250_000
    assert len(dots(draw(made(POINTS), [], []))) == POINTS


def test_each_segment_is_in_the_nearest_cell() -> None:
    # One heap of many in a corner, and a few elsewhere: as many dots as cells, the heap's the widest.
    affect = np.full((5000, 2), 6.0, np.float32)
    affect[:3] = [[2, 2], [2, 6], [6, 2]]
    places = Places(("0" * 16,), np.zeros(5000, np.int32), np.zeros(5000), np.ones(5000), affect)
    svg = draw(places, [], [])
    assert sorted((round(x, -2), round(y, -2)) for x, y in dots(svg)) == [
        (100, 100),
        (100, 500),
        (500, 100),
        (500, 500),
    ]
    widths = re.findall(r'stroke-width="([\d.]+)"', svg)
    assert [float(width) for width in widths].count(10.0) == 1


def test_marks_and_names_are_drawn_apart_and_escaped() -> None:
    spots = [Mark(str(number), Affect(4, 4)) for number, _ in enumerate(DIRECTIONS)]
    svg = draw(made(10), [("<b>", Affect(4, 4)), ("other", Affect(4, 4))], spots)
    centres = [(float(x), float(y)) for x, y in re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', svg)]
    assert len(set(centres)) == len(DIRECTIONS)
    assert "&lt;b&gt;" in svg
    assert "<b>" not in svg


@pytest.mark.parametrize("dark", [True, False])
def test_colours_stand_out_from_light_and_dark_pages(dark: bool) -> None:
    def light(ink: str) -> float:
        channels = [int(ink[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    page = light("#12141b" if dark else "#ffffff")
    for valence in np.linspace(1, 7, 13):
        for arousal in np.linspace(1, 7, 13):
            ink = light(colour((valence, arousal)))
            high, low = max(ink, page), min(ink, page)
            assert (high + 0.05) / (low + 0.05) > 2.2, (valence, arousal)
