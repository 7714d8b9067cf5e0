"""The clips that a calibration may be fitted on, and what a model makes of them.

Only validation speakers of the run count: the model never heard them in training. A clip is heard as a library hears
it, the mean over its windows, but affect is not cut to 1..7 yet.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

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
    kept = [row for row in rows if row.speaker in speakers and row.learnable]
    if not kept:
        raise CorpusError(
            f"none of the {len(rows)} clips is of a validation speaker of this run "
            f"({', '.join(sorted(speakers)[:5]) or 'it names none'}); give the manifests that it was trained on"
        )
    return kept


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """Whole clips: affect [n, 2] as predicted, and their embeddings [n, dim], unit norm."""

    rows: list[Row]
    affect: npt.NDArray[np.float64]
    embedding: npt.NDArray[np.float32]


def hear(model: Towers, rows: Sequence[Row]) -> Heard:
    """What a model makes of clips; CorpusError names those that cannot be decoded."""
    model.eval()

    def read(windows: list[Samples]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float32]]:
        with torch.inference_mode():
            embeddings = torch.cat(
                [model.audio(torch.from_numpy(window)[None], torch.tensor([window.size])) for window in windows]
            )
            pooled = F.normalize(embeddings.mean(dim=0), dim=0)
            return model.affect(embeddings).mean(dim=0).double().numpy(), pooled.float().numpy()

    made = of_each(rows, read, "hearing the validation speakers")
    return Heard(list(rows), np.stack([affect for affect, _ in made]), np.stack([pooled for _, pooled in made]))


def fit(heard: Heard) -> Calibration:
    """The calibration of affect on clips of `unheard`. Raises CalibrationError."""
    rows = heard.rows
    return calibrate(
        heard.affect,
        [row.affect for row in rows],
        [f"{row.corpus}/{row.emotion}" for row in rows],
        [row.speaker for row in rows],
    )
