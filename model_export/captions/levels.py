"""Plain English for a level of valence or of arousal, from extremely low to extremely high, and for both at once.

`levels.csv` holds the idioms ("at the top of their lungs"); ladders of adjectives before the names of the axes
("fairly low arousal") are written here. `other` in the file is where an idiom lies on the other axis: shouting is a
little unpleasant, a calm voice a little pleasant. All placements are our own.
"""

import csv
from functools import cache
from pathlib import Path

import numpy as np

from model_export.captions.caption import Place, inside
from model_export.captions.phrases import Phrase, doing

IDIOMS = Path(__file__).with_name("levels.csv")

# Level -> its place on -1..1; the halves are "almost neutral, if anything ...".
LEVELS: dict[float, float] = {
    -5: -0.92,
    -4: -0.75,
    -3: -0.58,
    -2: -0.4,
    -1: -0.23,
    -0.5: -0.1,
    0: 0.0,
    0.5: 0.1,
    1: 0.23,
    2: 0.4,
    3: 0.58,
    4: 0.75,
    5: 0.92,
}

_HEIGHT: dict[float, tuple[str, ...]] = {
    -5: ("extremely low", "exceptionally low", "rock-bottom"),
    -4: ("very low", "really low"),
    -3: ("low",),
    -2: ("fairly low", "rather low", "moderately low"),
    -1: ("slightly low", "a little low", "somewhat low"),
    0: ("medium", "moderate", "average"),
    1: ("slightly high", "a little high", "somewhat high"),
    2: ("fairly high", "rather high", "moderately high"),
    3: ("high",),
    4: ("very high", "really high"),
    5: ("extremely high", "exceptionally high", "sky-high"),
}
_AXIS_NAMES = {
    "arousal": ("arousal", "energy", "activation", "emotional arousal", "intensity"),
    "valence": ("valence", "pleasantness", "emotional valence", "positivity"),
}
# "low in energy" is said of the first few only.
_PREDICATED = 2
# How often a phrase for both axes is made of idioms rather than of ladders, where there are both.
_IDIOMS_SHARE = 0.65
_STRENGTH: dict[float, tuple[str, ...]] = {
    1: ("slightly", "mildly", "faintly"),
    2: ("fairly", "moderately", "rather"),
    3: ("", "clearly", "quite"),
    4: ("very", "really", "strongly"),
    5: ("extremely", "exceptionally", "overwhelmingly"),
}
_SIGNED = {
    "arousal": (("low-energy", "high-energy"), ("low-arousal", "high-arousal")),
    "valence": (("negative", "positive"), ("unpleasant", "pleasant")),
}
_COLOURED = ("emotion", "mood", "feelings", "sentiment", "valence", "affect")
# A rating on the scale 1..7 -> its place.
_RATINGS = {"1": -0.95, "2": -0.66, "3": -0.33, "4": 0.0, "5": 0.33, "6": 0.66, "7": 0.95}
_NUMERALS = ("one", "two", "three", "four", "five", "six", "seven")

_FORMS = {"pred": "predicate", "noun": "noun", "manner": "manner", "ing": "doing"}


def level_phrases(axis: str) -> dict[float, list[Phrase]]:
    """The phrases of "valence" or "arousal" by their level; a rating stands with the level that it is nearest to."""
    return {level: list(phrases) for level, phrases in _levels(axis).items()}


@cache
def _levels(axis: str) -> dict[float, tuple[Phrase, ...]]:
    found: dict[float, list[Phrase]] = {level: [] for level in LEVELS}
    with IDIOMS.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["axis"] == axis:
                level, text = float(row["level"]), row["text"]
                form = "doing" if doing(text) else _FORMS[row["form"]]
                found[level].append(_phrase(text, form, axis, LEVELS[level], float(row["other"])))
    for level, heights in _HEIGHT.items():
        for height in heights:
            for name in _AXIS_NAMES[axis]:
                found[level].append(_phrase(f"{height} {name}", "noun", axis, LEVELS[level], kind="ladder"))
            for name in _AXIS_NAMES[axis][:_PREDICATED]:
                found[level].append(_phrase(f"{height} in {name}", "predicate", axis, LEVELS[level], kind="ladder"))
    for size, strengths in _STRENGTH.items():
        for sign in (-1, 1):
            found[sign * size] += _signed(axis, sign, strengths, LEVELS[sign * size])
    for rating, place in _RATINGS.items():
        level = min(LEVELS, key=lambda level: abs(LEVELS[level] - place))
        for text in (f"{axis} {rating} on a scale from 1 to 7", f"{axis} {_NUMERALS[int(rating) - 1]} out of seven"):
            found[level].append(_phrase(text, "noun", axis, place, kind="ladder"))
    # Where a ladder says what an idiom of the same level says, the idiom stays.
    return {level: tuple({(p.form, p.text): p for p in reversed(phrases)}.values()) for level, phrases in found.items()}


