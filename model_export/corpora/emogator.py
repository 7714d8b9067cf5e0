"""EmoGator (Buhl 2023, Apache-2.0): `data/mp3/000001-01-1.mp3`: contributor, category, take.

Vocal bursts without words (laughs, sighs, groans), recorded at home by 357 people on a prompt; nobody checked them. The
categories are numbered in the order of EMOTIONS. Affect is that of the category, as `emotions` has it.
"""

import re
from pathlib import Path

from model_export.corpora.files import by_key
from model_export.emotions import affect_of
from model_export.manifest import Row

EMOTIONS = (
    "adoration",
    "amusement",
    "anger",
    "awe",
    "confusion",
    "contempt",
    "contentment",
    "desire",
    "disappointment",
    "disgust",
    "distress",
    "ecstasy",
    "elation",
    "embarrassment",
    "fear",
    "guilt",
    "interest",
    "neutral",
    "pain",
    "pride",
    "realization",
    "relief",
    "love",
    "sadness",
    "serenity",
    "shame",
    "surprise-negative",
    "surprise-positive",
    "sympathy",
    "triumph",
)
_STEM = re.compile(r"(\d{6})-(0[1-9]|[12]\d|30)-([1-3])")


def rows(root: Path) -> list[Row]:
    """One row a burst; CorpusError for two different recordings of one name."""
    found = []
    for stem, path in by_key(root, lambda path: path.stem if _STEM.fullmatch(path.stem) else None).items():
        contributor, category, _ = stem.split("-")
        emotion = EMOTIONS[int(category) - 1]
        affect = affect_of(emotion)
        found.append(
            Row(
                path=path,
                corpus="emogator",
                speaker=f"emogator-{contributor}",
                emotion=emotion,
                valence=affect.valence,
                arousal=affect.arousal,
            )
        )
    return found
