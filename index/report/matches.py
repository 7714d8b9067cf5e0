"""Which prompts a library answers best, and which nothing in it answers.

Each prompt of the bundle's vocabulary is searched for. Cosines tell which prompts are answered best. That nothing
answers a prompt is said in points of the plane, which people can judge: the nearest moment lies FAR from the prompt.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from encoders.affect import Affect
from encoders.encoder import Encoder
from index.errors import LibraryError, QueryError
from index.filters import Filter
from index.plane import Plane
from index.prompts import PromptBank, Vector
from index.report.moments import Moment
from index.store import Progress, Store

MOST_PROMPTS: Final = 20  # of the user's own
OWN_MOMENTS: Final = 3
FAR: Final = 1.0  # points of the scale; the affect of two neighbouring emotions differs by about as much


@dataclass(frozen=True, slots=True)
class Match:
    """A prompt and its best moments, of distinct clips, best first. `apart`: points from the best one to the prompt."""

    prompt: str
    moments: tuple[Moment, ...]
    apart: float

    @property
    def score(self) -> float:
        """The best moment's cosine."""
        return self.moments[0].score or 0.0


@dataclass(frozen=True, slots=True)
class Matches:
    """Of each term of the vocabulary its best prompt, best first; and of each its furthest, if FAR, furthest first."""

    best: tuple[Match, ...]
    none: tuple[Match, ...]


def vocabulary(
    store: Store, bank: PromptBank, *, filter: Filter | None = None, progress: Progress | None = None
) -> Matches:
    """Search for every prompt of the vocabulary in a library that has clips (which the filter keeps)."""
    best: dict[str, Match] = {}
    furthest: dict[str, Match] = {}
    vectors = bank.embeddings()
    for number, (prompt, vector) in enumerate(zip(bank.prompts, vectors, strict=True)):
        if progress and number % 20 == 0:
            progress("asking for the vocabulary's prompts", number / len(vectors))
        match = _match(store, prompt.text, vector, 1, bank.plane(), filter)
        best[prompt.term] = max(best.get(prompt.term, match), match, key=lambda one: one.score)
        furthest[prompt.term] = max(furthest.get(prompt.term, match), match, key=lambda one: one.apart)
    far = [match for match in furthest.values() if match.apart > FAR]
    return Matches(
        best=tuple(sorted(best.values(), key=lambda match: -match.score)),
        none=tuple(sorted(far, key=lambda match: -match.apart)),
    )


def own(
    store: Store, encoder: Encoder, bank: PromptBank, prompts: Sequence[str], *, filter: Filter | None = None
) -> tuple[Match, ...]:
    """Search for a user's own prompts, in their order. Raises PromptError; QueryError for too many of them."""
    if len(prompts) > MOST_PROMPTS:
        raise QueryError(f"a report has room for {MOST_PROMPTS} prompts; {len(prompts)} are given.")
    vectors = encoder.embed_prompts(list(prompts)).embedding if prompts else ()
    return tuple(
        _match(store, prompt, vector, OWN_MOMENTS, bank.plane(), filter)
        for prompt, vector in zip(prompts, vectors, strict=True)
    )


def _match(store: Store, prompt: str, vector: Vector, count: int, plane: Plane, filter: Filter | None) -> Match:
    hits = store.search(vector, k=count, filter=filter)
    if not hits:
        raise LibraryError("the library was emptied while the report was made. Make it again.")
    apart = math.dist(Affect(*plane.affect_of(vector)).clipped(), hits[0].affect)
    return Match(prompt, tuple(Moment(hit.clip, hit.start, hit.end, hit.affect, hit.score) for hit in hits), apart)
