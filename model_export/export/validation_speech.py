"""The clips that a calibration may be fitted on, and what a model reads of them.

Only validation speakers of the run count: the model never heard them in training. Affect is read as a library reads a
clip, the mean over its windows, but not cut to 1..7 yet.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from encoders.audio import Samples
from model_export.errors import CorpusError
from model_export.export.calibration import Calibration, calibrate
from model_export.export.example_speech import of_each
from model_export.manifest import Row
from model_export.towers import Towers


def unheard(rows: Sequence[Row], provenance: Mapping[str, Any]) -> list[Row]:
    """The labelled, complete clips of the run's validation speakers, test parts left out.

    Raises:
        CorpusError: there are none.
    """
    speakers = set(provenance.get("validation_speakers", ()))
    kept = [row for row in rows if row.speaker in speakers and row.labelled and row.complete and row.role != "test"]
    if not kept:
        raise CorpusError(
            f"none of the {len(rows)} clips is of a validation speaker of this run "
            f"({', '.join(sorted(speakers)[:5]) or 'it names none'}); give the manifests that it was trained on"
        )
    return kept


def predict(model: Towers, rows: Sequence[Row]) -> npt.NDArray[np.float64]:
    """Affect [n, 2] of whole clips; CorpusError names the clips that cannot be decoded."""
    model.eval()

    def read(windows: list[Samples]) -> npt.NDArray[np.float64]:
        with torch.inference_mode():
            affects = [
                model.affect(model.audio(torch.from_numpy(window)[None], torch.tensor([window.size])))[0]
                for window in windows
            ]
        return torch.stack(affects).mean(dim=0).double().numpy()

    return np.stack(of_each(rows, read, "hearing the validation speakers"))


def fit(model: Towers, rows: Sequence[Row]) -> Calibration:
    """The calibration of a model on clips of `unheard`. Raises CalibrationError and CorpusError."""
    return calibrate(
        predict(model, rows),
        [row.affect for row in rows],
        [f"{row.corpus}/{row.emotion}" for row in rows],
        [row.speaker for row in rows],
    )
