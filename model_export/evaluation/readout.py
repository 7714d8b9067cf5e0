"""The affect that a bundle reads out of sound, against the labels of listeners or of acted categories.

For each axis, on 1..7: tau-b with a 95 % bootstrap interval over clips, CCC, bias, mean absolute error, and where the
bundle gives prediction intervals, the share of labels that lie within them (beside the level that they promise).
"""

from typing import Any

from encoders.bundle import AffectInterval
from model_export.evaluation.clips import AXES, Embedded
from model_export.evaluation.measures import Floats, Indices, bias, ccc, interval, mae, tau


def affect_scores(
    clips: Embedded, promised: AffectInterval | None = None, rounds: int = 1000, seed: int = 0
) -> dict[str, Any]:
    """`{axis: {tau, interval, ccc, bias, mae, coverage}}`; coverage is None where nothing is `promised`."""
    labels = clips.labels
    scores = {}
    for axis, name in enumerate(AXES):
        found, wanted = clips.affect[:, axis], labels[:, axis]

        def resampled(picked: Indices, found: Floats = found, wanted: Floats = wanted) -> float:
            return tau(found[picked], wanted[picked])

        scores[name] = {
            "tau": round(tau(found, wanted), 3),
            "interval": interval(resampled, len(found), rounds, seed),
            "ccc": round(ccc(found, wanted), 3),
            "bias": round(bias(found, wanted), 3),
            "mae": round(mae(found, wanted), 3),
            "coverage": _coverage(found, wanted, promised, name),
        }
    return scores


def _coverage(found: Floats, wanted: Floats, promised: AffectInterval | None, axis: str) -> dict[str, float] | None:
    if promised is None:
        return None
    half = {"valence": promised.valence, "arousal": promised.arousal}[axis]
    share = float((abs(found - wanted) <= half).mean())
    return {"level": promised.level, "half_width": half, "share": round(share, 3)}
