"""Describing a recording in words: affect, emotion terms, nearest prompts, how they change in time, and what to doubt.

Everything here is a model's estimate from the sound of the voice.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from encoders.affect import Affect, AffectRange
from encoders.audio import DEFAULT_MAX_DURATION, Source
from encoders.bundle import Prompt
from encoders.encoder import EncodedSegment, Encoder, Vectors, pool
from encoders.terms import TermShares
from encoders.voice import Voices
from index.doubts import Doubt, doubts
from index.encode import encode_clip
from index.prompts import PromptBank
from index.timeline import Change, Moment, timeline
from index.wording import sentence

NEAREST: Final = 5


@dataclass(frozen=True, slots=True, eq=False)
class Description:
    """What a recording sounds like.

    `embedding` (float32 [dim], unit norm) is the mean over its segments, as `encoder.pool` has it. So is `affect`;
    `affect_range` says where the label of such a clip lies, None where the
    bundle does not state it, and it holds for the whole clip only, not for moments of it. `terms` are all terms of
    the vocabulary with their shares (which sum to 1), and `calibration` what the bundle states on these, None where
    they are not calibrated. `prompts` are the nearest few with their cosines, `candidates` the caller's own prompts
    with their cosines; each best first. `voiced` is how many seconds of voice there are, `doubts` why all this may be
    worth little. `summary` is one sentence for people.
    """

    duration: float
    voiced: float
    embedding: Vectors
    affect: Affect
    affect_range: AffectRange | None
    summary: str
    doubts: tuple[Doubt, ...]
    terms: tuple[tuple[str, float], ...]
    calibration: TermShares | None
    prompts: tuple[tuple[Prompt, float], ...]
    candidates: tuple[tuple[str, float], ...]
    timeline: tuple[Moment, ...]
    changes: tuple[Change, ...]

    @property
    def confidence(self) -> Literal["usual", "low"]:
        """Low where there are doubts."""
        return "low" if self.doubts else "usual"


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

    `visit` is called with each segment as soon as it is encoded; what it raises ends the description.
    """
    wanted = encoder.embed_prompts(list(candidates)).embedding if candidates else None
    voices = Voices()
    segments, duration = encode_clip(encoder, source, name=name, max_duration=max_duration, visit=visit, voices=voices)
    embedding, affect = pool(segments)
    terms = tuple(bank.terms(embedding))
    moments, changes = timeline(segments, [bank.terms(segment.embedding)[0][0] for segment in segments])
    doubted = doubts(voices.signs(), segments)
    affect_range = encoder.affect_range(affect)
    scored: list[tuple[str, float]] = []
    if wanted is not None:
        scores = wanted @ embedding
        scored = [(candidates[place], float(scores[place])) for place in np.argsort(-scores, kind="stable")]
    return Description(
        duration=duration,
        voiced=min(voices.signs().voiced, duration),
        embedding=embedding,
        affect=affect,
        affect_range=affect_range,
        summary=sentence(affect, affect_range, terms, moments, changes, doubted),
        doubts=doubted,
        terms=terms,
        calibration=bank.calibration,
        prompts=tuple(bank.nearest(embedding, NEAREST)),
        candidates=tuple(scored),
        timeline=tuple(moments),
        changes=tuple(changes),
    )
