"""The JSON of a description: what `POST /v1/describe` gives."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from index.describe import Description
from service import examples
from service.schemas import AffectIntervalOut, AffectOut


class TermOut(BaseModel):
    """An emotion term and its share; all shares sum to 1."""

    term: str
    share: float


class NearestPrompt(BaseModel):
    """A prompt of the bundle's vocabulary that is near the sound."""

    text: str
    term: str
    score: Annotated[float, Field(description="Cosine, -1..1.")]
    affect: AffectOut


class CandidateOut(BaseModel):
    """How near one of the caller's own prompts is."""

    text: str
    score: Annotated[float, Field(description="Cosine, -1..1.")]


class TimelineEntry(BaseModel):
    """One segment of the sound."""

    start: float
    end: float
    affect: AffectOut
    term: Annotated[str, Field(description="The nearest emotion term.")]


class DescribeResponse(BaseModel):
    """What a recording sounds like."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.DESCRIBE_RESPONSE]})

    name: str
    duration: float
    affect: AffectOut
    affect_interval: Annotated[
        AffectIntervalOut | None,
        Field(description="Of the affect of the whole recording; null where the bundle does not state it."),
    ]
    summary: Annotated[str, Field(description="One sentence.")]
    terms: list[TermOut]
    prompts: list[NearestPrompt]
    candidates: Annotated[list[CandidateOut], Field(description="The caller's prompts, nearest first.")]
    timeline: list[TimelineEntry]

    @classmethod
    def of(cls, name: str, found: Description) -> Self:
        """Make it from what the index found; `name` is the upload's."""
        return cls(
            name=name,
            duration=round(found.duration, 4),
            affect=AffectOut.of(found.affect),
            affect_interval=AffectIntervalOut.of(found.affect_range),
            summary=found.summary,
            terms=[TermOut(term=term, share=round(float(share), 6)) for term, share in found.terms],
            prompts=[
                NearestPrompt(
                    text=prompt.text,
                    term=prompt.term,
                    score=round(float(score), 6),
                    affect=AffectOut.of(prompt.affect),
                )
                for prompt, score in found.prompts
            ],
            candidates=[CandidateOut(text=text, score=round(float(score), 6)) for text, score in found.candidates],
            timeline=[
                TimelineEntry(
                    start=round(entry.start, 4),
                    end=round(entry.end, 4),
                    affect=AffectOut.of(entry.affect),
                    term=entry.term,
                )
                for entry in found.timeline
            ],
        )
