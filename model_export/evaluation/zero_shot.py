"""Emotion categories by plain prompts: the nearest prompt names the clip's emotion, and a prompt finds its clips.

*UAR* is the unweighted mean of the classes' recalls, which chance puts at 1 / classes whatever the corpus' balance.
"""

from typing import Any

import numpy as np

from encoders.encoder import Encoder
from model_export.evaluation.clips import Embedded
from model_export.evaluation.graded import TOP, ranked
from model_export.evaluation.measures import Indices, interval

PROMPTS = {
    "anger": "an angry, furious voice",
    "sadness": "a sad, tired voice",
    "happiness": "a happy, cheerful voice",
    "boredom": "bored and indifferent",
    "fear": "a frightened, anxious voice",
    "disgust": "a disgusted voice",
    "surprise": "a surprised, astonished voice",
    "neutral": "a neutral, matter-of-fact voice",
    "calm": "a calm, relaxed voice",
}


def prompt_of(emotion: str) -> str:
    """The plain prompt for an emotion; one that has none of its own is named."""
    return PROMPTS.get(emotion, f"a voice full of {emotion}")


def zero_shot_scores(clips: Embedded, encoder: Encoder, rounds: int = 1000, seed: int = 0) -> dict[str, Any]:
    """UAR over the emotions of the clips (those without one are left out), the recalls and the confusion matrix."""
    emotions = np.array([row.emotion for row in clips.rows])
    classes = sorted(set(emotions.tolist()) - {""})
    if len(classes) < 2:
        return {"note": f"the clips have {len(classes)} emotions; there is nothing to tell apart"}
    texts = [prompt_of(emotion) for emotion in classes]
    prompts = encoder.embed_prompts(texts).embedding
    named = np.isin(emotions, classes)
    truth = np.searchsorted(classes, emotions[named])
    guess = (clips.embedding[named] @ prompts.T).argmax(axis=1)
    confusion = confused(truth, guess, len(classes))

    def resampled(picked: Indices) -> float:
        return uar(confused(truth[picked], guess[picked], len(classes)))

    return {
        "uar": round(uar(confusion), 3),
        "interval": interval(resampled, len(truth), rounds, seed),
        "chance": round(1 / len(classes), 3),
        "classes": classes,
        "prompts": texts,
        "counts": confusion.sum(axis=1).tolist(),
        "recall": [round(float(recall), 3) for recall in np.diag(confusion) / confusion.sum(axis=1)],
        "confusion": confusion.tolist(),
    }


def confused(truth: Indices, guess: Indices, classes: int) -> Indices:
    """The counts [true class, guessed class]."""
    counts: Indices = np.bincount(truth * classes + guess, minlength=classes**2).reshape(classes, classes)
    return counts


def uar(confusion: Indices) -> float:
    """The mean recall of the classes that occur."""
    counts = confusion.sum(axis=1)
    return float((np.diag(confusion)[counts > 0] / counts[counts > 0]).mean())


def emotion_scores(clips: Embedded, encoder: Encoder) -> dict[str, Any]:
    """For each plain prompt whose emotion the corpus has: hits among its best TOP clips, and what chance would give."""
    emotions = np.array([row.emotion for row in clips.rows])
    scores = {}
    for emotion in sorted(set(emotions.tolist()) - {""}):
        text = prompt_of(emotion)
        best = ranked(encoder.embed_prompts([text]).embedding, clips.embedding, TOP)[0]
        scores[text] = {
            "emotion": emotion,
            "hits": int((emotions[best] == emotion).sum()),
            "chance": round(float((emotions == emotion).mean() * len(best)), 1),
        }
    return scores
