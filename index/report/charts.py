"""Histograms and strips of affect as SVG."""

from typing import Final

import numpy as np
import numpy.typing as npt

from encoders.affect import HIGH, LOW, NEUTRAL
from index.report.groups import Spread
from index.report.plane import colour

BINS: Final = 24

_WIDTH: Final = 480.0
_HEIGHT: Final = 130.0
_STRIP: Final = 160.0


def place(axis: int, value: float) -> tuple[float, float]:
    """Return the place of a value on an axis (0 valence, 1 arousal), neutral on the other."""
    return (value, NEUTRAL) if axis == 0 else (NEUTRAL, value)


def histogram(values: npt.NDArray[np.float32], axis: int, title: str, ends: tuple[str, str]) -> str:
    """Draw how many segments have each value of an axis."""
    counts, edges = np.histogram(np.clip(values, LOW, HIGH), np.linspace(LOW, HIGH, BINS + 1))
    step = _WIDTH / BINS
    bars = []
    for number, count in enumerate(counts.tolist()):
        if count:
            height = max(2.0, (_HEIGHT - 8) * count / int(counts.max()))
            middle = float(edges[number] + edges[number + 1]) / 2
            bars.append(
                f'<rect x="{number * step + 1:.1f}" y="{_HEIGHT - height:.1f}" width="{step - 2:.1f}" '
                f'height="{height:.1f}" rx="2" fill="{colour(place(axis, middle))}"/>'
            )
    labels = zip((0.0, _WIDTH / 2, _WIDTH), ("start", "middle", "end"), (ends[0], "neutral", ends[1]), strict=True)
    return (
        f'<svg class="histogram" viewBox="0 0 {_WIDTH:g} {_HEIGHT + 24:g}" role="img" aria-label="{title}">'
        f'<path class="axes" d="M0 {_HEIGHT:g}H{_WIDTH:g}M{_WIDTH / 2:g} 0V{_HEIGHT:g}"/>{"".join(bars)}'
        + "".join(
            f'<text class="axis" x="{x:g}" y="{_HEIGHT + 18:g}" text-anchor="{anchor}">{text}</text>'
            for x, anchor, text in labels
        )
        + "</svg>"
    )


def quarters(affect: npt.NDArray[np.float32]) -> str:
    """Draw which share of the segments lies in each quarter of the plane, the more of them the stronger its colour."""
    right, above = affect[:, 0] >= NEUTRAL, affect[:, 1] >= NEUTRAL
    width, height = _WIDTH / 2 - 3, 72.0
    drawn = []
    for row, (calm, up) in enumerate((("activated", above), ("calm", ~above))):
        for column, (sign, side) in enumerate((("negative", ~right), ("positive", right))):
            share = float((up & side).mean())
            x, y = column * (width + 6), row * (height + 6)
            ink = colour((2.0 + 4 * column, 6.0 - 4 * row))
            drawn.append(
                f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="8" fill="{ink}" '
                f'fill-opacity="{0.1 + 0.3 * share:.2f}"/><text class="share" x="{x + 14:g}" y="{y + 34:g}">'
                f'{100 * share:.0f} %</text><text class="axis" x="{x + 14:g}" y="{y + 57:g}">{sign}, {calm}</text>'
            )
    return (
        f'<svg class="histogram" viewBox="0 0 {_WIDTH:g} {2 * height + 6:g}" role="img" '
        f'aria-label="Shares of the segments by quarter of the plane">{"".join(drawn)}</svg>'
    )


def strip(spread: Spread, axis: int) -> str:
    """Draw a mean and one standard deviation to either side of it; decoration beside the number."""

    def x(value: float) -> float:
        return 8 + (min(max(value, LOW), HIGH) - LOW) / (HIGH - LOW) * (_STRIP - 16)

    ink = colour(place(axis, spread.mean))
    return (
        f'<svg class="strip" viewBox="0 0 {_STRIP:g} 20" aria-hidden="true">'
        f'<path class="axes" d="M8 10H{_STRIP - 8:g}M{_STRIP / 2:g} 4V16"/>'
        f'<path d="M{x(spread.mean - spread.sd):.1f} 10H{x(spread.mean + spread.sd):.1f}" stroke="{ink}" '
        f'stroke-width="7" stroke-linecap="round" stroke-opacity=".35"/>'
        f'<circle cx="{x(spread.mean):.1f}" cy="10" r="6" fill="{ink}"/></svg>'
    )
