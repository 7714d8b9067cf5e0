"""The map as SVG: every segment in the valence-arousal plane, the vocabulary's terms as landmarks.

A few thousand segments are points. More are density: the plane in hexagonal cells, each a dot that grows with the
logarithm of how many segments lie in it, so that a page holds a library of any size. Segments are drawn in colours
of the plane, which say nothing that their place does not. No style attributes: the page's policy forbids them.
"""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from encoders.affect import HIGH, LOW, Affect
from index.places import Places

POINTS: Final = 3000  # up to which each segment is a point of its own

# Of the corners: by valence (negative, positive), then by arousal (calm, activated). The service's page has the same.
_CORNERS: Final = np.array([[[86, 98, 190], [206, 62, 72]], [[24, 138, 120], [222, 146, 22]]], np.float64)

_SIDE: Final = 600.0  # of the plane, within margins
_MARGIN: Final = 34.0
_BLOCKS: Final = 14  # along an axis: segments of one block share a colour
_CELLS: Final = 60  # along an axis
_LEVELS: Final = 8
_MARK: Final = 11.0  # radius
_LETTER: Final = 7.4  # the width of one in a landmark, about


class Mark(NamedTuple):
    """A place of the plane with a short text in a circle, such as a number."""

    text: str
    at: Affect


def colour(affect: Sequence[float] | npt.NDArray[np.float64]) -> str:
    """Return the plane's colour at a place, for marks on light and on dark pages."""
    valence, arousal = (min(1.0, max(0.0, (float(value) - 2) / 4)) for value in affect)
    low, high = (1 - arousal) * _CORNERS[:, 0] + arousal * _CORNERS[:, 1]
    red, green, blue = np.rint((1 - valence) * low + valence * high).astype(int).tolist()
    return f"#{red:02x}{green:02x}{blue:02x}"


def draw(places: Places, landmarks: Iterable[tuple[str, Affect]], marks: Sequence[Mark]) -> str:
    """Draw a library's segments."""
    spread = _points(places.affect) if len(places) <= POINTS else _density(places.affect)
    kind = "Each point is a segment." if len(places) <= POINTS else "The larger a dot, the more segments lie there."
    edge, whole = _MARGIN + _SIDE, _SIDE + 2 * _MARGIN
    middle = whole / 2
    return (
        f'<svg class="plane" viewBox="0 0 {whole:g} {whole:g}" role="img" aria-labelledby="map-title map-about">'
        f'<title id="map-title">The library in the valence-arousal plane</title>'
        f'<desc id="map-about">From left to right from negative to positive, from bottom to top from calm to '
        f"activated. {kind} {escape(_where(places.affect))}</desc>"
        f'<rect class="field" x="{_MARGIN:g}" y="{_MARGIN:g}" width="{_SIDE:g}" height="{_SIDE:g}" rx="10"/>'
        f'<path class="axes" d="M{_MARGIN:g} {middle:g}H{edge:g}M{middle:g} {_MARGIN:g}V{edge:g}"/>'
        f'<g class="segments">{spread}</g>'
        f'<text class="axis" x="{middle:g}" y="{_MARGIN - 12:g}" text-anchor="middle">activated</text>'
        f'<text class="axis" x="{middle:g}" y="{edge + 23:g}" text-anchor="middle">calm</text>'
        f'<text class="axis" transform="translate({_MARGIN - 13:g} {middle:g}) rotate(-90)" text-anchor="middle">'
        f'negative</text><text class="axis" transform="translate({edge + 13:g} {middle:g}) rotate(90)" '
        f'text-anchor="middle">positive</text>{_named(landmarks, marks)}</svg>'
    )


def small(marks: Sequence[tuple[str, Affect, float]]) -> str:
    """Draw a few named places, each with a share 0..1 that its dot's area shows; decoration beside a table."""
    dots = [(name, *_position(at), 7 + 15 * share**0.5, colour(at)) for name, at, share in marks]
    taken = [(x - 0.7 * r, y - 0.7 * r, x + 0.7 * r, y + 0.7 * r) for _, x, y, r, _ in dots]
    drawn = [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r:.1f}" fill="{ink}"/>' for _, x, y, r, ink in dots]
    drawn += [_label(name, x, y, r + 6, 12.5, taken) for name, x, y, r, _ in dots]
    edge, whole = _MARGIN + _SIDE, _SIDE + 2 * _MARGIN
    middle = whole / 2
    return (
        f'<svg class="plane small" viewBox="0 0 {whole:g} {whole:g}" aria-hidden="true">'
        f'<rect class="field" x="{_MARGIN:g}" y="{_MARGIN:g}" width="{_SIDE:g}" height="{_SIDE:g}" rx="10"/>'
        f'<path class="axes" d="M{_MARGIN:g} {middle:g}H{edge:g}M{middle:g} {_MARGIN:g}V{edge:g}"/>'
        + "".join(drawn)
        + "</svg>"
    )


def _position(affect: Sequence[float]) -> tuple[float, float]:
    valence, arousal = Affect(*affect).clipped()
    scale = _SIDE / (HIGH - LOW)
    return _MARGIN + (valence - LOW) * scale, _MARGIN + (HIGH - arousal) * scale


