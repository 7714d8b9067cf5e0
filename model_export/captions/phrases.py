"""Phrases of feeling: the words of the vocabulary with adverbs of degree, hedges and negations.

A degree multiplies the distance from neutral; dominance stays the word's own, because a degree says how strong the
feeling is and not who is in control. A negation lands weakly on the other side: "not happy" is somewhat unhappy, "not
sad" is about neutral. All factors are our own choice.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from model_export.captions.caption import Place
from model_export.captions.vocabulary import Word


@dataclass(frozen=True, slots=True)
class Phrase:
    """Text that a frame of its form takes in, with its place on -1..1.

    `form` is "predicate" (after "sounds"), "attribute" (before a noun), "voice" (before "voice" only), "noun",
    "manner" (after "speaking") or "doing" (a verb in -ing, after "someone"); `kind` groups phrases for an even mixture.
    """

    text: str
    form: str
    kind: str
    term: str
    place: Place


DEGREES: dict[str, float] = {
    "barely": 0.25,
    "ever so slightly": 0.3,
    "faintly": 0.4,
    "vaguely": 0.4,
    "subtly": 0.4,
    "a touch": 0.4,
    "a tad": 0.4,
    "slightly": 0.45,
    "a bit": 0.5,
    "a little": 0.5,
    "mildly": 0.5,
    "kind of": 0.6,
    "sort of": 0.6,
    "somewhat": 0.65,
    "moderately": 0.65,
    "more or less": 0.7,
    "almost": 0.75,
    "fairly": 0.75,
    "rather": 0.85,
    "noticeably": 0.95,
    "": 1.0,
    "quite": 1.0,
    "pretty": 1.0,
    "audibly": 1.0,
    "clearly": 1.1,
    "truly": 1.15,
    "so": 1.2,
    "very": 1.25,
    "really": 1.25,
    "deeply": 1.25,
    "completely": 1.35,
    "incredibly": 1.4,
    "absolutely": 1.4,
    "intensely": 1.45,
    "extremely": 1.45,
    "utterly": 1.45,
    "exceptionally": 1.45,
}

# These cannot stand between an article and a noun.
_NOT_BEFORE_NOUNS = frozenset({"a touch", "a tad", "a bit", "a little", "kind of", "sort of", "more or less", "so"})

# Negation -> what becomes of the place of a pleasant and of an unpleasant word.
NEGATIONS: dict[str, tuple[float, float]] = {
    "not": (-0.4, -0.12),
    "not really": (-0.35, -0.08),
    "not exactly": (-0.4, -0.1),
    "not at all": (-0.6, -0.25),
    "not very": (-0.25, 0.15),
    "not particularly": (-0.28, 0.05),
    "far from": (-0.6, -0.3),
    "anything but": (-0.7, -0.4),
    "hardly": (-0.35, -0.05),
    "no longer": (-0.3, -0.15),
}

_PREDICATE_DEGREES = {"": 1.0, "almost": 0.8, "clearly": 1.1, "obviously": 1.1, "nearly": 0.8, "not quite": 0.4}
_NOUN_DEGREES = {
    "a trace of": 0.3,
    "a hint of": 0.35,
    "a touch of": 0.4,
    "a little": 0.45,
    "mild": 0.55,
    "some": 0.6,
    "barely hidden": 0.8,
    "": 1.0,
    "obvious": 1.1,
    "real": 1.1,
    "a lot of": 1.2,
    "great": 1.25,
    "pure": 1.3,
    "intense": 1.35,
    "overwhelming": 1.4,
}
_NOUN_NEGATIONS = {"no": "not at all", "no trace of": "not at all", "hardly any": "not very", "a lack of": "not"}
_VERB_DEGREES = {"": 1.0, "almost": 0.75, "practically": 0.9, "half": 0.7, "openly": 1.05, "clearly": 1.1}
_VOICE_DEGREES = {
    "slightly": 0.45,
    "faintly": 0.4,
    "somewhat": 0.65,
    "rather": 0.85,
    "": 1.0,
    "quite": 1.0,
    "noticeably": 1.0,
    "very": 1.3,
    "extremely": 1.55,
}
_ADVERB_DEGREES = {"slightly": 0.45, "somewhat": 0.65, "rather": 0.85, "": 1.0, "quite": 1.0, "very": 1.25}
_NEUTRAL_DEGREES = ("", "completely", "fairly", "rather", "quite", "very")


def scaled(place: Place, factor: float) -> Place:
    """The place moved away from neutral by a degree."""
    return place[0] * factor, place[1] * factor, place[2]


def negated(place: Place, negation: str) -> Place:
    """Where the negation of a word lies."""
    pleasant, unpleasant = NEGATIONS[negation]
    valence, arousal, dominance = place
    own = pleasant if valence >= 0 else unpleasant
    # "not angry" and "not excited" are both calmer; "not calm" stirs, "not sad" hardly does.
    return valence * own, arousal * (0.7 * pleasant if arousal > 0 else own), -0.3 * dominance


def of_words(words: list[Word], rng: np.random.Generator, degrees_each: int) -> list[Phrase]:
    """Every word plain, and adjectives with `degrees_each` adverbs drawn for each, besides all negations."""
    return [phrase for word in words for phrase in _of_word(word, rng, degrees_each)]


def _of_word(word: Word, rng: np.random.Generator, degrees_each: int) -> Iterator[Phrase]:
    match word.kind:
        case "adjective" | "predicative":
            yield from _of_adjective(word, rng, degrees_each)
        case "predicate":
            form = "doing" if doing(word.word) else "predicate"
            yield from _degreed(word, form, _PREDICATE_DEGREES)
            if not word.word.startswith(("not ", "unable ", "without ")):
                for negation in ("not", "no longer"):
                    yield _phrase(word, f"{negation} {word.word}", form, negated(word.place, negation))
        case "noun":
            yield from _degreed(word, "noun", _NOUN_DEGREES)
            for text, negation in _NOUN_NEGATIONS.items():
                yield _phrase(word, f"{text} {word.word}", "noun", negated(word.place, negation))
        case "verb":
            yield from _degreed(word, "doing", _VERB_DEGREES)
        case "delivery":
            yield from _degreed(word, "voice", _VOICE_DEGREES, kind="voice")
        case _:
            yield _phrase(word, word.word, "manner", word.place, kind="voice")


def _of_adjective(word: Word, rng: np.random.Generator, degrees_each: int) -> Iterator[Phrase]:
    before_nouns = word.kind == "adjective"
    if word.term == "neutral":
        degrees = dict.fromkeys(_NEUTRAL_DEGREES, 1.0)
    else:
        chosen = rng.choice(len(DEGREES), size=min(degrees_each, len(DEGREES)), replace=False)
        degrees = {"": 1.0} | {degree: DEGREES[degree] for degree in np.array(list(DEGREES))[chosen].tolist()}
        for negation in rng.choice(list(NEGATIONS), size=min(degrees_each, len(NEGATIONS)), replace=False).tolist():
            yield _phrase(word, f"{negation} {word.word}", "predicate", negated(word.place, negation), kind="negation")
    for degree, factor in degrees.items():
        text, place = f"{degree} {word.word}".strip(), scaled(word.place, factor)
        yield _phrase(word, text, "predicate", place)
        if before_nouns and degree not in _NOT_BEFORE_NOUNS:
            yield _phrase(word, text, "attribute", place)
    if word.adverb:
        for degree, factor in _ADVERB_DEGREES.items():
            yield _phrase(word, f"{degree} {word.adverb}".strip(), "manner", scaled(word.place, factor))


def _degreed(word: Word, form: str, degrees: dict[str, float], kind: str = "word") -> Iterator[Phrase]:
    for degree, factor in degrees.items():
        yield _phrase(word, f"{degree} {word.word}".strip(), form, scaled(word.place, factor), kind)


def _phrase(word: Word, text: str, form: str, place: Place, kind: str = "word") -> Phrase:
    return Phrase(text, form, kind, word.term, place)


def doing(text: str) -> bool:
    """Whether a predicate is a verb in -ing, which "sounds" cannot take ("having fun")."""
    first, *rest = text.split(" ")
    return bool(rest) and first.endswith("ing")
