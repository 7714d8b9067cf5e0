"""Embeddings, for those who search or analyse elsewhere."""

from fastapi import Request
from fastapi.responses import JSONResponse

from encoders.affect import Affect
from service.access.needs import READ, needs
from service.engine import Engine
from service.observing import timing
from service.problems import Problem, documented
from service.routes.context import FOR_AUDIO, FOR_FORMS, FOR_JSON, ManyFiles, TheEngine, router
from service.routes.files import all_failed, uploads_of, work_on_each
from service.schemas import (
    AffectOut,
    AudioEmbedding,
    EmbedAudioResponse,
    EmbedTextRequest,
    EmbedTextResponse,
    TextEmbedding,
    vector_out,
)
from service.uploads import Upload

routes = router("embed")


@routes.post(
    "/embed/text",
    operation_id="embed_text",
    summary="Embed prompts",
    openapi_extra=needs(READ),
    response_description="One embedding a prompt, in the order given.",
    responses=documented(*FOR_JSON, "prompt-invalid", "overloaded"),
)
async def embed_text(wanted: EmbedTextRequest, engine: TheEngine) -> EmbedTextResponse:
    """Turn prompts into unit vectors of the space that audio lives in too, and into affect."""
    async with engine.quick.seat():
        encoded = await engine.texts.embed(wanted.prompts)
    bundle = engine.encoder.bundle
    return EmbedTextResponse(
        embeddings=[
            TextEmbedding(text=text, embedding=vector_out(vector), affect=AffectOut.of(Affect(*affect)))
            for text, vector, affect in zip(wanted.prompts, encoded.embedding, encoded.affect.tolist(), strict=True)
        ],
        dim=bundle.info.embedding_dim,
        bundle=bundle.fingerprint,
    )


@routes.post(
    "/embed/audio",
    operation_id="embed_audio",
    summary="Embed recordings",
    openapi_extra=needs(READ),
    response_model=EmbedAudioResponse,
    response_description="One result a file, in the order in which they were sent.",
    responses=documented(*FOR_FORMS, *FOR_AUDIO, "too-many-files", "overloaded"),
)
async def embed_audio(request: Request, engine: TheEngine, files: ManyFiles) -> EmbedAudioResponse | JSONResponse:
    """Turn recordings into unit vectors and affect: the mean over each one's segments. Nothing is kept.

    A file that cannot be used has status `failed` and its problem; the others are not affected. When none can
    be used, the answer is the first one's problem, with all `results` as an extension member.
    """
    uploads = uploads_of(files, engine)
    bundle = engine.encoder.bundle

    def embed(_: int, upload: Upload) -> AudioEmbedding:
        return _embed(upload, engine)

    outcomes = await work_on_each(uploads, engine, embed)
    results = [
        AudioEmbedding(name=upload.name, status="failed", problem=outcome) if isinstance(outcome, Problem) else outcome
        for upload, outcome in zip(uploads, outcomes, strict=True)
    ]
    failures = [outcome for outcome in outcomes if isinstance(outcome, Problem)]
    if len(failures) == len(results):
        return all_failed(request, failures, results)
    return EmbedAudioResponse(results=results, dim=bundle.info.embedding_dim, bundle=bundle.fingerprint)


def _embed(upload: Upload, engine: Engine) -> AudioEmbedding:
    with timing.stage("encode"), engine.decoders.sound(upload) as sound:
        embedding, affect = engine.encoder.embed_clip(
            sound, name=upload.name, max_duration=engine.settings.max_duration
        )
    return AudioEmbedding(
        name=upload.name, status="embedded", embedding=vector_out(embedding), affect=AffectOut.of(affect)
    )
