"""TESS (Pichora-Fuller and Dupuis 2020, CC BY-NC-ND 4.0), English: `OAF_angry/OAF_back_angry.wav`.

Two actresses (OAF 64 years old, YAF 26) say "Say the word ..." with 200 words in seven emotions. `ps` is pleasant
surprise. Some copies hold all folders once more inside: those count once.
"""

import re
from pathlib import Path

from model_export.corpora.files import by_key
from model_export.emotions import affect_of
from model_export.manifest import Row

EMOTIONS = {
    "angry": "anger",
    "disgust": "disgust",
    "fear": "fear",
    "happy": "happiness",
    "neutral": "neutral",
    "ps": "surprise",
    "sad": "sadness",
}
# One file of the release is called OA_bite_neutral.
_STEM = re.compile(r"(OAF?|YAF)_([a-z]+)_(angry|disgust|fear|happy|neutral|ps|sad)", re.IGNORECASE)


def rows(root: Path) -> list[Row]:
    """One row a clip; CorpusError for two different recordings of one name."""
    found = []
    for (speaker, word, code), path in by_key(root, _parts).items():
        emotion = EMOTIONS[code]
        affect = affect_of(emotion)
        found.append(
            Row(
                path=path,
                corpus="tess",
                speaker=f"tess-{speaker}",
                gender="female",
                emotion=emotion,
                valence=affect.valence,
                arousal=affect.arousal,
                transcript=f"Say the word {word}.",
            )
        )
    return found


def _parts(path: Path) -> tuple[str, str, str] | None:
    match = _STEM.fullmatch(path.stem)
    if match is None:
        return None
    speaker, word, code = match.groups()
    return "YAF" if speaker.upper() == "YAF" else "OAF", word.lower(), code.lower()
