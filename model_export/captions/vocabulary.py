"""The vocabulary: words and expressions about feeling and delivery, each with its place, as `vocabulary.csv`.

The column `source` says where a place comes from:

- `RM1977`: the mean pleasure, arousal and dominance of Russell and Mehrabian, "Evidence for a three-factor theory of
  emotions", J. Research in Personality 11 (1977), table 1.
- `M1996`: the same scales as listed by Mehrabian, "Pleasure-arousal-dominance", Current Psychology 14 (1996).
- `R1980`: the direction is the word's angle in figure 2 of Russell, "A circumplex model of affect", J. Personality and
  Social Psychology 39 (1980); how far out is ours.
- `origin`: neutral is the origin of the plane.
- `own`: our own placement by the circumplex, made without looking at any speech or norm data.

The published values tell how a feeling feels to the one who has it. Where the word, said of a voice, tells something
else (`curious`, `arrogant`, `confused`, `sleepy`), the place is ours. Two words that name categories of corpora are
ours too: *calm* lies between Russell's angle for it and the "mild positive valence" that the authors of RAVDESS give
their category (Livingstone and Russo, PLoS ONE 13(5), 2018, e0196391); *bored* between the values of 1977 and 1980.
"""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from model_export.captions.caption import Place

VOCABULARY = Path(__file__).with_name("vocabulary.csv")

KINDS = ("adjective", "predicative", "predicate", "noun", "verb", "delivery", "manner")


@dataclass(frozen=True, slots=True)
class Word:
    """A word or expression with its valence, arousal and dominance on -1..1.

    `kind` is one of KINDS: an adjective of feeling; a predicative one ("afraid": never before its noun); a whole
    predicate ("at ease"); a noun; a verb in -ing; an adjective of the voice ("breathy"); a manner of speaking ("with
    a sigh"). `adverb` is "" where the adjective has no usable one.
    """

    term: str
    word: str
    kind: str
    adverb: str
    valence: float
    arousal: float
    dominance: float
    source: str

    @property
    def place(self) -> Place:
        """(valence, arousal, dominance) on -1..1."""
        return self.valence, self.arousal, self.dominance


@cache
def _table() -> tuple[Word, ...]:
    with VOCABULARY.open(encoding="utf-8", newline="") as file:
        return tuple(
            Word(
                term=row["term"],
                word=row["word"],
                kind=row["kind"],
                adverb=row["adverb"],
                valence=float(row["valence"]),
                arousal=float(row["arousal"]),
                dominance=float(row["dominance"]),
                source=row["source"],
            )
            for row in csv.DictReader(file)
        )


def vocabulary() -> list[Word]:
    """Every word and expression, in the file's order: the commonest of a term and kind come first."""
    return list(_table())


def place_of(word: str) -> Place:
    """The place of an adjective of feeling; KeyError when it is not in the vocabulary."""
    for entry in _table():
        if entry.word == word and entry.kind in ("adjective", "predicative"):
            return entry.place
    raise KeyError(word)
