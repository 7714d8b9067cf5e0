"""Describing a recording in words: affect, emotion terms, nearest prompts, and how they change in time.

Everything here is a model's estimate from the sound of the voice. The summary says so.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from encoders.affect import Affect, AffectRange, in_words
from encoders.audio import DEFAULT_MAX_DURATION, Source
from encoders.bundle import Prompt
from encoders.encoder import EncodedSegment, Encoder, pool
from index.encode import encode_clip
from index.prompts import PromptBank

NEAREST: Final = 5

# A term whose share is under this multiple of an even share is not worth a word in the summary.
_NOTABLE: Final = 1.2
_MOST_TERMS: Final = 3


@dataclass(frozen=True, slots=True)
class Moment:
    """A segment of the recording (`start`..`end`, seconds), its affect, and the term nearest to it."""

    start: float
    end: float
    affect: Affect
    term: str


@dataclass(frozen=True, slots=True)
class Description:
    """What a recording sounds like.

    `affect` is the mean over its segments; `affect_range` says where the label of such a clip lies, None where the
    bundle does not state it, and it holds for the whole clip only, not for moments of it. `terms` are all terms of
    the vocabulary with their shares (which sum to 1), `prompts` the nearest few with their cosines, `candidates`
    the caller's own prompts with their cosines; each best first. `summary` is one sentence for people.
    """

    duration: float
    affect: Affect
    affect_range: AffectRange | None
    summary: str
    terms: tuple[tuple[str, float], ...]
    prompts: tuple[tuple[Prompt, float], ...]
    candidates: tuple[tuple[str, float], ...]
    timeline: tuple[Moment, ...]


def describe(
    encoder: Encoder,
    bank: PromptBank,
    source: Source,
    *,
    name: str | None = None,
    candidates: Sequence[str] = (),
    max_duration: float = DEFAULT_MAX_DURATION,
    visit: Callable[[EncodedSegment], None] | None = None,
) -> Description:
    """Describe the recording `source`. Raises an AudioError, and PromptError for a candidate.

    `visit` is called with each segment as soon as it is encoded.
    """
    wanted = encoder.embed_prompts(list(candidates)).embedding if candidates else None
    segments, duration = encode_clip(encoder, source, name=name, max_duration=max_duration, visit=visit)
    timeline = [Moment(s.start, s.end, s.affect, bank.terms(s.embedding)[0][0]) for s in segments]
    embedding, affect = pool(segments)
    terms = tuple(bank.terms(embedding))
    scored: list[tuple[str, float]] = []
    if wanted is not None:
        scores = wanted @ embedding
        scored = [(candidates[place], float(scores[place])) for place in np.argsort(-scores, kind="stable")]
    return Description(
        duration=duration,
        affect=affect,
        affect_range=encoder.affect_range(affect),
        summary=_summary(affect, terms),
        terms=terms,
        prompts=tuple(bank.nearest(embedding, NEAREST)),
        candidates=tuple(scored),
        timeline=tuple(timeline),
    )


def _summary(affect: Affect, terms: Sequence[tuple[str, float]]) -> str:
    notable = [term for term, share in terms[:_MOST_TERMS] if share * len(terms) >= _NOTABLE]
    words = f"closest to {_listed(notable)}" if notable else "and no emotion term stands out"
    return (
        f"By the model's estimate the voice sounds {in_words(affect)} (valence {affect.valence:.1f}, arousal "
        f"{affect.arousal:.1f}, each on a scale from 1 to 7), {words}."
    )


def _listed(words: Sequence[str]) -> str:
    return " and ".join([*([", ".join(words[:-1])] if len(words) > 1 else []), words[-1]])
