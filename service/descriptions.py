"""The JSON of a description: what `POST /v1/describe` gives."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from index.describe import Description
from index.doubts import Code
from index.wording import compared
from service import examples
from service.schemas import AffectIntervalOut, AffectOut, vector_out


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
    affect: Annotated[AffectOut, Field(description="As read.")]
    smoothed: Annotated[AffectOut, Field(description="The weighted mean with the moments near it, up to a change.")]
    term: Annotated[str, Field(description="The nearest emotion term.")]


class ChangeOut(BaseModel):
    """Where the affect changes for good."""

    at: Annotated[float, Field(description="In seconds.")]
    before: Annotated[AffectOut, Field(description="The mean from the last change, or the beginning, to this one.")]
    after: Annotated[AffectOut, Field(description="The mean from this change to the next one, or the end.")]
    words: Annotated[str, Field(description="How it sounds from there on; empty where it is hardly different.")]


class DoubtOut(BaseModel):
    """Why the description may be worth little."""

    code: Code
    detail: str


class DescribeResponse(BaseModel):
    """What a recording sounds like."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.DESCRIBE_RESPONSE]})

    name: str
    duration: float
    voiced: Annotated[float, Field(description="Seconds of voice in it.")]
    affect: AffectOut
    affect_interval: Annotated[
        AffectIntervalOut | None,
        Field(description="Of the affect of the whole recording; null where the bundle does not state it."),
    ]
    summary: Annotated[str, Field(description="One sentence.")]
    confidence: Annotated[Literal["usual", "low"], Field(description="Low where there are doubts.")]
    doubts: list[DoubtOut]
    terms: list[TermOut]
    terms_calibrated_on: Annotated[
        list[str] | None,
        Field(
            description="The terms among which the sharpness of shares was fitted on labelled held-out speech; null "
            "where the bundle states no calibration: then shares only rank."
        ),
    ]
    prompts: list[NearestPrompt]
    candidates: Annotated[list[CandidateOut], Field(description="The caller's prompts, nearest first.")]
    timeline: list[TimelineEntry]
    changes: Annotated[list[ChangeOut], Field(description="In order of time.")]
    embedding: Annotated[
        list[float] | None,
        Field(description="Of the whole recording, a unit vector, as a search takes it; null unless asked for."),
    ]
    peaks: Annotated[
        list[float] | None,
        Field(
            description="The loudest sample, 0..1, of each of so many equal parts of the recording: its waveform; "
            "null unless asked for."
        ),
    ]

    @classmethod
    def of(cls, name: str, found: Description, *, embedding: bool = False, peaks: list[float] | None = None) -> Self:
        """Make it from what the index found; `name` is the upload's, and `embedding` is given where wanted."""
        return cls(
            name=name,
            duration=round(found.duration, 4),
            voiced=round(found.voiced, 4),
            affect=AffectOut.of(found.affect),
            affect_interval=AffectIntervalOut.of(found.affect_range),
            summary=found.summary,
            confidence=found.confidence,
            doubts=[DoubtOut(code=doubt.code, detail=doubt.words) for doubt in found.doubts],
            terms=[TermOut(term=term, share=round(float(share), 6)) for term, share in found.terms],
            terms_calibrated_on=list(found.calibration.terms) if found.calibration else None,
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
                    smoothed=AffectOut.of(entry.smoothed),
                    term=entry.term,
                )
                for entry in found.timeline
            ],
            changes=[
                ChangeOut(
                    at=round(change.at, 4),
                    before=AffectOut.of(change.before),
                    after=AffectOut.of(change.after),
                    words=compared(change.before, change.after),
                )
                for change in found.changes
            ],
            embedding=vector_out(found.embedding) if embedding else None,
            peaks=peaks,
        )