def _signed(axis: str, sign: int, strengths: tuple[str, ...], place: float) -> list[Phrase]:
    phrases = []
    for strength in strengths:
        for pair in _SIGNED[axis]:
            text = f"{strength} {pair[sign > 0]}".strip()
            phrases += [_phrase(text, form, axis, place, kind="ladder") for form in ("attribute", "predicate")]
        if axis == "valence":
            colour = f"{strength} {_SIGNED[axis][0][sign > 0]}".strip()
            phrases += [_phrase(f"{colour} {noun}", "noun", axis, place, kind="ladder") for noun in _COLOURED]
    return phrases


def _phrase(text: str, form: str, axis: str, place: float, other: float = 0.0, kind: str = "level") -> Phrase:
    where = (place, other, 0.0) if axis == "valence" else (other, place, 0.0)
    return Phrase(text, form, kind, "", where)


# (form of the valence phrase, of the arousal phrase, of the whole, how they are joined)
_JOINTS: tuple[tuple[str, str, str, str], ...] = (
    ("predicate", "predicate", "predicate", "{v} and {a}"),
    ("predicate", "predicate", "predicate", "{a} and {v}"),
    ("predicate", "predicate", "predicate", "{v}, {a}"),
    ("predicate", "predicate", "predicate", "both {a} and {v}"),
    ("predicate", "predicate", "predicate", "{v} while {a}"),
    ("predicate", "manner", "predicate", "{v}, speaking {a}"),
    ("predicate", "manner", "predicate", "{v} and talking {a}"),
    ("predicate", "noun", "predicate", "{v}, with {a}"),
    ("noun", "predicate", "predicate", "{a}, with {v}"),
    ("noun", "noun", "noun", "{v} and {a}"),
    ("noun", "noun", "noun", "{a} and {v}"),
    ("noun", "noun", "noun", "{v} with {a}"),
    ("noun", "noun", "label", "{v}, {a}"),
    ("noun", "noun", "label", "{a}, {v}"),
    ("noun", "manner", "manner", "with {v}, {a}"),
    ("manner", "manner", "manner", "{a} and {v}"),
    ("manner", "manner", "manner", "{v}, {a}"),
    ("manner", "noun", "manner", "{v}, with {a}"),
    ("attribute", "attribute", "attribute", "{a}, {v}"),
    ("attribute", "attribute", "attribute", "{v}, {a}"),
    ("predicate", "doing", "doing", "{a} and {v}"),
)


def plane_phrases(rng: np.random.Generator, pairs_each: int) -> list[Phrase]:
    """For every pair of levels of the two axes, `pairs_each` phrases that name both."""
    valences, arousals = (
        [_by_form(phrases) for level, phrases in _levels(axis).items() if level not in (-0.5, 0.5)]
        for axis in ("valence", "arousal")
    )
    found = []
    for valence in valences:
        for arousal in arousals:
            for _ in range(pairs_each):
                first, second, form, joint = _JOINTS[rng.integers(len(_JOINTS))]
                if first not in valence or second not in arousal:
                    continue
                v, a = _pick(valence[first], rng), _pick(arousal[second], rng)
                text = joint.format(v=v.text, a=a.text)
                found.append(Phrase(text, form, "plane", "", _both(v.place, a.place)))
    return found


def _both(valence: Place, arousal: Place) -> Place:
    """Each phrase speaks for its own axis; what it hints of the other axis counts half."""
    return inside((valence[0] + 0.5 * arousal[0], arousal[1] + 0.5 * valence[1], 0.0))


def _pick(phrases: list[Phrase], rng: np.random.Generator) -> Phrase:
    idioms = [phrase for phrase in phrases if phrase.kind == "level"]
    options = idioms if idioms and rng.random() < _IDIOMS_SHARE else phrases
    return options[rng.integers(len(options))]


def _by_form(phrases: tuple[Phrase, ...]) -> dict[str, list[Phrase]]:
    forms: dict[str, list[Phrase]] = {}
    for phrase in phrases:
        forms.setdefault(phrase.form, []).append(phrase)
    return forms
