"""From a configuration to all that a run needs: rows, split, towers, clips and captions. What cannot work is said here.

Clips that carry no affect, or that a copy of a corpus holds only in part, are left out and counted on stderr.
"""

import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console
from torch import Tensor, nn

from model_export import data, losses, manifest, pooling, splits, towers
from model_export.errors import CorpusError, TrainingError
from model_export.evaluation.clips import AXES
from model_export.manifest import Row
from model_export.training import cache, distributed, texts
from model_export.training.batches import BalancedDraw, Batches
from model_export.training.config import Config
from model_export.training.sources import Indices, Source, Waveforms


class Learner(nn.Module):
    """All that has weights: the towers and the objective."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.towers = towers.build(config.towers)
        self.objective = losses.Objective(config.loss)


@dataclass(frozen=True, slots=True)
class Setting:
    """A run before its first step.

    `training` and `held` are positions in `rows`; places [rows, 3] and [captions, 3] are valence, arousal, dominance
    on 1..7; groups are numbers of emotions, -1 for none; `weights` [rows] say how far a clip's raters agree.
    """

    rows: list[Row]
    training: Indices
    held: Indices
    learner: Learner
    source: Source
    texts: texts.Texts
    batches: Batches
    places: tuple[Tensor, Tensor]
    groups: tuple[Tensor, Tensor]
    weights: Tensor | None
    provenance: dict[str, Any]


def read(config: Config) -> dict[str, list[Row]]:
    """The rows that can be used, by manifest.

    Raises:
        CorpusError: a manifest that cannot be read, files that are missing (all are counted, the first 20 named), or
        a file that two rows name.
    """
    if not config.manifests:
        raise TrainingError("no manifest to train on; name those that `emotionrank corpus prepare` wrote")
    found = {name: manifest.read(Path(name)) for name in config.manifests}
    rows = [row for named in found.values() for row in named]
    used = {name: [row for row in named if row.labelled and row.complete] for name, named in found.items()}
    for reason, left_out in (
        ("have no valence and arousal", [row for row in rows if not row.labelled]),
        ("are incomplete", [row for row in rows if row.labelled and not row.complete]),
    ):
        if left_out:
            of = ", ".join(f"{count} of {corpus}" for corpus, count in Counter(r.corpus for r in left_out).items())
            say(f"left out: {len(left_out)} clips that {reason} ({of})")
    paths = Counter(row.path for named in used.values() for row in named)
    if twice := [str(path) for path, count in paths.items() if count > 1]:
        raise CorpusError(f"{len(twice)} files are named twice, the first is {twice[0]}; name each clip once")
    if missing := [str(path) for path in paths if not path.is_file()]:
        listed = "\n  ".join(missing[:20])
        raise CorpusError(f"{len(missing)} of {len(paths)} files are missing:\n  {listed}")
    return used


def prepare(config: Config, rows_of: Mapping[str, Sequence[Row]], run: Path, device: torch.device) -> Setting:
    """Everything up to the first step.

    Raises:
        TrainingError: the clips, the backbones or the run's folder cannot be used; see the subclasses.
    """
    rows, training, held = split([row for named in rows_of.values() for row in named], config)
    torch.manual_seed(config.seed)
    learner = Learner(config).to(device)
    kept = Path(config.features.folder) if config.features.folder else run / "features"
    frozen = not any(weight.requires_grad for weight in learner.towers.audio.encoder.parameters())
    source: Source
    if config.features.cache and frozen and config.towers.pooling not in pooling.LEARNED:
        source = cache.features(learner.towers.audio, rows, config, kept, device)
    else:
        source = Waveforms.of(rows, config)
    places = data.places(rows)
    pool = texts.Pool.of(rows, places, config.captions, config.seed)
    return Setting(
        rows=rows,
        training=training,
        held=held,
        learner=learner,
        source=source,
        texts=texts.texts_of(learner.towers, pool, kept, device),
        batches=Batches(source, BalancedDraw(rows, training, config.data.corpus_weight), places, pool, config),
        places=(torch.from_numpy(places).to(device), torch.from_numpy(pool.places).to(device)),
        groups=_groups(rows, places, pool.places, device),
        weights=_weights(rows, device) if config.loss.rating_spread else None,
        provenance=provenance(rows, training, held, config),
    )


def provenance(rows: Sequence[Row], training: Indices, held: Indices, config: Config) -> dict[str, Any]:
    """Where a run's weights come from: who was heard, who was not, and which words no caption of the grammar has."""
    heard = [rows[i] for i in training]
    about: dict[str, Any] = {
        "corpora": sorted({row.corpus for row in heard}),
        "training_speakers": sorted({row.speaker for row in heard}),
        "validation_speakers": sorted({rows[i].speaker for i in held}),
        "commit": commit(),
    }
    if config.captions.leave_out:
        about["words_left_out"] = sorted(config.captions.leave_out)
    return about


