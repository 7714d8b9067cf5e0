"""Captions: free text about how speech feels, each with the affect that its words say.

A small grammar writes them: an emotion word of `vocabulary.csv` or a plain phrase for a level of valence and arousal,
an adverb of degree, and a sentence frame. `pool` writes every kind of caption once (their sentence vectors are then
computed once for a whole training run); `Sampler` draws from the pool, evenly over the plane or near a clip.

The words' places come from Russell and Mehrabian (1977) where `source` says RM1977; the others are our own placements
by Russell's circumplex (1980; R1980 marks an angle of its figure 2), made without looking at any speech data. Each
word has a dominance beside its affect, the third dimension of Russell and Mehrabian: it is what tells anger from fear.
"""

import csv
import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from encoders.affect import HIGH, NEUTRAL, Affect

VOCABULARY = Path(__file__).with_name("vocabulary.csv")


@dataclass(frozen=True, slots=True)
class Caption:
    """A text, the emotion term it belongs to ("" for plain levels), its affect and its dominance (each 1..7)."""

    text: str
    term: str
    affect: Affect
    dominance: float = NEUTRAL


@dataclass(frozen=True, slots=True)
class Word:
    """An emotion word with its valence, arousal and dominance on -1..1."""

    term: str
    word: str
    valence: float
    arousal: float
    dominance: float


# Adverb -> how far it moves a word away from neutral (our own choice).
DEGREES: dict[str, float] = {
    "barely": 0.3,
    "slightly": 0.5,
    "a little": 0.5,
    "mildly": 0.55,
    "somewhat": 0.65,
    "rather": 0.85,
    "": 1.0,
    "quite": 1.0,
    "very": 1.25,
    "really": 1.25,
    "extremely": 1.45,
    "intensely": 1.45,
}

FRAMES: tuple[str, ...] = (
    "{}",
    "a {} voice",
    "someone sounds {}",
    "the speaker sounds {}",
    "{} speech",
    "a person who is {}",
    "spoken in a {} tone",
    "he sounds {}",
    "she sounds {}",
    "a {} way of speaking",
    "this voice feels {}",
    "the tone is {}",
    "they talk as if they were {}",
    "a recording of a {} speaker",
)

_VALENCE: dict[float, tuple[str, ...]] = {
    -1.0: ("very unpleasant", "extremely negative", "miserable in mood"),
    -0.6: ("unpleasant", "negative", "bad in mood"),
    -0.3: ("slightly negative", "a bit unpleasant", "not quite happy"),
    0.0: ("neither pleasant nor unpleasant", "emotionally neutral", "neutral in mood"),
    0.3: ("slightly positive", "mildly pleasant", "fairly good in mood"),
    0.6: ("pleasant", "positive", "good in mood"),
    1.0: ("very pleasant", "extremely positive", "wonderful in mood"),
}

_AROUSAL: dict[float, tuple[str, ...]] = {
    -1.0: (
        "very low in energy",
        "barely awake",
        "with almost no activation",
        "extremely slow and soft",
        "with very low arousal",
    ),
    -0.6: (
        "low in energy",
        "slow and soft",
        "calm in delivery",
        "with low arousal",
        "laid-back in delivery",
        "quietly spoken",
    ),
    -0.3: ("a bit low in energy", "rather soft", "somewhat slow", "a little subdued in delivery"),
    0.0: ("with moderate energy", "at a normal pace", "with average arousal"),
    0.3: ("fairly energetic", "a bit lively", "with somewhat raised energy"),
    0.6: ("high in energy", "fast and loud", "lively in delivery", "with high arousal", "strongly activated"),
    1.0: (
        "very high in energy",
        "extremely agitated in delivery",
        "shouted with full force",
        "with very high arousal",
        "at the top of the voice",
    ),
}

LEVEL_FRAMES: tuple[str, ...] = (
    "{}",
    "a voice that is {}",
    "the speaker sounds {}",
    "speech that is {}",
    "spoken in a way that is {}",
)


def vocabulary() -> list[Word]:
    """The emotion words with their places on -1..1."""
    with VOCABULARY.open(encoding="utf-8", newline="") as file:
        return [
            Word(row["term"], row["word"], *(float(row[axis]) for axis in ("valence", "arousal", "dominance")))
            for row in csv.DictReader(file)
        ]


def _caption(text: str, term: str, valence: float, arousal: float, dominance: float = 0.0) -> Caption:
    """A caption at a place on -1..1, brought onto the scale 1..7."""
    affect = Affect.from_unit(float(valence), float(arousal)).clipped()
    height = NEUTRAL + (HIGH - NEUTRAL) * min(1.0, max(-1.0, float(dominance)))
    return Caption(_article(text), term, affect, height)


def _degreed(word: Word, degree: str, frame: str) -> Caption:
    factor = DEGREES[degree]
    phrase = frame.format(f"{degree} {word.word}".strip())
    # The degree says how strong the feeling is, not who is in control: dominance stays the word's own.
    return _caption(phrase, word.term, word.valence * factor, word.arousal * factor, word.dominance)


