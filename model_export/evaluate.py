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
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import track
from scipy.spatial.distance import cdist
from scipy.stats import kendalltau

from encoders.encoder import Encoder
from encoders.errors import AudioError
from model_export.corpora.emodb import CUT
from model_export.errors import CorpusError
from model_export.manifest import Row

Floats = npt.NDArray[np.float32]

GRADED = Path(__file__).with_name("graded_prompts.csv")
AXES = ("valence", "arousal")
TOP = 10
MINIMUM = 3 * TOP
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


@dataclass(frozen=True, slots=True)
class Embedded:
    """Labelled clips with what the encoders made of them: embedding [n, dim], affect [n, 2] on 1..7."""

    rows: list[Row]
    embedding: Floats
    affect: Floats


def embed(rows: list[Row], encoder: Encoder) -> Embedded:
    """Embed every clip as a library would; CorpusError names the clips that cannot be."""
    embeddings, affects, failures = [], [], []
    for row in track(rows, "embedding", transient=True, console=Console(stderr=True)):
        try:
            embedding, affect = encoder.embed_clip(row.path)
        except AudioError as error:
            failures.append(str(error))
            continue
        embeddings.append(embedding)
        affects.append(affect)
    if failures:
        raise CorpusError(f"{len(failures)} of {len(rows)} clips cannot be used:\n  " + "\n  ".join(failures[:20]))
    return Embedded(rows, np.array(embeddings, dtype=np.float32), np.array(affects, dtype=np.float32))


def from_file(rows: list[Row], path: Path) -> Embedded:
    """Take embeddings that `emotionrank embed audio` wrote, by file name; CorpusError when a clip is missing."""
    try:
        with np.load(path) as file:
            arrays = {name: file[name] for name in ("path", "embedding", "affect")}
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise CorpusError(f"{path}: not a file of `emotionrank embed audio` ({error})") from error
    place = {Path(str(name)).stem: index for index, name in enumerate(arrays["path"])}
    if len(place) < len(arrays["path"]):
        raise CorpusError(f"{path}: holds two files of one name; embed the corpus' folder alone")
    missing = [row.path.stem for row in rows if row.path.stem not in place]
    if missing:
        raise CorpusError(f"{path}: {len(missing)} clips of the manifest are not in it, the first is {missing[0]}")
    order = [place[row.path.stem] for row in rows]
    return Embedded(rows, arrays["embedding"][order], arrays["affect"][order])


def judged(rows: list[Row], provenance: Mapping[str, Any]) -> tuple[list[Row], int]:
    """The rows that are fair to judge a bundle on, and how many of speakers it was trained on are left out.

    Of a corpus that the bundle was trained on, only its validation speakers count; clips that a copy of a corpus holds
    only in part never do. CorpusError when fewer than MINIMUM remain, or when their labels are all alike.
    """
    trained, kept_back = provenance.get("corpora", []), provenance.get("validation_speakers", [])
    complete = [row for row in rows if row.intensity != CUT]
    kept = [row for row in complete if row.corpus not in trained or row.speaker in kept_back]
    if len(kept) < MINIMUM:
        raise CorpusError(f"{len(kept)} complete clips of unheard speakers are too few; at least {MINIMUM} are needed")
    for axis, name in enumerate(AXES):
        if len({row.affect[axis] for row in kept}) < 2:
            raise CorpusError(f"all clips have one {name}: there is no order to measure")
    return kept, len(complete) - len(kept)


def ccc(x: Floats, y: Floats) -> float:
    """Lin's concordance correlation coefficient (1989)."""
    return float(2 * np.cov(x, y, bias=True)[0, 1] / (x.var() + y.var() + (x.mean() - y.mean()) ** 2))


def tau(x: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """Kendall's tau-b."""
    return float(kendalltau(x, y).statistic)


def interval(
    statistic: Callable[[npt.NDArray[np.int64]], float], count: int, rounds: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """95 % bootstrap percentiles of a statistic of resampled indices."""
    rng = np.random.default_rng(seed)
    values = [statistic(rng.integers(count, size=count)) for _ in range(rounds)]
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return round(float(low), 3), round(float(high), 3)


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
