"""RAVDESS (Livingstone and Russo 2018, CC BY-NC-SA 4.0): `Actor_01/03-01-06-01-02-01-12.wav`.

The seven fields of a stem: modality, vocal channel (01 speech), emotion, intensity, statement, repetition, actor
(odd: male). Songs and video are left out.
"""

from pathlib import Path

from model_export.emotions import affect_of
from model_export.manifest import Row, audio_files

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
STATEMENTS = {"01": "Kids are talking by the door.", "02": "Dogs are sitting by the door."}
# The same recording stands in the corpus twice; the second copy is left out.
DUPLICATE = "03-01-03-01-02-02-07"


def rows(root: Path) -> list[Row]:
    """One row a spoken clip of the audio-only release."""
    found = []
    for path in audio_files(root):
        fields = path.stem.split("-")
        if len(fields) != 7 or fields[:2] != ["03", "01"] or fields[2] not in EMOTIONS or path.stem == DUPLICATE:
            continue
        emotion = EMOTIONS[fields[2]]
        # Neutral has one intensity only; it says nothing there.
        intensity = "" if emotion == "neutral" else {"01": "normal", "02": "strong"}.get(fields[3], "")
        affect = affect_of(emotion, intensity)
        found.append(
            Row(
                path=path,
                corpus="ravdess",
                speaker=f"ravdess-{fields[6]}",
                gender="male" if int(fields[6]) % 2 else "female",
                emotion=emotion,
                intensity=intensity,
                valence=affect.valence,
                arousal=affect.arousal,
                transcript=STATEMENTS.get(fields[4], ""),
            )
        )
    return found
