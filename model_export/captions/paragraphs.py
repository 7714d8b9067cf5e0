"""Captions of two sentences, such as a language model writes of a clip: how the voice is, then how it feels."""

import numpy as np
import numpy.typing as npt

from model_export.captions.blends import heard
from model_export.captions.frames import SETTINGS, SPEAKERS, article, fill
from model_export.captions.levels import LEVELS, level_phrases
from model_export.captions.phrases import Phrase

# First sentence by the form of what it takes in; second sentence by the form of the feeling.
_DELIVERIES: dict[str, tuple[str, ...]] = {
    "voice": (
        "{S} speaks in a {x} voice{w}.",
        "The voice is {x}.",
        "The clip features {s} with a {x} voice.",
        "{S} talks in a {x} tone{w}.",
    ),
    "manner": (
        "{S} speaks {x}{w}.",
        "{S} is talking {x}{w}.",
        "The words are spoken {x}.",
        "In this recording, {s} speaks {x}.",
    ),
    "noun": ("The delivery has {x}.", "{S} speaks with {x}{w}."),
}
_FEELINGS: dict[str, tuple[str, ...]] = {
    "predicate": (
        "The speaker sounds {x}.",
        "It gives the impression of someone who is {x}.",
        "One hears a person who is {x}.",
        "The overall impression is of being {x}.",
        "They come across as {x}.",
    ),
    "attribute": ("The tone is {x}.", "The mood of the clip is {x}.", "Overall it is a {x} performance."),
    "noun": ("One hears {x} in the voice.", "The speech conveys {x}.", "{X} can be heard throughout."),
    "doing": ("One hears someone {x}.",),
}
_BOTH = ("The speech has {v} valence and {a} arousal.", "Valence is {v}; arousal is {a}.")
_HEIGHTS: dict[float, str] = {
    -5: "extremely low",
    -4: "very low",
    -3: "low",
    -2: "fairly low",
    -1: "slightly low",
    0: "average",
    1: "slightly high",
    2: "fairly high",
    3: "high",
    4: "very high",
    5: "extremely high",
}


def paragraph_phrases(phrases: list[Phrase], rng: np.random.Generator, count: int) -> list[Phrase]:
    """`count` texts of two sentences: a delivery that goes with a feeling, then the feeling."""
    deliveries = [p for p in phrases if p.kind == "voice" and p.form in _DELIVERIES]
    deliveries += [p for level in level_phrases("arousal").values() for p in level if p.form in ("manner", "noun")]
    feelings = [p for p in phrases if p.kind in ("word", "blend", "plane") and p.form in _FEELINGS]
    places = np.array([p.place[:2] for p in deliveries])
    chosen = [feelings[k] for k in _evenly(np.array([p.place[:2] for p in feelings]), rng, count)]
    found = []
    for cell, members in _by_cell(chosen).items():
        # The deliveries that go with a feeling are those nearest to its cell.
        near = np.argsort(np.hypot(*(places - np.array(cell)).T))[:60]
        found += [_paragraph(feeling, deliveries[near[rng.integers(len(near))]], rng) for feeling in members]
    return found


def _paragraph(feeling: Phrase, delivery: Phrase, rng: np.random.Generator) -> Phrase:
    speaker = SPEAKERS[rng.integers(len(SPEAKERS))]
    setting = f" {SETTINGS[rng.integers(len(SETTINGS))]}" if rng.random() < 0.25 else ""
    first = fill(_one(_DELIVERIES[delivery.form], rng), delivery.text, speaker, setting)
    second = _one(_FEELINGS[feeling.form], rng).format(x=feeling.text, X=feeling.text[0].upper() + feeling.text[1:])
    place = heard(feeling.place, delivery.place)
    text = f"{first} {article(second)}" if rng.random() < 0.7 else f"{article(second)} {first}"
    return Phrase(text, "text", "paragraph", feeling.term, place)


def label_phrases() -> list[Phrase]:
    """Sentences that name both levels, as one reads labels out, for every pair of levels."""
    return [
        Phrase(text.format(v=high, a=other), "text", "plane", "", (LEVELS[valence], LEVELS[arousal], 0.0))
        for text in _BOTH
        for valence, high in _HEIGHTS.items()
        for arousal, other in _HEIGHTS.items()
    ]


def _by_cell(feelings: list[Phrase]) -> dict[tuple[float, float], list[Phrase]]:
    cells: dict[tuple[float, float], list[Phrase]] = {}
    for feeling in feelings:
        cells.setdefault((round(feeling.place[0], 1), round(feeling.place[1], 1)), []).append(feeling)
    return cells


def _evenly(places: npt.NDArray[np.float64], rng: np.random.Generator, count: int) -> npt.NDArray[np.int64]:
    """Indices drawn so that every cell of the plane comes equally often."""
    _, cells, sizes = np.unique(np.floor(places * 6).astype(int), axis=0, return_inverse=True, return_counts=True)
    weights = 1.0 / sizes[cells.ravel()]
    return rng.choice(len(places), size=count, p=weights / weights.sum())


def _one(options: tuple[str, ...], rng: np.random.Generator) -> str:
    return options[rng.integers(len(options))]
