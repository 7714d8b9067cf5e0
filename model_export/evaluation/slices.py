"""The read-out's tau-b for parts of the clips: by gender, corpus, speaker and duration.

A part that is too small, or whose labels are all alike, says so in `note` and has None in place of the number.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np

from model_export.evaluation.clips import AXES, Embedded
from model_export.evaluation.measures import Indices, tau

SMALLEST = 20
DURATIONS = ((2.0, "under 2 s"), (4.0, "2 to 4 s"), (8.0, "4 to 8 s"), (math.inf, "8 s and more"))
UNKNOWN = "unknown"


def slice_scores(clips: Embedded) -> dict[str, Any]:
    """`{by: {name: {clips, valence, arousal, note?}}}`, names in order."""
    keys: dict[str, Callable[[int], str]] = {
        "gender": lambda index: clips.rows[index].gender or UNKNOWN,
        "corpus": lambda index: clips.rows[index].corpus,
        "speaker": lambda index: clips.rows[index].speaker,
        "duration": lambda index: duration_class(seconds(clips.rows[index].path)),
    }
    scores = {}
    for by, key in keys.items():
        members: dict[str, list[int]] = {}
        for index in range(len(clips.rows)):
            members.setdefault(key(index), []).append(index)
        names = [name for _, name in DURATIONS] + [UNKNOWN] if by == "duration" else sorted(members)
        scores[by] = {name: one(clips, np.array(members[name])) for name in names if name in members}
    return scores


def one(clips: Embedded, picked: Indices) -> dict[str, Any]:
    """The figures of the clips at these positions."""
    scores: dict[str, Any] = {"clips": len(picked), **dict.fromkeys(AXES)}
    if len(picked) < SMALLEST:
        return scores | {"note": f"too few clips; at least {SMALLEST} are needed"}
    labels = clips.labels[picked]
    alike = []
    for axis, name in enumerate(AXES):
        if len(np.unique(labels[:, axis])) < 2:
            alike.append(name)
        else:
            scores[name] = round(tau(clips.affect[picked, axis], labels[:, axis]), 3)
    return scores | {"note": f"one {' and one '.join(alike)} label only"} if alike else scores


def duration_class(duration: float) -> str:
    """The name of the class that a duration in seconds falls into; nan is unknown."""
    return next((name for end, name in DURATIONS if duration < end), UNKNOWN)


def seconds(path: Path) -> float:
    """The duration that a file declares, nan where it declares none or cannot be opened."""
    try:
        with av.open(str(path)) as container:
            return math.nan if container.duration is None else container.duration / av.time_base
    except (OSError, av.error.FFmpegError):
        return math.nan
