"""What noise, rooms, codecs, level, speed and cuts do to a bundle (`perturb.CONDITIONS`).

At most `count` clips, drawn with the seed, are decoded, changed, and embedded again. For each condition (the one that
changes nothing among them, which shows what decoding alone does):

- tau-b of the affect read-out, beside that of the same clips left alone (`clean`);
- the cosine between the changed and the clean embedding: its mean, and the 5th percentile over clips (`cosine_low`);
- `overlap`: the share of the top ten clips of each graded prompt that stays among them, in a library of these clips;
  None where there are not more than ten.

Clips that a condition leaves too short or silent are counted as `failed` and left out of it.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from encoders.affect import Affect
from encoders.audio import Samples, decode
from encoders.encoder import EncodedSegment, Encoder, Vectors, pool
from encoders.errors import AudioError, AudioSilent
from encoders.windows import cut
from model_export.errors import CorpusError
from model_export.evaluation.clips import AXES, Embedded
from model_export.evaluation.graded import TOP, GradedPrompt, ranked
from model_export.evaluation.measures import Floats, tau
from model_export.evaluation.perturb import CONDITIONS, Condition


def robustness_scores(
    clips: Embedded,
    encoder: Encoder,
    prompts: list[GradedPrompt],
    count: int,
    seed: int = 0,
    conditions: Mapping[str, Condition] = CONDITIONS,
) -> dict[str, Any] | None:
    """`{clips, clean, conditions}`; None where `count` is 0. CorpusError for a clip that cannot be decoded."""
    if not count:
        return None
    picked = np.sort(np.random.default_rng(seed).permutation(len(clips.rows))[:count])
    clean = Embedded([clips.rows[index] for index in picked], clips.embedding[picked], clips.affect[picked])
    changed: dict[str, list[tuple[Vectors, Affect] | None]] = {name: [] for name in conditions}
    console = Console(stderr=True)
    for place, row in zip(
        picked.tolist(), track(clean.rows, "perturbing", transient=True, console=console), strict=True
    ):
        try:
            samples = decode(row.path)
        except AudioError as error:
            raise CorpusError(f"robustness needs the sound of every clip: {error}") from error
        for name, condition in conditions.items():
            changed[name].append(_embedded(encoder, condition(samples, np.random.default_rng((seed, place)))))
    vectors = encoder.embed_prompts([prompt.text for prompt in prompts]).embedding
    return {
        "clips": len(picked),
        "clean": _taus(clean),
        "conditions": {name: _compared(clean, made, vectors) for name, made in changed.items()},
    }


def embed_samples(encoder: Encoder, samples: Samples) -> tuple[Vectors, Affect]:
    """What `Encoder.embed_clip` makes of a file that holds these samples. Raises AudioTooShort, AudioSilent."""
    segments = []
    for window in cut(lambda: [samples], encoder.bundle.info.win_dur, encoder.bundle.info.hop_dur):
        encoded = encoder.embed_samples(window.samples)
        affect = Affect(*encoded.affect[0].tolist())
        segments.append(EncodedSegment(window.start, window.end, encoded.embedding[0], affect))
    if not segments:
        raise AudioSilent("the waveform is silent")
    return pool(segments)


def _embedded(encoder: Encoder, samples: Samples) -> tuple[Vectors, Affect] | None:
    try:
        return embed_samples(encoder, samples)
    except AudioError:
        return None


def _compared(clean: Embedded, made: list[tuple[Vectors, Affect] | None], prompts: Floats) -> dict[str, Any]:
    kept = [(index, vector) for index, vector in enumerate(made) if vector is not None]
    scores: dict[str, Any] = {"clips": len(kept), "failed": len(made) - len(kept)}
    if not kept:
        return {**scores, **dict.fromkeys(AXES), "cosine": None, "cosine_low": None, "overlap": None}
    places = [index for index, _ in kept]
    changed = Embedded(
        [clean.rows[index] for index in places],
        np.array([embedding for _, (embedding, _) in kept], dtype=np.float32),
        np.array([affect for _, (_, affect) in kept], dtype=np.float32),
    )
    before = clean.embedding[places]
    cosine = (before * changed.embedding).sum(axis=1)
    stay = [
        len(set(one) & set(other)) / len(one)
        for one, other in zip(
            ranked(prompts, before, TOP).tolist(), ranked(prompts, changed.embedding, TOP).tolist(), strict=True
        )
    ]
    return {
        **scores,
        **_taus(changed),
        "cosine": round(float(cosine.mean()), 4),
        "cosine_low": round(float(np.percentile(cosine, 5)), 4),
        "overlap": round(float(np.mean(stay)), 3) if len(kept) > TOP else None,
    }


def _taus(clips: Embedded) -> dict[str, float]:
    labels = clips.labels
    return {name: round(tau(clips.affect[:, axis], labels[:, axis]), 3) for axis, name in enumerate(AXES)}
