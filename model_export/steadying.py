"""A steadier ear for a trained run: what no training touched has a say beside what was fine-tuned.

Fine-tuning hears the speakers that it was trained on better than it hears anybody else. The first layers of the speech
encoder were not trained; a heavily penalised ridge regression (Hoerl and Kennard 1970), from their statistics to where
the text encoder puts a clip's captions, errs elsewhere and less on strangers. Its prediction, stretched to the spread
of what it predicts, is added to the trained embedding before that is made a unit vector: the two vote, as Wortsman et
al. 2022 ("Robust fine-tuning of zero-shot models") let them by averaging weights. These layers are computed anyway, so
the encoder becomes no slower.

The ridge is solved exactly, on the clips that the run trained on, as they are and distorted, every (corpus, emotion)
counting the same. That takes the time of hearing each clip a few times through the first layers.
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from scipy.linalg import solve
from torch import nn

from model_export import data, towers
from model_export.errors import TrainingError
from model_export.manifest import Row
from model_export.towers import Towers
from model_export.training import cache, checkpoint, setup, texts
from model_export.training.batches import BalancedDraw
from model_export.training.config import Config

Array = npt.NDArray[np.float64]

_PORTION = 2048  # clips whose statistics are in memory at a time


def steady(run: Path, rows: Sequence[Row], target: Path, config: Config) -> Path:
    """Write the best checkpoint of a run with the ridge's say as `best.pt` of the folder `target`; its path.

    The towers are the run's; of `config` all else counts.

    Raises:
        CorpusError: fewer clips to learn from than a batch has, or some that cannot be decoded.
        TrainingError: no checkpoint, one that has been steadied, or one with no layer that training left alone; the
        target cannot be written.
    """
    model, saved = checkpoint.load(run)
    if model.audio.steady is not None:
        raise TrainingError(f"{run}: has been steadied already; give the run as training left it")
    chosen = replace(config, towers=Config.of(saved["config"], str(run)).towers)
    learnt = data.learnable(rows, saved["provenance"], chosen.optimisation.batch)
    torch.set_num_threads(chosen.threads)
    folder = target / "features"
    heard = cache.features(untrained(chosen), learnt, chosen, folder, torch.device("cpu")).statistics
    found = ridge(heard, caption_means(model, learnt, chosen, folder), weights(learnt, chosen), chosen)
    about = {**asdict(chosen.steady), "versions": heard.shape[1], "clips": len(learnt), "commit": setup.commit()}
    values = {**saved, "steady": found.state_dict(), "provenance": {**saved["provenance"], "steadying": about}}
    checkpoint.save(target / checkpoint.BEST, values)
    return target / checkpoint.BEST


def untrained(config: Config) -> towers.AudioTower:
    """An audio tower of just the layers before the first that the configuration trains, frozen.

    Raises:
        TrainingError: there is none.
    """
    whole = towers.build(config.towers).audio
    blocks = whole.encoder.blocks
    assert isinstance(blocks, nn.ModuleList)
    mine = [block for block in blocks if not any(weight.requires_grad for weight in block.parameters())]
    if config.towers.train_audio == "all" or not mine:
        raise TrainingError(
            f'towers.train_audio = "{config.towers.train_audio}" trains every block, so none is left to steady by'
        )
    return towers.build(replace(config.towers, audio_blocks=len(mine), train_audio="frozen")).audio.eval()


def caption_means(model: Towers, rows: Sequence[Row], config: Config, folder: Path) -> Array:
    """Where the run's text encoder puts each clip: the mean [clips, dim] of captions drawn beside it."""
    places = data.places(rows)
    pool = texts.Pool.of(rows, places, config.captions, config.seed)
    source = texts.texts_of(model, pool, folder, torch.device("cpu"))
    rng = np.random.default_rng(config.seed)
    means = np.empty((len(rows), model.read_out.in_features))
    with torch.inference_mode():
        for clip, place in enumerate(places):
            drawn = [pool.beside(clip, place, rng) for _ in range(config.steady.captions)]
            means[clip] = source.embed(model.text, np.array(drawn, dtype=np.int64)).double().mean(dim=0).numpy()
    return means


def weights(rows: Sequence[Row], config: Config) -> Array:
    """How much each clip counts [clips], with mean 1: as often as training draws it."""
    draw = BalancedDraw(rows, np.arange(len(rows)), config.data.corpus_weight)
    counted = np.zeros(len(rows))
    for members, share in zip(draw.cells, draw.shares, strict=True):
        counted[members] = share / len(members)
    return counted * len(rows)


def ridge(statistics: npt.NDArray[np.float16], targets: Array, counted: Array, config: Config) -> nn.Linear:
    """The map from statistics, flat, to `share` times what the ridge makes of them.

    Statistics are [clips, versions, layers, features], targets [clips, dim]. The penalty is on the weights of features
    brought to mean 0 and deviation 1, for each clip, so that more data does not change what it means. A penalised
    regression predicts less than there is; its predictions are stretched about their mean to the targets' variance.
    """
    clips, versions, layers, features = statistics.shape
    size, total = layers * features, versions * counted.sum()
    first, second, cross = np.zeros(size), np.zeros((size, size)), np.zeros((size, targets.shape[1]))
    for start in range(0, clips, _PORTION):
        part = slice(start, start + _PORTION)
        for version in range(versions):
            x = statistics[part, version].reshape(-1, size).astype(np.float64)
            weighted = x * counted[part, None]
            first += weighted.sum(axis=0)
            second += weighted.T @ x
            cross += weighted.T @ targets[part]
    mean, aim = first / total, (counted[:, None] * targets).mean(axis=0) / counted.mean()
    spread = second / total - np.outer(mean, mean)
    deviation = np.sqrt(np.diag(spread) + 1e-12)
    correlation = spread / np.outer(deviation, deviation)
    together = (cross / total - np.outer(mean, aim)) / deviation[:, None]
    found = solve(correlation + config.steady.penalty * np.eye(size), together, assume_a="pos")
    variance = (counted[:, None] * (targets - aim) ** 2).sum() / counted.sum()
    found *= np.sqrt(variance / (found * (correlation @ found)).sum())
    slope = found / deviation[:, None]
    made = nn.Linear(size, targets.shape[1])
    with torch.no_grad():
        made.weight.copy_(torch.from_numpy(config.steady.share * slope.T))
        made.bias.copy_(torch.from_numpy(config.steady.share * (aim - mean @ slope)))
    return made.requires_grad_(False)
