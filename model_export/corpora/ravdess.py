"""RAVDESS (Livingstone and Russo 2018, CC BY-NC-SA 4.0): `Actor_01/03-01-06-01-02-01-12.wav`.

The seven fields of a stem: modality, vocal channel (01 speech), emotion, intensity, statement, repetition, actor
(odd: male). Songs and video are left out. Some copies hold all actors once more in `audio_speech_actors_01-24/`: those
count once.
"""

import re
from pathlib import Path

from model_export.corpora.files import by_key
from model_export.emotions import affect_of
from model_export.manifest import Row

EMOTIONS = {
    "01": "neutral",
    "02": "calm",
    "03": "happiness",
    "04": "sadness",
    "05": "anger",
    "06": "fear",
    "07": "disgust",
    "08": "surprise",
}
INTENSITIES = {"01": "normal", "02": "strong"}
STATEMENTS = {"01": "Kids are talking by the door.", "02": "Dogs are sitting by the door."}
# The same recording stands in the corpus twice; the second copy is left out.
DUPLICATE = "03-01-03-01-02-02-07"

_SPEECH = re.compile(r"03-01-0[1-8]-0[12]-0[12]-0[12]-(0[1-9]|1\d|2[0-4])")


def rows(root: Path) -> list[Row]:
    """One row a spoken clip of the audio-only release.

    Raises:
        CorpusError: two different recordings of one name.
    """
    found = []
    for stem, path in by_key(root, _stem).items():
        _, _, code, level, statement, _, actor = stem.split("-")
        emotion = EMOTIONS[code]
        # Neutral has one intensity only; it says nothing there.
        intensity = "" if emotion == "neutral" else INTENSITIES[level]
        affect = affect_of(emotion, intensity)
        found.append(
            Row(
                path=path,
                corpus="ravdess",
                speaker=f"ravdess-{actor}",
                gender="male" if int(actor) % 2 else "female",
                emotion=emotion,
                intensity=intensity,
                valence=affect.valence,
                arousal=affect.arousal,
                transcript=STATEMENTS[statement],
            )
        )
    return found


def _stem(path: Path) -> str | None:
    return path.stem if _SPEECH.fullmatch(path.stem) and path.stem != DUPLICATE else None