def split(rows: Sequence[Row], config: Config) -> tuple[list[Row], Indices, Indices]:
    """The rows that the run hears, and the positions among them that train and that validate, nobody in both.

    Raises:
        TrainingError: what is there cannot be trained or validated on.
    """
    if unknown := set(config.data.corpus_weight) - {row.corpus for row in rows}:
        raise TrainingError(f"data.corpus_weight names no corpus of this run: {', '.join(sorted(unknown))}")
    training, held = splits.speaker_split(rows, config.data.validation_share, config.seed)
    drawn = np.array([config.data.corpus_weight.get(rows[i].corpus, 1.0) > 0 for i in training])
    if not drawn.any():
        raise TrainingError("data.corpus_weight leaves no clip to train on; give one corpus a weight above 0")
    if aside := len(rows) - len(training) - len(held):
        say(f"left out: {aside} clips of test parts and of unknown speakers in validation parts")
    used = np.union1d(training := training[drawn], held)
    rows, training, held = [rows[i] for i in used], np.searchsorted(used, training), np.searchsorted(used, held)
    batch = config.optimisation.batch
    if len(training) < batch:
        raise TrainingError(
            f"{len(training)} training clips are fewer than a batch of {batch}; set optimisation.batch lower"
        )
    if (distributed.ranks() - 1) * -(-batch // distributed.ranks()) >= batch:
        raise TrainingError(f"a batch of {batch} clips cannot be shared by {distributed.ranks()} processes")
    emotions = {rows[i].emotion for i in training}
    if len(emotions) == 1 and "" not in emotions and not any(rows[i].ratings for i in training):
        raise TrainingError(f"all clips carry one emotion ({emotions.pop()}): there is no order to learn")
    for axis, name in enumerate(AXES):
        if len({rows[i].affect[axis] for i in training}) < 2:
            raise TrainingError(f"all training clips have one {name}: there is no order to learn")
        if not any(len({rows[i].affect[axis] for i in held if rows[i].corpus == c}) > 1 for c in _corpora(rows, held)):
            raise TrainingError(f"all validation clips of each corpus have one {name}: there is no order to measure")
    return rows, training, held


def _corpora(rows: Sequence[Row], clips: Indices) -> set[str]:
    return {rows[i].corpus for i in clips}


def _weights(rows: Sequence[Row], device: torch.device) -> Tensor:
    return losses.rating_weights(torch.tensor([(row.valence_sd, row.arousal_sd) for row in rows])).to(device)


def _groups(
    rows: Sequence[Row],
    places: npt.NDArray[np.float32],
    caption_places: npt.NDArray[np.float32],
    device: torch.device,
) -> tuple[Tensor, Tensor]:
    """The emotion of each clip, and for each caption that whose clips' mean place is nearest to it."""
    emotions = sorted({row.emotion for row in rows} - {""})
    of_clip = np.array([emotions.index(row.emotion) if row.emotion else -1 for row in rows])
    if not emotions:
        return torch.from_numpy(of_clip).to(device), torch.full((len(caption_places),), -1, device=device)
    means = np.stack([places[of_clip == k].mean(axis=0) for k in range(len(emotions))])
    # An axis that is not known for an emotion says nothing against it.
    nearest = np.nanmean((caption_places[:, None] - means[None]) ** 2, axis=2).argmin(axis=1)
    return torch.from_numpy(of_clip).to(device), torch.from_numpy(nearest).to(device)


def commit() -> str:
    """The commit of the working tree, "unknown" outside one."""
    try:
        return subprocess.run(
            ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True, cwd=Path(__file__).parent
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def say(text: str) -> None:
    """Tell the person at the terminal, once however many processes there are."""
    if distributed.rank() == 0:
        Console(stderr=True, soft_wrap=True).print(text, markup=False, highlight=False)
