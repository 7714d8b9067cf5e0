"""Captions: free text about how speech feels, each with the affect that its words say.

A small grammar writes them: an emotion word of `vocabulary.csv` or a plain phrase for a level of valence and arousal,
an adverb of degree, and a sentence frame. `pool` writes every kind of caption once (their sentence vectors are then
computed once for a whole training run); `Sampler` draws from the pool, evenly over the plane or near a clip.

The words' affects come from Russell and Mehrabian (1977) where `source` says RM1977; the others are our own
placements on Russell's circumplex (1980), made without looking at any speech data.
"""

import csv
import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from encoders.affect import Affect

VOCABULARY = Path(__file__).with_name("vocabulary.csv")


@dataclass(frozen=True, slots=True)
class Caption:
    """A text, the emotion term it belongs to ("" for plain levels) and its affect (1..7)."""

    text: str
    term: str
    affect: Affect


@dataclass(frozen=True, slots=True)
class Word:
    """An emotion word with its valence and arousal on -1..1."""

    term: str
    word: str
    valence: float
    arousal: float


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
    """The emotion words with their affect on -1..1."""
    with VOCABULARY.open(encoding="utf-8", newline="") as file:
        return [
            Word(row["term"], row["word"], float(row["valence"]), float(row["arousal"])) for row in csv.DictReader(file)
        ]


def _scaled(valence: float, arousal: float) -> Affect:
    return Affect.from_unit(valence, arousal).clipped()


def word_captions(words: list[Word], rng: np.random.Generator, frames_each: int) -> list[Caption]:
    """Every word with every degree, each in `frames_each` randomly drawn frames."""
    captions: list[Caption] = []
    for word, (degree, factor) in itertools.product(words, DEGREES.items()):
        if word.term == "neutral" and degree:
            continue  # "very neutral" says nothing that the grammar could place
        phrase = f"{degree} {word.word}".strip()
        affect = _scaled(word.valence * factor, word.arousal * factor)
        frames = rng.choice(FRAMES, size=frames_each, replace=False)
        captions += [Caption(_article(frame.format(phrase)), word.term, affect) for frame in frames]
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
    places = np.array([(w.valence, w.arousal) for w in words])
    captions: list[Caption] = []
    while len(captions) < count:
        i, j = rng.integers(len(words), size=2)
        if i == j or np.hypot(*(places[i] - places[j])) > 1.2:
            continue
        joint, share = joints[rng.integers(len(joints))]
        valence, arousal = (1 - share) * places[i] + share * places[j]
        phrase = joint.format(words[i].word, words[j].word)
        frame = FRAMES[rng.integers(len(FRAMES))]
        captions.append(Caption(_article(frame.format(phrase)), words[i].term, _scaled(valence, arousal)))
    return captions


def level_captions() -> list[Caption]:
    """Plain words for a level of valence, of arousal, or of both."""
    captions: list[Caption] = []
    for frame in LEVEL_FRAMES:
        for valence, phrases in _VALENCE.items():
            captions += [Caption(_article(frame.format(p)), "", _scaled(valence * 0.8, 0.0)) for p in phrases]
        for arousal, phrases in _AROUSAL.items():
            captions += [Caption(_article(frame.format(p)), "", _scaled(0.0, arousal * 0.8)) for p in phrases]
    for (valence, first), (arousal, second) in itertools.product(_VALENCE.items(), _AROUSAL.items()):
        for k, (a, b) in enumerate(itertools.product(first, second)):
            frame = LEVEL_FRAMES[k % len(LEVEL_FRAMES)]
            captions.append(
                Caption(_article(frame.format(f"{a} and {b}")), "", _scaled(valence * 0.75, arousal * 0.75))
            )
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
    """Draws captions from a pool by their affect (given on 1..7)."""

    def __init__(self, captions: list[Caption], spread: float = 0.35, cell: float = 0.5) -> None:
        self.affects = np.array([caption.affect for caption in captions])
        self.spread = spread
        cells = np.floor(self.affects / cell).astype(int)
        _, cell_of, sizes = np.unique(cells, axis=0, return_inverse=True, return_counts=True)
        weights = 1.0 / sizes[cell_of.ravel()]
        self.even = weights / weights.sum()

    def near(self, affect: npt.NDArray[np.float64], rng: np.random.Generator) -> int:
        """The index of a caption drawn with a Gaussian of width `spread` around the affect, evenly over its places."""
        square = ((self.affects - affect) ** 2).sum(axis=1)
        weights = np.exp(-(square - square.min()) / (2 * self.spread**2)) * self.even
        return int(rng.choice(len(weights), p=weights / weights.sum()))

    def anywhere(self, count: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
        """Indices of captions spread evenly over the places of the plane that the pool covers."""
        return rng.choice(len(self.even), size=count, p=self.even)


def bank() -> list[Caption]:
    """The prompt vocabulary that ships in a bundle: each word plain, softened and strengthened, in two frames."""
    captions: list[Caption] = []
    for word in vocabulary():
        for degree in ("",) if word.term == "neutral" else ("slightly", "", "very"):
            factor = DEGREES[degree]
            phrase = f"{degree} {word.word}".strip()
            affect = _scaled(word.valence * factor, word.arousal * factor)
            captions.append(Caption(_article(f"a {phrase} voice"), word.term, affect))
    return captions
