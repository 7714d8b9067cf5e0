"""Graded prompts, after the protocol of EmotionRankCLAP (arXiv 2505.23732).

Prompts are written at graded levels of one attribute, the other one held (`graded_prompts.csv`: columns axis, level,
text; none of them is in the training grammar). Each retrieves clips; the measure is Kendall's tau-b between the level
asked for and the annotation of what came: of the best clip (top 1), and of the mean of the best ten (top 10), with
`tau_each` over the ten one by one. `interval` holds 95 % bootstrap percentiles over the prompts; `interval_clips`
resamples the clips too, for another library of the same kind. The latter leans low: a resampled library holds fewer
different clips, and so fewer good ones.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from encoders.encoder import Encoded
from model_export.errors import CorpusError
from model_export.evaluation.clips import AXES, Embedded
from model_export.evaluation.measures import Floats, Indices, interval, tau

GRADED = Path(__file__).with_name("graded_prompts.csv")
TOP = 10

# How many of the ranked clips are kept to fill the best ten of a resampled library: one of them is drawn at least
# once with a chance of 63 %, so that 100 hold fewer than ten distinct drawn ones practically never.
_KEPT = 100


@dataclass(frozen=True, slots=True)
class GradedPrompt:
    """A prompt, the axis that it grades, and the level (1..7) that it asks for."""

    axis: str
    level: float
    text: str


def read(path: Path = GRADED) -> list[GradedPrompt]:
    """The graded prompts of a CSV file; CorpusError names the file and the line that is not what it should be."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if missing := {"axis", "level", "text"} - set(reader.fieldnames or ()):
                raise CorpusError(f"{path}: columns missing: {', '.join(sorted(missing))}")
            prompts = [_prompt(record, path, reader.line_num) for record in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CorpusError(f"{path}: cannot be read as graded prompts ({error})") from error
    for axis in AXES:
        if len({prompt.level for prompt in prompts if prompt.axis == axis}) < 2:
            raise CorpusError(f"{path}: {axis} has fewer than two levels; there is no order to measure")
    return prompts


def _prompt(record: dict[str, str], path: Path, line: int) -> GradedPrompt:
    try:
        prompt = GradedPrompt(record["axis"], float(record["level"]), record["text"].strip())
    except (TypeError, ValueError, AttributeError):
        raise CorpusError(f"{path}, line {line}: needs an axis, a level that is a number, and a text") from None
    if prompt.axis not in AXES or not 1 <= prompt.level <= 7 or not prompt.text:
        raise CorpusError(
            f"{path}, line {line}: the axis must be {' or '.join(AXES)}, the level 1..7, the text not empty"
        )
    return prompt


def ranked(prompts: Floats, clips: Floats, count: int) -> Indices:
    """The `count` clips nearest to each prompt, best first: [prompts, count] (fewer where there are fewer clips)."""
    best: Indices = np.argsort(-(prompts @ clips.T), axis=1, kind="stable")[:, :count]
    return best


class PromptEncoder(Protocol):
    """What the measures of prompts ask of an encoder: `encoders.encoder.Encoder`, or towers in training."""

    def embed_prompts(self, texts: Sequence[str], /) -> Encoded:
        """Embedding [n, dim] and affect [n, 2], a row each."""


def graded_scores(
    clips: Embedded,
    encoder: PromptEncoder,
    prompts: list[GradedPrompt] | None = None,
    rounds: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """For each axis the figures of the top 10, and under `top_1` those of the best clip alone."""
    chosen = read() if prompts is None else prompts
    labels = clips.labels
    scores: dict[str, Any] = {}
    for axis, name in enumerate(AXES):
        asked = [prompt for prompt in chosen if prompt.axis == name]
        levels = np.array([prompt.level for prompt in asked])
        vectors = encoder.embed_prompts([prompt.text for prompt in asked]).embedding
        order = ranked(vectors, clips.embedding, _KEPT)
        values = labels[:, axis]
        each = values[order[:, :TOP]]
        scores[name] = {
            "prompts": len(asked),
            **_figures(levels, order, values, TOP, rounds, seed),
            "tau_each": round(tau(np.repeat(levels, each.shape[1]), each.ravel()), 3),
            "top_1": _figures(levels, order, values, 1, rounds, seed),
        }
    return scores


def _figures(
    levels: npt.NDArray[np.float64], order: Indices, values: Floats, top: int, rounds: int, seed: int
) -> dict[str, Any]:
    came = best_mean(values, order[:, :top])

    def over_prompts(picked: Indices) -> float:
        return tau(levels[picked], came[picked])

    rng = np.random.default_rng(seed)

    def over_both(picked: Indices) -> float:
        copies = np.bincount(rng.integers(len(values), size=len(values)), minlength=len(values))
        return tau(levels[picked], mean_of_best(order[picked], values, copies, top))

    return {
        "tau": round(tau(levels, came), 3),
        "interval": interval(over_prompts, len(levels), rounds, seed),
        "interval_clips": interval(over_both, len(levels), rounds, seed + 1),
        "label_by_level": {f"{level:g}": round(float(came[levels == level].mean()), 2) for level in np.unique(levels)},
    }


def best_mean(labels: Floats, best: Indices) -> npt.NDArray[np.float64]:
    """The mean label of the clips `best` [prompts, count] of each prompt: [prompts], or [prompts, axes].

    Labels are float32, and float64 holds the sum of a few of them without rounding: prompts that find the same clips
    tie, in whatever order they come.
    """
    means: npt.NDArray[np.float64] = labels[best].mean(axis=1, dtype=np.float64)
    return means


def mean_of_best(order: Indices, values: Floats, copies: Indices, top: int) -> npt.NDArray[np.float64]:
    """The mean value of each row's best `top` clips in a library that holds `copies` of each clip.

    `order` [prompts, kept] ranks the clips; a row whose kept ones are too few copies takes the mean of those there
    are, and nan stands for none.
    """
    held = copies[order]
    before = np.cumsum(held, axis=1) - held
    taken = np.clip(top - before, 0, held)
    total = taken.sum(axis=1)
    sums: npt.NDArray[np.float64] = (taken * values[order]).sum(axis=1, dtype=np.float64)
    means: npt.NDArray[np.float64] = np.divide(sums, total, out=np.full(len(order), np.nan), where=total > 0)
    return means
