"""Describe a recording: audio to words."""

from typing import Annotated

from fastapi import Form

from index.describe import Description, describe
from service import timing
from service.descriptions import DescribeResponse
from service.engine import Engine
from service.needs import READ, needs
from service.problems import documented
from service.queries import Prompt
from service.routes.context import FOR_AUDIO, FOR_FORMS, OneFile, TheEngine, router
from service.schemas import MAX_PROMPTS
from service.uploads import Upload, received

routes = router("describe")


@routes.post(
    "/describe",
    operation_id="describe",
    summary="Say how a recording feels",
    openapi_extra=needs(READ),
    response_description="The recording in words and numbers.",
    responses=documented(*FOR_FORMS, *FOR_AUDIO, "prompt-invalid", "overloaded"),
)
async def describe_recording(
    engine: TheEngine,
    file: OneFile,
    candidates: Annotated[
        list[Prompt],
        Form(
            max_length=MAX_PROMPTS,
            description="Your own prompts; each is scored against the recording. Repeat the field.",
        ),
    ] = [],  # noqa: B006 - FastAPI copies it
) -> DescribeResponse:
    """Describe an uploaded recording: its affect, a sentence, emotion terms, nearest prompts, and a timeline.

    The recording is not kept. The model was trained on acted speech: take the answer as a ranking, not as a
    diagnosis of a person.
    """
    upload = received(file)
    found = await engine.audio.run(_describe, upload, engine, candidates)
    return DescribeResponse.of(upload.name, found)


def _describe(upload: Upload, engine: Engine, candidates: list[str]) -> Description:
    with timing.stage("encode"), engine.decoders.sound(upload) as sound:
        return describe(
            engine.encoder,
            engine.bank,
            sound,
            name=upload.name,
            candidates=candidates,
            max_duration=engine.settings.max_duration,
        )
