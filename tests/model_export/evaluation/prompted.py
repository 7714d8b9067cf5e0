"""Clips that are as a perfect audio encoder would make them: each is a prompt's embedding, labelled as the prompt."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from encoders.affect import Affect
from encoders.encoder import Encoder
from model_export.evaluation import Embedded
from model_export.manifest import Row


def clips_like(encoder: Encoder, texts: list[str], places: list[Affect], emotions: list[str]) -> Embedded:
    """One clip a text; the read-out is the label itself."""
    rows = [
        Row(Path(f"{n}.wav"), "made", f"made-{n % 3}", emotion, *place, gender=("male", "female")[n % 2])
        for n, (place, emotion) in enumerate(zip(places, emotions, strict=True))
    ]
    affect: npt.NDArray[np.float32] = np.array(places, dtype=np.float32)
    return Embedded(rows, encoder.embed_prompts(texts).embedding, affect)
