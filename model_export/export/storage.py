"""How small an encoder may be stored: as long as it ranks the same.

Two bundles rank the same when, on example speech, Kendall's tau-b between affect and labels differs by at most
MOST_TAU on either axis (of the clips, and of the bundle's prompts), and of the ten clips that a prompt finds at least
LEAST_OVERLAP are the same, mean over the prompts. A cosine to the original would not do: it says nothing of how close
the clips lie to each other.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from encoders.affect import HIGH, LOW
from encoders.bundle import Prompt
from encoders.sessions import available_cpus, open_session
from model_export.backbones.text import MAX_TOKENS
from model_export.evaluation.measures import tau
from model_export.export.example_speech import Speech

Floats = npt.NDArray[np.float32]

FULL, SMALL = "float32", "int8"
TOP = 10
MOST_TAU = 0.01
LEAST_OVERLAP = 0.88


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """What an encoder makes of n inputs: embedding [n, dim] of unit norm, affect [n, 2] on 1..7."""

    embedding: Floats
    affect: Floats


def choose(
    files: Mapping[str, Mapping[str, Path]], tokenizer: Path, prompts: Sequence[Prompt], speech: Speech
) -> tuple[dict[str, str], dict[str, Any]]:
    """The smallest storage that ranks as float32 does: for "audio" and "text" which of `files`, and the figures.

    `files` has for each encoder its ONNX file by storage. Combinations are tried by size, smallest first.
    """
    audio = {storage: hear(path, speech) for storage, path in files["audio"].items()}
    text = {storage: read(path, tokenizer, prompts) for storage, path in files["text"].items()}
    asked = np.array([prompt.affect for prompt in prompts])
    tried: list[dict[str, Any]] = []
    combinations = sorted(
        itertools.product(files["audio"], files["text"]),
        key=lambda pair: files["audio"][pair[0]].stat().st_size + files["text"][pair[1]].stat().st_size,
    )
    for one, other in combinations:
        if one == other == FULL:
            break
        differences = {
            "clip_affect_tau_difference": tau_difference(audio[one].affect, audio[FULL].affect, speech.labels),
            "prompt_affect_tau_difference": tau_difference(text[other].affect, text[FULL].affect, asked),
        }
        overlap = top_overlap(
            text[other].embedding @ audio[one].embedding.T, text[FULL].embedding @ audio[FULL].embedding.T
        )
        kept = max(differences.values()) <= MOST_TAU and overlap >= LEAST_OVERLAP
        tried.append({"audio": one, "text": other, **_finite(differences), "top10_overlap": overlap, "kept": kept})
        if kept:
            return {"audio": one, "text": other}, {"examples": speech.origin, "tried": tried}
    return {"audio": FULL, "text": FULL}, {"examples": speech.origin, "tried": tried}


def tau_difference(affect: Floats, full: Floats, labels: npt.NDArray[np.float64]) -> float:
    """How far tau-b with the labels [n, 2] moves when one affect [n, 2] takes the other's place: the worse axis.

    Infinite where an affect holds no numbers. An axis that has no order on either side moves by 0.
    """
    if not (np.isfinite(affect).all() and np.isfinite(full).all()):
        return float("inf")
    # tau says nan where there is no order.
    taus = [[tau(some[:, axis], labels[:, axis]) for axis in range(2)] for some in (affect, full)]
    one, other = np.nan_to_num(taus)
    return round(float(np.abs(one - other).max()), 4)


def top_overlap(scores: Floats, full: Floats, top: int = TOP) -> float:
    """The share of the `top` best columns of each row that two matrices of scores [rows, columns] have in common."""
    if not np.isfinite(scores).all():
        return 0.0
    best, best_full = (np.argsort(-some, axis=1, kind="stable")[:, :top] for some in (scores, full))
    shared = [len(np.intersect1d(one, other)) for one, other in zip(best, best_full, strict=True)]
    share = float(np.mean(shared)) / int(best.shape[1])
    return round(share, 4)


def hear(path: Path, speech: Speech) -> Heard:
    """Each clip as a library would know it: its windows' mean embedding, renormalised, and their mean affect."""
    session = open_session(path, available_cpus())
    embeddings, affects = [], []
    for windows in speech.windows:
        runs = [
            session.run(["embedding", "affect"], {"samples": w[None], "lengths": np.array([w.size], np.int64)})
            for w in windows
        ]
        mean = np.mean([embedding[0] for embedding, _ in runs], axis=0)
        embeddings.append(mean / np.linalg.norm(mean))
        affects.append(np.mean([np.clip(affect[0], LOW, HIGH) for _, affect in runs], axis=0))
    return Heard(np.array(embeddings, np.float32), np.array(affects, np.float32))


def read(path: Path, tokenizer: Path, prompts: Sequence[Prompt]) -> Heard:
    """Every prompt, one at a time."""
    session = open_session(path, available_cpus())
    words = Tokenizer.from_file(str(tokenizer))
    words.no_padding()
    words.enable_truncation(MAX_TOKENS)
    embeddings, affects = [], []
    for prompt in prompts:
        ids = np.array([words.encode(prompt.text).ids], np.int64)
        embedding, affect = session.run(
            ["embedding", "affect"], {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        )
        embeddings.append(embedding[0])
        affects.append(np.clip(affect[0], LOW, HIGH))
    return Heard(np.array(embeddings, np.float32), np.array(affects, np.float32))


def _finite(values: Mapping[str, float]) -> dict[str, float | None]:
    """JSON knows no infinity."""
    return {name: value if np.isfinite(value) else None for name, value in values.items()}
