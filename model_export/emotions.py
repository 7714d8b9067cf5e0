"""Where emotion categories lie in the valence-arousal plane.

PUBLISHED are means of Russell and Mehrabian, "Evidence for a three-factor theory of emotions", J. Research in
Personality 11 (1977): pleasure, arousal and dominance on -1..1 of 151 terms as rated by 300 people. They were not
fitted on any speech. Anger and fear lie at one place of the plane and differ in dominance alone, so training ranks by
all three; what is read out, stored and shown is the plane.

OWN are ours. *Neutral* is the origin of the plane. *Calm* is a category of RAVDESS, whose authors describe it as a
second baseline "perceptually similar to neutral" with "a mild positive valence" (Livingstone and Russo, PLoS ONE 13(5),
2018, e0196391): it is put half-way between the origin and *relaxed* in valence, at the arousal of *relaxed*. The
others stand where the word of `vocabulary.csv` named beside them stands, so that a caption and a clip of one emotion
agree.
"""

from encoders.affect import HIGH, NEUTRAL, Affect

# category -> (valence, arousal, dominance) on -1..1
PUBLISHED: dict[str, tuple[float, float, float]] = {
    "anger": (-0.51, 0.59, 0.25),
    "awe": (0.18, 0.40, -0.38),
    "boredom": (-0.65, -0.62, -0.33),
    "confusion": (-0.53, 0.27, -0.32),
    "disgust": (-0.60, 0.35, 0.11),
    "distress": (-0.61, 0.28, -0.36),
    "elation": (0.50, 0.42, 0.23),
    "embarrassment": (-0.46, 0.54, -0.24),
    "excitement": (0.62, 0.75, 0.38),
    "fear": (-0.64, 0.60, -0.43),
    "happiness": (0.81, 0.51, 0.46),
    "interest": (0.64, 0.51, 0.17),
    "love": (0.87, 0.54, -0.18),
    "pain": (-0.58, 0.41, -0.34),
    "pride": (0.77, 0.38, 0.65),
    "sadness": (-0.63, -0.27, -0.33),
    "shame": (-0.57, 0.01, -0.34),
    "surprise": (0.40, 0.67, -0.13),
    "triumph": (0.69, 0.57, 0.63),
}
OWN: dict[str, tuple[float, float, float]] = {
    "neutral": (0.0, 0.0, 0.0),
    "calm": (0.34, -0.46, 0.20),
    "adoration": (0.80, 0.20, 0.05),  # loving
    "amusement": (0.65, 0.40, 0.35),  # amused
    "contempt": (-0.55, 0.20, 0.40),  # contemptuous
    "contentment": (0.70, -0.20, 0.20),  # content
    "desire": (0.50, 0.70, 0.38),  # passionate
    "disappointment": (-0.55, -0.20, -0.33),  # disappointed
    "ecstasy": (0.85, 0.85, 0.38),  # ecstatic
    "frustration": (-0.55, 0.40, 0.05),  # frustrated
    "guilt": (-0.55, 0.0, -0.34),  # guilty
    "realization": (0.25, 0.25, 0.15),  # attentive
    "relief": (0.55, -0.20, 0.20),  # relieved
    "sarcasm": (-0.55, 0.30, 0.40),  # scornful
    "serenity": (0.65, -0.62, 0.15),  # serene
    "surprise-negative": (-0.30, 0.75, -0.20),  # shocked
    "surprise-positive": (0.45, 0.72, -0.13),  # amazed
    "sympathy": (0.60, 0.0, 0.05),  # caring
}
MEANS = PUBLISHED | OWN

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
    """The dominance (1..7) taken for an emotion, neutral for one that is not listed here."""
    return NEUTRAL + (HIGH - NEUTRAL) * MEANS.get(emotion, (0.0, 0.0, 0.0))[2]


def named(label: str) -> str:
    """The category that a corpus' label means: in lower case, and by the name used here where it is a synonym."""
    plain = label.strip().lower()
    return SYNONYMS.get(plain, plain)
