"""A second opinion on affect for a bundle: what no training touched has a say beside what was fine-tuned.

Fine-tuning hears the speakers that it was trained on better than it hears anybody else. The first layers of the speech
encoder were not trained; a heavily penalised ridge regression (Hoerl and Kennard 1970) from their statistics to what
the text encoder reads in a clip's captions errs elsewhere and less on strangers. Its prediction, stretched to the
spread of what it predicts, is averaged with the trained read-out: the two vote, as Wortsman et al. 2022 ("Robust
fine-tuning of zero-shot models") let them by averaging weights. These layers are computed anyway, so the encoder
becomes no slower. Embeddings, and so every search, stay as they are; only what is said of a recording's valence and
arousal becomes steadier.

The ridge is solved exactly, on the clips that the run trained on, as they are and distorted, every (corpus, emotion)
counting the same. That takes the time of hearing each clip a few times through the first layers.
"""

import shutil
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.linalg import solve
from torch import Tensor, nn

from encoders import bundle as bundles
from encoders.bundle import Bundle
from encoders.encoder import Encoder
from model_export import data, pooling, towers
from model_export.errors import ExportError, TrainingError
from model_export.evaluation import clips as judging
from model_export.export import bundles as exporting
from model_export.export import calibration, example_speech, storage, validation_speech
from model_export.manifest import Row
from model_export.towers import Exported
from model_export.training import cache, checkpoint, setup, texts
from model_export.training.batches import BalancedDraw
from model_export.training.config import Config

Array = npt.NDArray[np.float64]

_PORTION = 2048  # clips whose statistics are in memory at a time
_COMPARED, _SAME = 8, 0.99  # clips, and the least cosine: int8 costs .001


class Opinion(nn.Module):
    """Affect [batch, 2] on 1..7 and the states of an audio tower -> affect, in which the ridge has `share`."""

    def __init__(self, ridge: nn.Linear, layers: int, share: float) -> None:
        super().__init__()
        self.ridge = ridge
        self.layers = layers
        self.share = share

    def forward(self, affect: Tensor, states: list[Tensor], inside: Tensor) -> Tensor:
        """(valence, arousal) on 1..7: [batch, 2]."""
        weights = pooling.even(inside, affect.dtype)
        first = torch.cat([pooling.mean_and_deviation(state, weights) for state in states[: self.layers]], dim=1)
        said: Tensor = (1 - self.share) * affect + self.share * towers.read_affect(self.ridge, first)
        return said


def steady(bundle: Path, run: Path, rows: Sequence[Row], target: Path, config: Config, version: str) -> Bundle:
    """Write the bundle, whose audio encoder came from a run, with the ridge's say in affect as the new folder `target`.

    The text encoder is copied to the byte. The interval of affect is measured anew on the run's validation speakers,
    which are not fitted on. The towers are the run's; of `config` all else counts. The features that the ridge is
    fitted on are kept in `config.features.folder`, or in the run's.

    Raises:
        BundleError: the bundle cannot be opened.
        CorpusError: fewer clips to learn from than a batch has, or some that cannot be decoded.
        ExportError: `target` is there already, or the bundle does not hear what the run hears.
        TrainingError: no checkpoint, or one with no layer that training left alone.
    """
    before = Encoder.load(bundle, threads=1)
    info = before.bundle.info
    if "steadying" in info.provenance:
        raise ExportError(f"{bundle}: has been steadied already; give the bundle as it was before")
    model, saved = checkpoint.load(run)
    chosen = replace(config, towers=Config.of(saved["config"], str(run)).towers)
    ear = untrained(chosen)
    learnt = data.learnable(rows, saved["provenance"], chosen.optimisation.batch)
    held = validation_speech.unheard(rows, saved["provenance"])
    speech = example_speech.from_rows(held)
    _require_same(before, model, speech)
    torch.set_num_threads(chosen.threads)
    beside = run if run.is_dir() else run.parent
    kept = Path(chosen.features.folder) if chosen.features.folder else beside / "features"
    heard = cache.features(ear, learnt, chosen, kept, torch.device("cpu")).statistics
    found = ridge(heard, read_in_captions(model, learnt, chosen, kept), weights(learnt, chosen), chosen.steady.penalty)
    opinion = Opinion(found, heard.shape[2], chosen.steady.share)
    about: dict[str, Any] = {**asdict(chosen.steady), "versions": heard.shape[1], "clips": len(learnt)}
    with exporting.new_folder(target) as folder:
        module = Exported(model.audio, model, opinion)
        check = exporting.graph("audio", module, folder, model.text.encoder.vocabulary)
        shutil.copyfile(before.bundle.file(bundles.TEXT), exporting.stored_as(folder, "text", storage.FULL))
        for name in (bundles.TOKENIZER, bundles.PROMPTS):
            shutil.copyfile(before.bundle.file(name), folder / name)
        stored = exporting.settle(folder, speech, ("audio",))
        # Sealed twice: what the interval is measured with has to be a bundle first.
        exporting.reseal(folder, info, version=version, hears_as=(), affect_interval=None)
        plain = judging.embed(held, Encoder.load(folder, threads=1), threads=chosen.threads)
        interval, reason = calibration.conformal(
            plain.affect, [row.affect for row in held], [row.speaker for row in held]
        )
        about |= {"of": f"{info.name} {info.version}", "fingerprint": before.bundle.fingerprint}
        about |= {"commit": setup.commit()} | ({"no_interval": reason} if reason else {})
        made = exporting.reseal(
            folder,
            info,
            version=version,
            hears_as=(),
            affect_interval=interval.model_dump() if interval else None,
            provenance={
                **info.provenance,
                "steadying": about,
                "storage": {**stored, "text": "as it was"},
                "float32_difference_to_torch": {"audio": check},
            },
        )
        exporting.write_card(folder, made)
    return bundles.load(target)


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
    first = replace(config.towers, audio_blocks=len(mine), train_audio="frozen", pooling="statistics")
    return towers.build(first).audio.eval()