def _scaled(affect: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Return places of the plane as 0..1 from the upper left."""
    scaled: npt.NDArray[np.float64] = (np.clip(affect, LOW, HIGH).astype(np.float64) - LOW) / (HIGH - LOW)
    return np.column_stack((scaled[:, 0], 1 - scaled[:, 1]))


def _points(affect: npt.NDArray[np.float32]) -> str:
    spots = _scaled(affect)
    width = 9.0 if len(spots) < 400 else 7.0 if len(spots) < 1200 else 5.5
    return "".join(
        f'<path d="{path}" stroke="{ink}" stroke-width="{width:g}" stroke-opacity=".75"/>'
        for ink, path in _by_colour(spots)
    )


def _density(affect: npt.NDArray[np.float32]) -> str:
    """Put segments in hexagonal cells: of two shifted lattices, each goes to the nearer centre."""
    spots = _scaled(affect)
    step = np.array([1.0, 3**0.5]) / _CELLS
    first = np.rint(spots / step)
    second = np.floor(spots / step) + 0.5
    nearer = (((spots - first * step) ** 2).sum(1) < ((spots - second * step) ** 2).sum(1))[:, None]
    cells, counts = np.unique(np.where(nearer, first, second), axis=0, return_counts=True)
    levels = np.ceil(_LEVELS * np.log1p(counts) / np.log1p(counts.max())).astype(int).clip(1, _LEVELS)
    drawn = []
    for level in range(1, _LEVELS + 1):
        share = level / _LEVELS
        width = _SIDE / _CELLS * (0.28 + 0.72 * share)
        opacity = 0.45 + 0.5 * share
        for ink, path in _by_colour((cells * step)[levels == level]):
            drawn.append(f'<path d="{path}" stroke="{ink}" stroke-width="{width:.1f}" stroke-opacity="{opacity:.2f}"/>')
    return "".join(drawn)


def _by_colour(spots: npt.NDArray[np.float64]) -> Iterable[tuple[str, str]]:
    """Yield (colour, path) of the blocks of the plane; a line of no length with round ends is a dot."""
    blocks = (spots * _BLOCKS).astype(int).clip(0, _BLOCKS - 1)
    for block in np.unique(blocks, axis=0):
        inside = spots[(blocks == block).all(axis=1)] * _SIDE + _MARGIN
        middle = (block + 0.5) / _BLOCKS
        at = LOW + middle[0] * (HIGH - LOW), HIGH - middle[1] * (HIGH - LOW)
        yield colour(at), "".join(f"M{x:.1f} {y:.1f}h0" for x, y in inside.tolist())


def _named(landmarks: Iterable[tuple[str, Affect]], marks: Sequence[Mark]) -> str:
    """Draw the marks, and the landmarks beside them: once as they fit a wide screen, once larger for a narrow one."""
    spots: list[tuple[float, float]] = []
    for mark in marks:
        x, y = _position(mark.at)
        while any(abs(x - other) < 2 * _MARK and abs(y - height) < 2 * _MARK for other, height in spots):
            x += _MARK
        spots.append((x, y))
    drawn = "".join(
        f'<g class="mark"><circle cx="{x:.1f}" cy="{y:.1f}" r="{_MARK:g}"/>'
        f'<text x="{x:.1f}" y="{y + 4.5:.1f}" text-anchor="middle">{escape(mark.text)}</text></g>'
        for mark, (x, y) in zip(marks, spots, strict=True)
    )
    landmarks = list(landmarks)
    for kind, letter in (("wide", _LETTER), ("narrow", 1.7 * _LETTER)):
        taken = [(x - _MARK, y - _MARK, x + _MARK, y + _MARK) for x, y in spots]
        labels = (_label(term, *_position(at), 0, letter, taken) for term, at in landmarks)
        drawn += f'<g class="landmarks {kind}">{"".join(labels)}</g>'
    return drawn


def _label(
    text: str, x: float, y: float, apart: float, letter: float, taken: list[tuple[float, float, float, float]]
) -> str:
    """Return a text near a place, where it touches none before it; "" where there is no room."""
    height = 2.1 * letter
    half = letter * len(text) / 2
    if apart:
        tries = [(0.0, apart + height / 2), (0.0, -apart - height / 2), (apart + half, 0.0), (-apart - half, 0.0)]
    else:
        tries = [(0.7 * across * half, 0.7 * down * height) for down in (0, -1, 1, -2, 2) for across in (0, 1, -1)]
    for across, down in tries:
        middle = min(max(x + across, _MARGIN + half + 4), _MARGIN + _SIDE - half - 4)
        line = y + down
        box = (middle - half - 3, line - height / 2, middle + half + 3, line + height / 2)
        within = box[1] > _MARGIN and box[3] < _MARGIN + _SIDE
        if within and not any(box[0] < o[2] and o[0] < box[2] and box[1] < o[3] and o[1] < box[3] for o in taken):
            taken.append(box)
            return f'<text x="{middle:.1f}" y="{line + letter * 0.6:.1f}" text-anchor="middle">{escape(text)}</text>'
    return ""


def _where(affect: npt.NDArray[np.float32]) -> str:
    valence, arousal = (float(value) for value in affect.mean(axis=0, dtype=np.float64))
    return f"On average valence is {valence:.1f} and arousal {arousal:.1f}, each from 1 to 7 with 4 neutral."
