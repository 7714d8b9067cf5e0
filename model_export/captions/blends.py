"""Phrases of more than one feeling: blends, hedged mixtures, comparisons, transitions, a feeling with its delivery."""

import numpy as np
import numpy.typing as npt

from model_export.captions.caption import Place, inside, mix
from model_export.captions.phrases import Phrase
from model_export.captions.vocabulary import Word

# Text, its form, the share of the first and of the second adjective, and how far apart the two may lie on the plane.
_PAIRS: tuple[tuple[str, str, float, float, float], ...] = (
    ("{} and {}", "predicate", 0.5, 0.5, 1.1),
    ("{}, {}", "attribute", 0.5, 0.5, 0.9),
    ("both {} and {}", "predicate", 0.5, 0.5, 1.1),
    ("{} but a little {}", "predicate", 0.7, 0.3, 1.5),
    ("{} but also {}", "predicate", 0.5, 0.5, 1.4),
    ("{} and slightly {}", "predicate", 0.75, 0.25, 1.3),
    ("{} yet {}", "predicate", 0.5, 0.5, 1.4),
    ("more {} than {}", "predicate", 0.75, 0.2, 1.5),
    ("{} rather than {}", "predicate", 0.9, 0.0, 1.5),
    ("{}, not {}", "predicate", 0.95, 0.0, 2.5),
    ("{}, almost {}", "predicate", 0.6, 0.4, 0.8),
    ("{} or even {}", "predicate", 0.5, 0.5, 0.7),
    ("half {}, half {}", "predicate", 0.5, 0.5, 1.6),
    ("somewhere between {} and {}", "predicate", 0.5, 0.5, 1.6),
    ("first {} and then {}", "predicate", 0.45, 0.55, 2.0),
    ("{} on the surface but {} underneath", "predicate", 0.5, 0.5, 1.8),
    ("trying to sound {} while really {}", "doing", 0.3, 0.65, 2.0),
    ("trying to stay {} although {}", "doing", 0.35, 0.6, 1.8),
    ("pretending to be {} but actually {}", "doing", 0.3, 0.65, 2.0),
    ("going from {} to {}", "doing", 0.45, 0.55, 2.0),
    ("starting out {} and ending up {}", "doing", 0.4, 0.6, 2.0),
    ("no longer {} but {}", "predicate", -0.05, 0.95, 2.0),
    ("a little {} and a little {}", "predicate", 0.3, 0.3, 1.1),
    ("very {} and {}", "predicate", 0.65, 0.55, 0.9),
)
_SINGLES: tuple[tuple[str, str, float], ...] = (
    ("more {} than usual", "predicate", 0.6),
    ("more {} than most people", "predicate", 0.8),
    ("less {} than one would expect", "predicate", 0.25),
    ("getting more and more {}", "doing", 1.0),
    ("slowly becoming {}", "doing", 0.7),
    ("starting to sound {}", "doing", 0.65),
    ("as {} as anyone can be", "predicate", 1.45),
    ("as {} as ever", "predicate", 1.1),
    ("nowhere near {}", "predicate", -0.2),
    ("trying not to sound {}", "doing", 0.7),
    ("unable to hide how {} they are", "predicate", 1.1),
    ("only pretending to be {}", "doing", 0.45),
)
_WITH_NOUN: tuple[tuple[str, float, float], ...] = (
    ("{} with a hint of {}", 0.8, 0.2),
    ("{} with a touch of {}", 0.75, 0.25),
    ("{} and full of {}", 0.5, 0.6),
    ("{}, with {} in the voice", 0.55, 0.5),
    ("{} out of {}", 0.6, 0.4),
)
_WITH_VOICE = ("{}, in a {} voice", "{} and {} in tone", "{}, with a {} voice", "{}, the voice {}")
_WITH_MANNER = ("{}, speaking {}", "{} and talking {}", "{}, saying it {}")


