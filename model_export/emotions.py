"""Where acted emotion categories lie in the valence-arousal plane.

The means are those of Russell and Mehrabian, "Evidence for a three-factor theory of emotions", J. Research in
Personality 11 (1977), table 1: pleasure, arousal and dominance on -1..1 of 151 terms as rated by 300 people. They were
not fitted on any speech. Anger and fear lie at one place of the plane and differ in dominance alone, so training
ranks by all three; what is read out, stored and shown is the plane.

Three entries need a word. *Neutral* is the origin of the plane. *Calm* is a category of RAVDESS, whose authors
describe it as a second baseline "perceptually similar to neutral" with "a mild positive valence" (Livingstone and
Russo, PLoS ONE 13(5), 2018, e0196391): it is put half-way between the origin and *relaxed* in valence, at the arousal
of *relaxed*. *Boredom* occurs only in EmoDB, which is never trained on.
"""

from encoders.affect import HIGH, NEUTRAL, Affect

# category -> (valence, arousal, dominance) on -1..1
MEANS: dict[str, tuple[float, float, float]] = {
    "neutral": (0.0, 0.0, 0.0),
    "calm": (0.34, -0.46, 0.20),
    "happiness": (0.81, 0.51, 0.46),
    "sadness": (-0.63, -0.27, -0.33),
    "anger": (-0.51, 0.59, 0.25),
    "fear": (-0.64, 0.60, -0.43),
    "disgust": (-0.60, 0.35, 0.11),
    "surprise": (0.40, 0.67, -0.13),
    "boredom": (-0.65, -0.62, -0.33),
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
