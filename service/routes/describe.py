"""Describe a recording: audio to words."""

from collections.abc import Iterator
from functools import partial
from typing import Annotated

from fastapi import Form, Request
from fastapi.responses import StreamingResponse

from encoders.audio import Decoded, Samples
from index.describe import describe
from service import events
from service.access.needs import READ, needs
from service.descriptions import DescribeResponse
from service.engine import Engine
from service.observing import timing
from service.peaks import MAX_COLUMNS, Peaks
from service.problems import documented
from service.queries import Prompt
from service.routes.context import FOR_AUDIO, FOR_FORMS, OneFile, TheEngine, router
from service.schemas import MAX_PROMPTS
from service.uploads import Upload, outliving, received

routes = router("describe")


@routes.post(
    "/describe",
    operation_id="describe",
    summary="Say how a recording feels",
    openapi_extra=needs(READ),
    response_description="The recording in words and numbers.",
    response_model=DescribeResponse,
    responses={200: events.documented(), **documented(*FOR_FORMS, *FOR_AUDIO, "prompt-invalid", "overloaded")},
)
async def describe_recording(
    request: Request,
    engine: TheEngine,
    file: OneFile,
    candidates: Annotated[
        list[Prompt],
        Form(
            max_length=MAX_PROMPTS,
            description="Your own prompts; each is scored against the recording. Repeat the field.",
        ),
    ] = [],  # noqa: B006 - FastAPI copies it
    embedding: Annotated[bool, Form(description="Give the recording's embedding too.")] = False,
    peaks: Annotated[
        int | None, Form(ge=1, le=MAX_COLUMNS, description="Give its waveform too, in so many columns.")
    ] = None,
) -> DescribeResponse | StreamingResponse:
    """Describe an uploaded recording: its affect, a sentence, emotion terms, nearest prompts, and a timeline.

    With `Accept: text/event-stream` a long recording is told as it is heard: `recording` with the duration that its
    header counts, `segment` with start, end and affect for each, then `result` or what went wrong (`problem`).

    The recording is not kept. The model was trained on acted speech: take the answer as a ranking, not as a
    diagnosis of a person.
    """
    upload = received(file)
    if events.wanted(request.headers.get("accept", "")):
        own = outliving(upload)
        work = partial(_describe, own, engine, candidates, embedding, peaks)
        return await events.answer(engine.audio, work, own.file.close, request.url.path)
    return await engine.audio.run(_describe, upload, engine, candidates, embedding, peaks)


def _describe(
    upload: Upload,
    engine: Engine,
    candidates: list[str],
    embedding: bool,
    columns: int | None,
    listener: events.Listener | None = None,
) -> DescribeResponse:
    declared = listener.declared if listener else None
    peaks = Peaks()
    with timing.stage("encode"), engine.decoders.sound(upload, declared) as sound:
        found = describe(
            engine.encoder,
            engine.bank,
            _drawn(sound, peaks) if columns else sound,
            name=upload.name,
            candidates=candidates,
            max_duration=engine.settings.max_duration,
            visit=listener.segment if listener else None,
        )
    drawn = peaks.columns(columns) if columns else None
    return DescribeResponse.of(upload.name, found, embedding=embedding, peaks=drawn)


def _drawn(sound: Decoded, peaks: Peaks) -> Decoded:
    """Give the same sound, the first reading of which is drawn; there may be a second."""
    drawing = [peaks]

    def read(label: str, max_duration: float) -> Iterator[Samples]:
        drawn = drawing.pop() if drawing else None
        for piece in sound.read(label, max_duration):
            if drawn:
                drawn.push(piece)
            yield piece

    return Decoded(read)
