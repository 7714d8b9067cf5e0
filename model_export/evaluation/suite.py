"""Every measure of this package in one dictionary, ready for JSON: finite numbers or null only.

    bundle {name, version, fingerprint} · corpora · clips · speakers · settings
    affect           {axis: {tau, interval, ccc, bias, mae, coverage}}                           `readout`
    affect_note      who had a part in the calibration; null where nobody of these clips had     `readout`
    graded_prompts   {axis: {prompts, tau, interval, interval_clips, label_by_level, tau_each, top_1}}   `graded`
    emotions         {prompt: {emotion, hits, chance}}                                           `zero_shot`
    zero_shot        {uar, interval, chance, classes, prompts, counts, recall, confusion}        `zero_shot`
    modality_gap     {mmd, mmd_squared, kernel, bandwidth, sliced_wasserstein, centroid_distance, audio, text,
                      vocabulary, drawn}                                                          `gap`
    retrieval        {radius, text_to_audio, audio_to_text}                                      `retrieval`
    slices           {gender | corpus | speaker | duration: {name: {clips, valence, arousal}}}   `slices`
    robustness       {clips, clean, conditions}, null unless asked for                           `robustness`
    unseen_words     {words, valence, arousal, without_place, published, by_word} or {note}        `unseen`

The gap is that between the clips and a caption beside each of them; `vocabulary` is that to the bundle's own prompts,
whose places on the plane are not those of the clips.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from encoders.encoder import Encoder
from model_export.captions import Caption
from model_export.errors import CorpusError
from model_export.evaluation import graded, texts
from model_export.evaluation.clips import Embedded
from model_export.evaluation.gap import LIMIT, drawn, modality_gap
from model_export.evaluation.graded import GRADED, graded_scores
from model_export.evaluation.measures import Floats, plain
from model_export.evaluation.readout import affect_scores, fitted_note
from model_export.evaluation.retrieval import retrieval_scores
from model_export.evaluation.robustness import robustness_scores
from model_export.evaluation.slices import slice_scores
from model_export.evaluation.unseen import unseen_scores
from model_export.evaluation.zero_shot import emotion_scores, zero_shot_scores


@dataclass(frozen=True, slots=True)
class Settings:
    """How to measure.

    `seed` draws captions, subsamples and resamples; `rounds` of the bootstrap; `captions` at most that many, spread
    evenly over the plane, for retrieval; `radius` within which a clip and a caption match (on 1..7); `robustness` on at
    most that many clips (0: not at all); `graded` prompts' file.
    """

    seed: int = 0
    rounds: int = 1000
    captions: int = 1000
    radius: float = 1.0
    robustness: int = 0
    graded: Path = GRADED


def evaluate(clips: Embedded, encoder: Encoder, settings: Settings | None = None) -> dict[str, Any]:
    """Every measure of these clips with this bundle.

    Raises CorpusError for graded prompts that cannot be read, and for embeddings of another width than the bundle's.
    """
    chosen = settings or Settings()
    prompts = graded.read(chosen.graded)
    info = encoder.bundle.info
    if clips.embedding.shape[1:] != (info.embedding_dim,):
        raise CorpusError(
            f"the clips' embeddings have the shape {clips.embedding.shape}, and {info.name} makes {info.embedding_dim} "
            "numbers a clip: they are by another bundle; embed the corpus again"
        )
    rounds, seed = chosen.rounds, chosen.seed
    with Console(stderr=True).status("measuring"):
        scores = {
            "bundle": {"name": info.name, "version": info.version, "fingerprint": encoder.bundle.fingerprint},
            "corpora": sorted({row.corpus for row in clips.rows}),
            "clips": len(clips.rows),
            "speakers": len({row.speaker for row in clips.rows}),
            "settings": asdict(chosen) | {"graded": chosen.graded.name},
            "affect": affect_scores(clips, info.affect_interval, rounds, seed),
            "affect_note": fitted_note(clips.rows, info.provenance),
            "graded_prompts": graded_scores(clips, encoder, prompts, rounds, seed),
            "emotions": emotion_scores(clips, encoder),
            "zero_shot": zero_shot_scores(clips, encoder, rounds, seed),
            "modality_gap": _gap(clips, encoder, seed),
            "retrieval": _retrieval(clips, encoder, chosen),
            "slices": slice_scores(clips),
            "unseen_words": unseen_scores(clips, encoder, rounds, seed),
        }
    scores["robustness"] = robustness_scores(clips, encoder, prompts, chosen.robustness, seed)
    return {name: plain(value) for name, value in scores.items()}


def _gap(clips: Embedded, encoder: Encoder, seed: int) -> dict[str, Any]:
    picked = np.arange(len(clips.rows))
    if len(picked) > LIMIT:
        picked = np.sort(np.random.default_rng(seed).choice(len(picked), LIMIT, replace=False))
    captions = _embedding(texts.beside([clips.rows[index] for index in picked], seed), encoder)
    vocabulary = encoder.embed_prompts([prompt.text for prompt in encoder.bundle.prompts]).embedding
    return {
        **modality_gap(clips.embedding[picked], captions, seed),
        "vocabulary": modality_gap(clips.embedding, vocabulary, seed),
        "drawn": drawn(clips.embedding[picked], captions),
    }


def _retrieval(clips: Embedded, encoder: Encoder, settings: Settings) -> dict[str, Any]:
    captions = texts.even(settings.captions, settings.seed)
    places = np.array([caption.affect for caption in captions], dtype=np.float32)
    scores = retrieval_scores(clips.embedding, clips.labels, _embedding(captions, encoder), places, settings.radius)
    return {"captions": len(captions), **scores}


def _embedding(captions: list[Caption], encoder: Encoder) -> Floats:
    return encoder.embed_prompts([caption.text for caption in captions]).embedding
