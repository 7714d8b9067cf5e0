"""Where emotion categories lie in the valence-arousal plane: where their word lies in the captions' vocabulary.

So a caption and a clip of one emotion agree, and what is published and what is our own placement is said once, in
`captions/vocabulary.csv` and the module beside it. None of it was fitted on any speech. Anger and fear lie at one place
of the plane and differ in dominance alone, so training ranks by all three; what is read out, stored and shown is the
plane.
"""

import math

from encoders.affect import HIGH, NEUTRAL, Affect
from model_export.captions.vocabulary import place_of

# category -> its word in the vocabulary
WORDS: dict[str, str] = {
    "neutral": "neutral",
    "calm": "calm",
    "happiness": "happy",
    "sadness": "sad",
    "anger": "angry",
    "fear": "fearful",
    "disgust": "disgusted",
    "surprise": "surprised",
    "boredom": "bored",
    "adoration": "loving",
    "amusement": "amused",
    "awe": "awed",
    "confusion": "confused",
    "contempt": "contemptuous",
    "contentment": "content",
    "desire": "passionate",
    "disappointment": "disappointed",
    "distress": "distressed",
    "ecstasy": "ecstatic",
    "elation": "elated",
    "embarrassment": "embarrassed",
    "excitement": "excited",
    "frustration": "frustrated",
    "guilt": "guilty",
    "interest": "interested",
    "love": "loved",
    "pain": "pained",
    "pride": "proud",
    "realization": "attentive",
    "relief": "relieved",
    "sarcasm": "sarcastic",
    "serenity": "serene",
    "shame": "ashamed",
    "surprise-negative": "shocked",
    "surprise-positive": "amazed",
    "sympathy": "sympathetic",
    "triumph": "triumphant",
}
# category -> (valence, arousal, dominance) on -1..1
MEANS: dict[str, tuple[float, float, float]] = {category: place_of(word) for category, word in WORDS.items()}

# What corpora call these categories.
SYNONYMS: dict[str, str] = {
    "angry": "anger",
    "bored": "boredom",
    "contemptuous": "contempt",
    "disgusted": "disgust",
    "excited": "excitement",
    "fearful": "fear",
    "afraid": "fear",
    "scared": "fear",
    "frustrated": "frustration",
    "happy": "happiness",
    "joy": "happiness",
    "sad": "sadness",
    "sarcastic": "sarcasm",
    "surprised": "surprise",
}

# How far from the origin a normal and a strong performance of one emotion are taken to lie (our choice: RAVDESS only
# says that strong is stronger; 0.8 and 1.2 keep the published value as their mean).
INTENSITY: dict[str, float] = {"normal": 0.8, "": 1.0, "strong": 1.2}


def affect_of(emotion: str, intensity: str = "") -> Affect:
    """The affect (1..7) taken for a clip acted as `emotion`; KeyError for an emotion or intensity not listed here."""
    valence, arousal, _ = MEANS[emotion]
    scale = INTENSITY[intensity]
    return Affect.from_unit(valence * scale, arousal * scale).clipped()


def dominance_of(emotion: str) -> float:
    """The dominance (1..7) taken for an emotion; nan, not known, for one that is not listed here."""
    return NEUTRAL + (HIGH - NEUTRAL) * MEANS[emotion][2] if emotion in MEANS else math.nan


def named(label: str) -> str:
    """The category that a corpus' label means: in lower case, and by the name used here where it is a synonym."""
    plain = label.strip().lower()
    return SYNONYMS.get(plain, plain)
