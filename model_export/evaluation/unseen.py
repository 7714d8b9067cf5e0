"""Words that the bundle's training never saw, and where what they retrieve lies.

A bundle whose provenance names `words_left_out` was trained on captions without them (`captions.pool(leave_out=...)`).
Each of them, alone, is a prompt here; the mean label of the best ten clips is set against the word's place in the
vocabulary, and tau-b taken over the words: all of them, and under `published` those whose place is not our own.
Intervals are 95 % bootstrap percentiles over the words.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from encoders.affect import Affect
from encoders.encoder import Encoder
from model_export import captions
from model_export.errors import CorpusError
from model_export.evaluation.clips import AXES, Embedded
from model_export.evaluation.graded import TOP, best_mean, ranked
from model_export.evaluation.measures import Floats, Indices, interval, tau

FEWEST = 3
OWN = ("own", "origin")  # sources of the vocabulary that are no publication


def left_out(provenance: Mapping[str, Any]) -> list[str]:
    """The words that a bundle's provenance says were left out, as the vocabulary writes them: lower case, sorted.

    CorpusError where it is no list of words.
    """
    words = provenance.get("words_left_out", [])
    if not isinstance(words, list) or not all(isinstance(word, str) and word.strip() for word in words):
        raise CorpusError("the bundle's provenance is damaged: words_left_out is no list of words; export it again")
    return sorted({word.strip().lower() for word in words})


def unseen_scores(clips: Embedded, encoder: Encoder, rounds: int = 1000, seed: int = 0) -> dict[str, Any]:
    """Tau per axis and each word's place; `note` alone where the bundle names too few words that have a place."""
    names = left_out(encoder.bundle.info.provenance)
    if not names:
        return {"note": "the bundle's provenance names no words_left_out: its training saw every word"}
    known = {word.word.lower(): word for word in captions.vocabulary()}
    words = [known[name] for name in names if name in known]
    if len(words) < FEWEST:
        return {"note": f"{len(words)} of the words left out are in the vocabulary; at least {FEWEST} are needed"}
    best = ranked(encoder.embed_prompts([word.word for word in words]).embedding, clips.embedding, TOP)
    found = best_mean(clips.labels, best)
    places = np.array([Affect.from_unit(word.valence, word.arousal) for word in words], dtype=np.float32)
    published = np.array([word.source not in OWN for word in words])
    return {
        **_taus(found, places, rounds, seed),
        "without_place": sorted(set(names) - known.keys()),
        "published": _taus(found[published], places[published], rounds, seed) if published.sum() >= FEWEST else None,
        "by_word": {
            word.word: {"place": np.round(place, 2).tolist(), "found": np.round(came, 2).tolist()}
            for word, place, came in zip(words, places.astype(float), found, strict=True)
        },
    }


def _taus(found: npt.NDArray[np.float64], places: Floats, rounds: int, seed: int) -> dict[str, Any]:
    scores: dict[str, Any] = {"words": len(found)}
    for axis, name in enumerate(AXES):
        came, wanted = found[:, axis], places[:, axis]

        def resampled(picked: Indices, came: npt.NDArray[np.float64] = came, wanted: Floats = wanted) -> float:
            return tau(came[picked], wanted[picked])

        scores[name] = {"tau": round(tau(came, wanted), 3), "interval": interval(resampled, len(came), rounds, seed)}
    return scores