def read_in_captions(model: towers.Towers, rows: Sequence[Row], config: Config, folder: Path) -> Array:
    """What the run reads in words about each clip, [clips, 2] as a read-out counts: the mean over captions drawn."""
    places = data.places(rows)
    pool = texts.Pool.of(rows, places, config.captions, config.seed)
    source = texts.texts_of(model, pool, folder, torch.device("cpu"))
    rng = np.random.default_rng(config.seed)
    read = np.empty((len(rows), 2))
    with torch.inference_mode():
        for clip, place in enumerate(places):
            drawn = [pool.beside(clip, place, rng) for _ in range(config.steady.captions)]
            said = source.embed(model.text, np.array(drawn, dtype=np.int64))
            read[clip] = model.read_out(said).double().mean(dim=0).numpy()
    return read


def weights(rows: Sequence[Row], config: Config) -> Array:
    """How much each clip counts [clips], with mean 1: as often as training draws it."""
    draw = BalancedDraw(rows, np.arange(len(rows)), config.data.corpus_weight)
    counted = np.zeros(len(rows))
    for members, share in zip(draw.cells, draw.shares, strict=True):
        counted[members] = share / len(members)
    return counted * len(rows)


def ridge(statistics: npt.NDArray[np.float16], targets: Array, counted: Array, penalty: float) -> nn.Linear:
    """The map from statistics, flat, to what the ridge makes of them.

    Statistics are [clips, versions, layers, features], targets [clips, n]. The penalty is on the weights of features
    brought to mean 0 and deviation 1, for each clip, so that more data does not change what it means. A penalised
    regression predicts less than there is; each target's prediction is stretched about its mean to the target's spread.
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
    found = solve(correlation + penalty * np.eye(size), together, assume_a="pos")
    variance = (counted[:, None] * (targets - aim) ** 2).sum(axis=0) / counted.sum()
    found *= np.sqrt(variance / (found * (correlation @ found)).sum(axis=0))
    slope = found / deviation[:, None]
    made = nn.Linear(size, targets.shape[1])
    with torch.no_grad():
        made.weight.copy_(torch.from_numpy(slope.T))
        made.bias.copy_(torch.from_numpy(aim - mean @ slope))
    return made.requires_grad_(False)


def _require_same(before: Encoder, model: towers.Towers, speech: example_speech.Speech) -> None:
    """ExportError unless the bundle hears what the run hears."""
    least = 1.0
    for window in [windows[0] for windows in speech.windows[:_COMPARED]]:
        with torch.inference_mode():
            ours = model.audio(torch.from_numpy(window)[None], torch.tensor([window.size]))[0].numpy()
        least = min(least, float(ours @ before.embed_samples(window).embedding[0]))
    if least < _SAME:
        raise ExportError(
            f"{before.bundle.path} hears speech otherwise than the run (cosine {least:.3f}); give the run that it was "
            "exported from"
        )