def word_captions(words: list[Word], rng: np.random.Generator, frames_each: int) -> list[Caption]:
    """Every word with every degree, each in `frames_each` randomly drawn frames."""
    captions: list[Caption] = []
    for word, degree in itertools.product(words, DEGREES):
        if word.term == "neutral" and degree:
            continue  # "very neutral" says nothing that the grammar could place
        captions += [_degreed(word, degree, frame) for frame in rng.choice(FRAMES, size=frames_each, replace=False)]
    return captions


def blend_captions(words: list[Word], rng: np.random.Generator, count: int) -> list[Caption]:
    """Pairs of words that lie not too far apart ("calm but a little sad"), at the mean of the two."""
    joints = (
        ("{} and {}", 0.5),
        ("{} but a little {}", 0.3),
        ("{} with a hint of {}", 0.2),
        ("{}, {}", 0.5),
        ("both {} and {}", 0.5),
    )
    places = np.array([(w.valence, w.arousal, w.dominance) for w in words])
    captions: list[Caption] = []
    while len(captions) < count:
        i, j = rng.integers(len(words), size=2)
        if i == j or np.hypot(*(places[i] - places[j])[:2]) > 1.2:
            continue
        joint, share = joints[rng.integers(len(joints))]
        frame = FRAMES[rng.integers(len(FRAMES))]
        phrase = frame.format(joint.format(words[i].word, words[j].word))
        captions.append(_caption(phrase, words[i].term, *((1 - share) * places[i] + share * places[j])))
    return captions


def level_captions() -> list[Caption]:
    """Plain words for a level of valence, of arousal, or of both."""
    captions: list[Caption] = []
    for frame in LEVEL_FRAMES:
        for valence, phrases in _VALENCE.items():
            captions += [_caption(frame.format(p), "", valence * 0.8, 0.0) for p in phrases]
        for arousal, phrases in _AROUSAL.items():
            captions += [_caption(frame.format(p), "", 0.0, arousal * 0.8) for p in phrases]
    for (valence, first), (arousal, second) in itertools.product(_VALENCE.items(), _AROUSAL.items()):
        for k, (a, b) in enumerate(itertools.product(first, second)):
            frame = LEVEL_FRAMES[k % len(LEVEL_FRAMES)]
            captions.append(_caption(frame.format(f"{a} and {b}"), "", valence * 0.75, arousal * 0.75))
    return captions


def _article(text: str) -> str:
    """`a angry voice` -> `an angry voice`, `a a little sad voice` -> `a little sad voice`."""
    words = text.replace("a a little ", "a little ").split(" ")
    for k in range(len(words) - 1):
        if words[k] == "a" and words[k + 1][:1] in "aeiou":
            words[k] = "an"
    return " ".join(words)


def pool(
    seed: int = 0, frames_each: int = 4, blends: int = 4000, leave_out: frozenset[str] = frozenset()
) -> list[Caption]:
    """Every caption a training run may use; words in `leave_out` never occur (they test generalisation)."""
    rng = np.random.default_rng(seed)
    words = [word for word in vocabulary() if word.word not in leave_out]
    captions = word_captions(words, rng, frames_each) + blend_captions(words, rng, blends) + level_captions()
    return list({caption.text: caption for caption in captions}.values())


class Sampler:
    """Draws captions from a pool by their place: (valence, arousal, dominance), each 1..7."""

    def __init__(self, captions: list[Caption], spread: float = 0.35, cell: float = 0.5) -> None:
        self.places = np.array([(*caption.affect, caption.dominance) for caption in captions])
        self.spread = spread
        cells = np.floor(self.places[:, :2] / cell).astype(int)
        _, cell_of, sizes = np.unique(cells, axis=0, return_inverse=True, return_counts=True)
        weights = 1.0 / sizes[cell_of.ravel()]
        self.even = weights / weights.sum()

    def near(self, place: npt.NDArray[np.float64], rng: np.random.Generator) -> int:
        """The index of a caption drawn with a Gaussian of width `spread` around the place, evenly over the plane."""
        square = ((self.places - place) ** 2).sum(axis=1)
        weights = np.exp(-(square - square.min()) / (2 * self.spread**2)) * self.even
        return int(rng.choice(len(weights), p=weights / weights.sum()))

    def anywhere(self, count: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
        """Indices of captions spread evenly over the cells of the plane that the pool covers."""
        return rng.choice(len(self.even), size=count, p=self.even)


def bank() -> list[Caption]:
    """The prompt vocabulary that ships in a bundle: each word plain, softened and strengthened."""
    return [
        _degreed(word, degree, "a {} voice")
        for word in vocabulary()
        for degree in (("",) if word.term == "neutral" else ("slightly", "", "very"))
    ]
