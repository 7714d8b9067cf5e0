"""How true a bundle's ranking is on a labelled corpus, measured through the very encoders that serve.

- *affect*: Kendall's tau-b and Lin's concordance (CCC) of the read-out against the labels.
- *graded prompts*: after the protocol of EmotionRankCLAP (arXiv 2505.23732): prompts written at graded levels of
  one attribute (`graded_prompts.csv`; none is in the training grammar) retrieve clips; tau-b between the level asked
  for and the label of what came.
- *emotions*: for plain prompts, the share of the wanted emotion among the ten best clips, beside its share in the
  corpus.
- *modality gap*: squared-MMD's root with an RBF kernel (median heuristic) and the distance of the centroids, between
  the clips' embeddings and those of the bundle's prompts.

Intervals are 95 % bootstrap percentiles over clips (affect) or prompts (graded).
"""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import cdist

from encoders.encoder import Encoder
from model_export.evaluation.clips import AXES, Embedded
from model_export.evaluation.measures import Floats, ccc, interval, tau

GRADED = Path(__file__).parents[1] / "graded_prompts.csv"
TOP = 10
EMOTION_PROMPTS = {
    "an angry, furious voice": "anger",
    "a sad, tired voice": "sadness",
    "a happy, cheerful voice": "happiness",
    "bored and indifferent": "boredom",
    "a frightened, anxious voice": "fear",
    "a disgusted voice": "disgust",
    "a surprised, astonished voice": "surprise",
    "a neutral, matter-of-fact voice": "neutral",
    "a calm, relaxed voice": "calm",
}


def affect_scores(clips: Embedded) -> dict[str, Any]:
    """Tau-b with its interval and CCC of the read-out, for each axis."""
    labels = np.array([row.affect for row in clips.rows], dtype=np.float32)
    scores = {}
    for axis, name in enumerate(AXES):
        x, y = clips.affect[:, axis], labels[:, axis]

        def resampled(picked: npt.NDArray[np.int64], x: Floats = x, y: Floats = y) -> float:
            return tau(x[picked], y[picked])

        scores[name] = {
            "tau": round(tau(x, y), 3),
            "interval": interval(resampled, len(x)),
            "ccc": round(ccc(x, y), 3),
        }
    return scores


def graded_scores(clips: Embedded, encoder: Encoder) -> dict[str, Any]:
    """Tau-b between the level a prompt asks for and the mean label of its best TOP clips."""
    labels = np.array([row.affect for row in clips.rows], dtype=np.float32)
    with GRADED.open(encoding="utf-8", newline="") as file:
        prompts = list(csv.DictReader(file))
    scores: dict[str, Any] = {}
    for axis, name in enumerate(AXES):
        asked = [prompt for prompt in prompts if prompt["axis"] == name]
        levels = np.array([float(prompt["level"]) for prompt in asked])
        vectors = encoder.embed_prompts([prompt["text"] for prompt in asked]).embedding
        best = np.argsort(-vectors @ clips.embedding.T, axis=1)[:, :TOP]
        came = labels[best, axis].mean(axis=1)

        def resampled(
            picked: npt.NDArray[np.int64], came: Floats = came, levels: npt.NDArray[np.float64] = levels
        ) -> float:
            return tau(levels[picked], came[picked])

        scores[name] = {
            "tau": round(tau(levels, came), 3),
            "interval": interval(resampled, len(levels)),
            "label_by_level": {
                int(level): round(float(came[levels == level].mean()), 2) for level in np.unique(levels)
            },
        }
    return scores


def emotion_scores(clips: Embedded, encoder: Encoder) -> dict[str, Any]:
    """For each prompt whose emotion the corpus has: hits of it among the best TOP, and what chance would give."""
    emotions = np.array([row.emotion for row in clips.rows])
    scores = {}
    for text, emotion in EMOTION_PROMPTS.items():
        if emotion in emotions:
            similarity = clips.embedding @ encoder.embed_prompts([text]).embedding[0]
            hits = int((emotions[np.argsort(-similarity)[:TOP]] == emotion).sum())
            scores[text] = {
                "emotion": emotion,
                "hits": hits,
                "chance": round(float((emotions == emotion).mean() * TOP), 1),
            }
    return scores


def modality_gap(audio: Floats, text: Floats) -> dict[str, float]:
    """MMD (RBF kernel, bandwidth = median distance of the pooled points) and the distance of the centroids."""
    pooled = np.concatenate([audio, text])
    distances = cdist(pooled, pooled, "sqeuclidean")
    kernel = np.exp(-distances / (2 * np.median(distances[distances > 0])))
    n = len(audio)
    squared = kernel[:n, :n].mean() + kernel[n:, n:].mean() - 2 * kernel[:n, n:].mean()
    return {
        "mmd": round(float(np.sqrt(max(squared, 0.0))), 3),
        "centroid_distance": round(float(np.linalg.norm(audio.mean(0) - text.mean(0))), 3),
    }


def evaluate(clips: Embedded, encoder: Encoder) -> dict[str, Any]:
    """Every measure of this module, ready for JSON."""
    prompts = encoder.embed_prompts([prompt.text for prompt in encoder.bundle.prompts]).embedding
    return {
        "bundle": {"name": encoder.bundle.info.name, "version": encoder.bundle.info.version},
        "corpora": sorted({row.corpus for row in clips.rows}),
        "clips": len(clips.rows),
        "affect": affect_scores(clips),
        "graded_prompts": graded_scores(clips, encoder),
        "emotions": emotion_scores(clips, encoder),
        "modality_gap": modality_gap(clips.embedding, prompts),
    }
