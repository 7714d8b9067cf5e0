"""The affect that a bundle reads out of sound, against the labels of listeners or of acted categories.

For each axis, on 1..7: tau-b with a 95 % bootstrap interval over clips, CCC, bias, mean absolute error, and where the
bundle gives prediction intervals, the share of labels that lie within them (beside the level that they promise).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from encoders.bundle import AffectInterval
from model_export.evaluation.clips import AXES, Embedded
from model_export.evaluation.measures import Floats, Indices, bias, ccc, interval, mae, tau
from model_export.manifest import Row


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


def fitted_note(rows: Sequence[Row], provenance: Mapping[str, Any]) -> str | None:
    """What to know of the affect of these clips when some of their speakers had a part in making the bundle; or None.

    Validation speakers choose the checkpoint, and the calibration is fitted on them.
    """
    chose = set(provenance.get("validation_speakers", ()))
    count = sum(row.speaker in chose for row in rows)
    if not count or not provenance.get("calibration"):
        return None
    return (
        f"{count} of the {len(rows)} clips are of the bundle's validation speakers: these chose the checkpoint and "
        "fitted the calibration, so the figures of affect are better than new speakers would have"
    )


def _coverage(found: Floats, wanted: Floats, promised: AffectInterval | None, axis: str) -> dict[str, float] | None:
    if promised is None:
        return None
    half = {"valence": promised.valence, "arousal": promised.arousal}[axis]
    share = float((abs(found - wanted) <= half).mean())
    return {"level": promised.level, "half_width": half, "share": round(share, 3)}