def blend_phrases(words: list[Word], rng: np.random.Generator, count: int) -> list[Phrase]:
    """`count` phrases of two feelings, or of one compared, changing or put on."""
    adjectives = [word for word in words if word.kind == "adjective"]
    nouns = [word for word in words if word.kind == "noun"]
    picker = _Picker(adjectives, rng)
    noun_picker = _Picker(nouns, rng)
    found: list[Phrase] = []
    while len(found) < count:
        first = picker.any()
        choice = rng.random()
        if choice < 0.62:
            text, form, share, other, apart = _PAIRS[rng.integers(len(_PAIRS))]
            second = picker.near(first, apart)
            place = mix((share, first.place), (other, second.place))
            text = text.format(first.word, second.word)
        elif choice < 0.78:
            text, form, share = _SINGLES[rng.integers(len(_SINGLES))]
            second, other = first, 0.0
            place, text = mix((share, first.place)), text.format(first.word)
        else:
            text, share, other = _WITH_NOUN[rng.integers(len(_WITH_NOUN))]
            second, form = noun_picker.near(first, 1.0), "predicate"
            place, text = mix((share, first.place), (other, second.place)), text.format(first.word, second.word)
        if first.word == second.word and choice < 0.62:
            continue
        found.append(Phrase(text, form, "blend", _term(first, share, second, other), inside(place)))
    return found


def _term(first: Word, share: float, second: Word, other: float) -> str:
    """The term of the feeling that prevails, "" when neither does."""
    if share == other:
        return first.term if first.term == second.term else ""
    return first.term if share > other else second.term


def delivery_phrases(words: list[Word], rng: np.random.Generator, count: int) -> list[Phrase]:
    """`count` phrases of a feeling together with a voice or manner that goes with it, and of two qualities of voice."""
    feelings = _Picker([word for word in words if word.kind in ("adjective", "predicative")], rng)
    voices = _Picker([word for word in words if word.kind == "delivery"], rng)
    manners = _Picker([word for word in words if word.kind == "manner"], rng)
    found: list[Phrase] = []
    while len(found) < count:
        choice = rng.random()
        if choice < 0.25:
            one = voices.any()
            other = voices.near(one, 0.6)
            if one.word != other.word:
                place = mix((0.6, one.place), (0.6, other.place))
                found.append(Phrase(f"{one.word} and {other.word}", "voice", "voice", one.term, inside(place)))
            continue
        feeling = feelings.any()
        picker, texts = (voices, _WITH_VOICE) if choice < 0.65 else (manners, _WITH_MANNER)
        delivery = picker.near(feeling, 0.8)
        text = texts[rng.integers(len(texts))].format(feeling.word, delivery.word)
        found.append(Phrase(text, "predicate", "blend", feeling.term, heard(feeling.place, delivery.place)))
    return found


def heard(feeling: Place, delivery: Place) -> Place:
    """Where a feeling lies when its delivery is named as well."""
    return inside(mix((0.75, feeling), (0.35, delivery)))


class _Picker:
    """Draws words at random, or one that lies near another on the plane."""

    def __init__(self, words: list[Word], rng: np.random.Generator) -> None:
        self.words, self.rng = words, rng
        self.places = np.array([word.place[:2] for word in words])
        self.neighbours: dict[tuple[tuple[float, float], float], npt.NDArray[np.int64]] = {}

    def any(self) -> Word:
        return self.words[self.rng.integers(len(self.words))]

    def near(self, word: Word, apart: float) -> Word:
        key = (word.place[:2], apart)
        if key not in self.neighbours:
            distances = np.hypot(*(self.places - np.array(word.place[:2])).T)
            # Some words have few neighbours: then the nearest five are close enough.
            self.neighbours[key] = np.flatnonzero(distances <= max(apart, float(np.sort(distances)[5])))
        near = self.neighbours[key]
        return self.words[int(near[self.rng.integers(len(near))])]
