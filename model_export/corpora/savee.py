"""SAVEE (Haq and Jackson 2009, for research), British English: `AudioData/DC/a01.wav`, or flat `DC_a01.wav`.

Four men; the letters of a stem are the emotion, the digits the sentence.
"""

import re
from pathlib import Path

from model_export.corpora.files import by_key
from model_export.emotions import affect_of
from model_export.manifest import Row

EMOTIONS = {
    "a": "anger",
    "d": "disgust",
    "f": "fear",
    "h": "happiness",
    "n": "neutral",
    "sa": "sadness",
    "su": "surprise",
}
SPEAKERS = ("DC", "JE", "JK", "KL")

_STEM = re.compile(r"(?:(DC|JE|JK|KL)_)?(sa|su|[adfhn])(\d\d)")


def rows(root: Path) -> list[Row]:
    """One row a clip; CorpusError for two different recordings of one speaker, emotion and sentence."""
    found = []
    for (speaker, code, _), path in by_key(root, _parts).items():
        emotion = EMOTIONS[code]
        affect = affect_of(emotion)
        found.append(
            Row(
                path=path,
                corpus="savee",
                speaker=f"savee-{speaker}",
                gender="male",
                emotion=emotion,
                valence=affect.valence,
                arousal=affect.arousal,
            )
        )
    return found


def _parts(path: Path) -> tuple[str, str, str] | None:
    match = _STEM.fullmatch(path.stem)
    if match is None:
        return None
    speaker = match[1] or path.parent.name
    return (speaker, match[2], match[3]) if speaker in SPEAKERS else None
