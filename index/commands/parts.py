"""How the command line writes the parts of a query, a shift and a region.

Every part may begin with its weight and a star: `0.5*a warm voice`, `2*0f343b0931126a20`.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from encoders.affect import Affect
from index.errors import QueryError
from index.query import AffectPart, AudioPart, ClipPart, Part, Shift, TextPart
from index.region import AXES, Interval, Region

# What a prompt that leads away counts: as much as one that leads there would often leave nothing of either.
WITHOUT: Final = -0.5

_WEIGHTED: Final = re.compile(r"\s*([+-]?\d+(?:\.\d+)?)\s*\*(.*)", re.DOTALL)
_ID: Final = re.compile(r"[0-9a-f]{16}")


def parts(
    prompt: str | None,
    *,
    more: Sequence[str],
    without: Sequence[str],
    like: Sequence[str],
    affect: Sequence[str],
    max_duration: float,
) -> list[Part]:
    """Return the parts that were written. Raises QueryError for what cannot be read, and where there is none."""
    found: list[Part] = [
        TextPart(text, weight) for weight, text in map(_weighted, [*([prompt] if prompt else []), *more])
    ]
    found += [TextPart(text, weight * WITHOUT) for weight, text in map(_weighted, without)]
    found += [_like(text, max_duration) for text in like]
    found += [_affect(text) for text in affect]
    if not found:
        raise QueryError(
            'what to search for? Say a PROMPT, such as "an angry voice", or --like a clip or recording, or --affect, a '
            "point of the valence-arousal plane."
        )
    return found


def shift(written: Sequence[str]) -> Shift:
    """Return the shift that was written, an axis each. Raises QueryError."""
    moved: dict[str, float] = {}
    for text in written:
        axis, _, points = text.partition("=")
        axis = axis.strip()
        if axis not in Shift._fields or axis in moved:
            raise _unreadable("--shift", text, "say once how far for valence, for arousal or for both: arousal=-1.5")
        moved[axis] = _number("--shift", points, text, "say by how many points of the scale, as in arousal=-1.5")
    return Shift(**moved)


def region(written: Sequence[str]) -> Region | None:
    """Return the region that was written, an axis each; None where none was. Raises QueryError."""
    advice = "say once from where to where for valence, for arousal or for both: arousal=5..7"
    intervals: dict[str, Interval] = {}
    for text in written:
        axis, _, interval = text.partition("=")
        axis = axis.strip()
        low, dots, high = interval.partition("..")
        if axis not in AXES or axis in intervals or not dots:
            raise _unreadable("--region", text, advice)
        intervals[axis] = _number("--region", low, text, advice), _number("--region", high, text, advice)
    return Region(**intervals) if intervals else None


def _weighted(text: str) -> tuple[float, str]:
    match = _WEIGHTED.fullmatch(text)
    return (float(match[1]), match[2].strip()) if match else (1.0, text)


def _like(text: str, max_duration: float) -> Part:
    weight, name = _weighted(text)
    path = Path(name)
    if path.is_file():
        return AudioPart(path, name, weight, max_duration)
    if _ID.fullmatch(name):
        return ClipPart(name, weight)
    raise _unreadable("--like", text, "it is neither a file nor the id of a clip, 16 digits such as 0f343b0931126a20")


def _affect(text: str) -> Part:
    weight, place = _weighted(text)
    advice = "say valence and arousal, each from 1 to 7, as in 6,2.5"
    axes = place.split(",")
    if len(axes) != 2:
        raise _unreadable("--affect", text, advice)
    valence, arousal = (_number("--affect", axis, text, advice) for axis in axes)
    return AffectPart(Affect(valence, arousal), weight)


def _number(option: str, text: str, whole: str, advice: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise _unreadable(option, whole, advice) from None


def _unreadable(option: str, text: str, advice: str) -> QueryError:
    return QueryError(f"{option} {text!r} cannot be read: {advice}.")
