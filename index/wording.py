"""A description as one sentence: what the numbers say, and no more.

"Sounds tense and mostly negative, closest to angry and annoyed; calmer after 0:42." Where the interval of an axis
reaches over its neutral middle the sentence says "perhaps", where both do "may sound"; where there are doubts it begins
with them. A change is told when an axis moves by TOLD or more.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from encoders.affect import NEUTRAL, Affect, AffectRange
from index.doubts import Doubt
from index.timeline import Change, Moment

TOLD: Final = 0.5  # 1..7
_MOST_CHANGES: Final = 3
_MOST_TERMS: Final = 2
# A term whose share is under this multiple of an even share is not worth a word.
_NOTABLE: Final = 1.2
# The share of the moments that has to lie on the side of the mean; under it that side is only "mostly" so.
_NEARLY_ALL: Final = 0.9

# How far from neutral (of the way to the end of the scale) each word begins.
_SLIGHT: Final = 0.1
_PLAIN: Final = 0.35
_VERY: Final = 0.65


def sentence(
    affect: Affect,
    affect_range: AffectRange | None,
    terms: Sequence[tuple[str, float]],
    moments: Sequence[Moment],
    changes: Sequence[Change],
    doubts: Sequence[Doubt],
) -> str:
    """Say in one sentence what a recording sounds like; `terms` with their shares, largest first."""
    unsure = _over_neutral(affect_range)
    mood, tone = _mood(affect), _tone(affect, moments)
    if mood == tone:
        words = mood
    else:
        if unsure == (True, False):
            tone = f"perhaps {tone}"
        elif unsure == (False, True):
            mood = f"perhaps {mood}"
        words = f"{mood} and {tone}"
    said = f"{'may sound' if all(unsure) else 'sounds'} {words}{_closest(terms)}{_changing(changes)}."
    if doubts:
        return f"Hard to tell ({listed([doubt.words for doubt in doubts])}): {said}"
    return said[0].upper() + said[1:]


def compared(before: Affect, after: Affect) -> str:
    """Say how one affect sounds beside another: "calmer and more positive"; "" where it is hardly different."""
    valence, arousal = after.valence - before.valence, after.arousal - before.arousal
    words = []
    # The lesser of the two is left out where it is hardly heard beside the other.
    if abs(arousal) >= max(TOLD, abs(valence) / 2):
        livelier = "livelier" if after.valence >= NEUTRAL else "tenser"
        words.append(livelier if arousal > 0 else "calmer")
    if abs(valence) >= max(TOLD, abs(arousal) / 2):
        words.append("more positive" if valence > 0 else "more negative")
    return listed(words)


def clock(seconds: float) -> str:
    """Write a time as people read it off a player: 0:42, 12:05, 1:00:07."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def listed(words: Sequence[str]) -> str:
    """Write "a", "a and b", "a, b and c"."""
    return " and ".join([*([", ".join(words[:-1])] if len(words) > 1 else []), *words[-1:]])


def _mood(affect: Affect) -> str:
    valence, arousal = affect.to_unit()
    if abs(arousal) < _SLIGHT:
        return "neutral" if abs(valence) < _SLIGHT else "neither tense nor calm"
    if arousal > 0:
        word = "tense" if valence <= -_SLIGHT else "lively" if valence >= _SLIGHT else "energetic"
    else:
        word = "subdued" if valence <= -_SLIGHT else "calm"
    return f"{_degree(arousal, 'a little ')}{word}"


def _tone(affect: Affect, moments: Sequence[Moment]) -> str:
    valence, arousal = affect.to_unit()
    if abs(valence) < _SLIGHT:
        return "neutral" if abs(arousal) < _SLIGHT else "neither positive nor negative"
    word = "positive" if valence > 0 else "negative"
    same = np.mean([(moment.affect.valence - NEUTRAL) * valence > 0 for moment in moments])
    return f"mostly {word}" if same < _NEARLY_ALL else f"{_degree(valence, 'slightly ')}{word}"


def _degree(value: float, slight: str) -> str:
    size = abs(value)
    return slight if size < _PLAIN else "" if size < _VERY else "very "


def _over_neutral(found: AffectRange | None) -> tuple[bool, bool]:
    """Say of valence and arousal whether the interval has both sides of neutral."""
    if found is None:
        return False, False
    valence, arousal = (low < NEUTRAL < high for low, high in zip(found.low, found.high, strict=True))
    return valence, arousal


def _closest(terms: Sequence[tuple[str, float]]) -> str:
    notable = [term for term, share in terms[:_MOST_TERMS] if share * len(terms) >= _NOTABLE]
    return f", closest to {listed(notable)}" if notable else ", close to no emotion term more than to others"


def _changing(changes: Sequence[Change]) -> str:
    told = [(change, words) for change in changes if (words := compared(change.before, change.after))]
    if not told:
        return ""
    if len(told) <= _MOST_CHANGES:
        return "; " + ", ".join(f"{words} after {clock(change.at)}" for change, words in told)
    most, words = max(told, key=lambda item: _size(item[0]))
    return f"; changes {len(told)} times, most after {clock(most.at)} ({words})"


def _size(change: Change) -> float:
    return float(np.hypot(*(np.array(change.after) - np.array(change.before))))
