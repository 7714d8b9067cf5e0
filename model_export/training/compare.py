"""The comparison of the paper: the same encoders and clips, the kinds of loss side by side, several seeds each.

    python -m model_export.training.compare MANIFEST... --folder DIR [--config NAME|FILE] [--set SECTION.KEY=VALUE]

Each kind, temperature and seed is a run in a folder of its own; runs of one seed have the same speakers in validation,
the same batches and, with a frozen audio backbone, the same kept features. The figures are those of each run's best
checkpoint on its validation speakers: tau-b of the affect read-out, tau-b between graded prompts and what they
retrieve, and the modality gap to a caption beside each clip. No kind is judged at another's temperature: of those
tried each has the one with the best mean tau of its graded prompts. Started again it goes on where it was stopped.
"""

import dataclasses
import itertools
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, cast

import numpy as np
import torch
import typer
from scipy import stats

from encoders.encoder import Encoded
from encoders.errors import EmotionRankError
from model_export.errors import StoppedError
from model_export.evaluation import graded, texts
from model_export.evaluation.clips import AXES, Embedded
from model_export.evaluation.gap import modality_gap
from model_export.evaluation.measures import plain
from model_export.towers import Towers
from model_export.training import checkpoint, config, distributed, loop, setup, validation, watch
from model_export.training.config import Config
from model_export.training.texts import embed_texts

KINDS = ("rnc", "cross_entropy", "sup_con")


@dataclass(frozen=True, slots=True)
class Prompts:
    """The text tower of a checkpoint, with what the measures ask of an exported encoder."""

    model: Towers
    device: torch.device

    def embed_prompts(self, prompts: Sequence[str]) -> Encoded:
        """Embedding [n, dim] and affect [n, 2], a row each."""
        embedding = embed_texts(self.model, prompts, self.device)
        with torch.inference_mode():
            affect = self.model.affect(embedding.to(self.device)).cpu()
        return Encoded(embedding.numpy(), affect.numpy())


def measure(chosen: Config, run: Path, rounds: int = 200) -> dict[str, Any]:
    """The figures of a run's best checkpoint on its validation speakers; `rounds` of the bootstrap.

    Raises:
        TrainingError: no checkpoint, or data that cannot be read.
    """
    device = distributed.device_of(chosen.device)
    setting = setup.prepare(chosen, setup.read(chosen), run, device)
    model = setting.learner.towers
    saved = checkpoint.read(run / checkpoint.BEST, checkpoint.BEST)
    checkpoint.put(saved["average"], model)
    embedding, affect = validation.embed_clips(model, setting.source, setting.held, device)
    rows = [setting.rows[i] for i in setting.held]
    clips, prompts = Embedded(rows, embedding, affect), Prompts(model, device)
    scores = graded.graded_scores(clips, prompts, rounds=rounds)
    beside = prompts.embed_prompts([caption.text for caption in texts.beside(rows, chosen.seed)])
    gap = modality_gap(embedding, beside.embedding)
    return {
        "step": saved["step"],
        "clips": len(rows),
        "speakers": len({row.speaker for row in rows}),
        **{f"affect_{name}": value for name, value in validation.corpus_tau(rows, affect).items()},
        **{f"graded_{name}": scores[name]["tau"] for name in AXES},
        **{f"graded_{name}_interval": scores[name]["interval"] for name in AXES},
        **{name: gap[name] for name in ("mmd", "sliced_wasserstein", "centroid_distance")},
    }


def compare(
    chosen: Config,
    folder: Path,
    kinds: Sequence[str] = KINDS,
    temperatures: Sequence[float] = (),
    seeds: Sequence[int] = (0, 1, 2),
) -> Path:
    """Train and measure every kind at every temperature with every seed; returns the path of `comparison.json`.

    Without `temperatures` there is one, the configuration's.

    Raises:
        TrainingError: see `loop.train`.
    """
    runs = []
    features = dataclasses.replace(chosen.features, folder=chosen.features.folder or str(folder / "features"))
    for seed, kind, temperature in itertools.product(seeds, kinds, temperatures or (chosen.loss.temperature,)):
        run = folder / f"{kind}-{temperature:g}-{seed}"
        loss = dataclasses.replace(chosen.loss, kind=cast(Any, kind), temperature=temperature)
        this = dataclasses.replace(chosen, seed=seed, loss=loss, features=features)
        setup.say(f"{kind} at temperature {temperature:g}, seed {seed}")
        loop.train(this, run, resume=(run / loop.CONFIG).exists())
        runs.append({"kind": kind, "temperature": temperature, "seed": seed, **measure(this, run)})
    found = plain({"config": config.to_dict(chosen), "runs": runs, **summary(runs)})
    path = folder / "comparison.json"
    with watch.writing(path):
        path.write_text(json.dumps(found, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return path


def summary(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """For each kind, at its own best temperature, the mean over the seeds of each figure, and the first kind's leads.

    The best temperature is that of the highest mean tau of the graded prompts, over axes and seeds. A lead is paired by
    seed. Intervals are 95 % of Student's t over the seeds; null for one seed.
    """
    kinds = list(dict.fromkeys(run["kind"] for run in runs))
    seeds = list(dict.fromkeys(run["seed"] for run in runs))
    best = {kind: _best([run for run in runs if run["kind"] == kind]) for kind in kinds}
    of = {(run["kind"], run["seed"]): run for run in runs if run["temperature"] == best[run["kind"]]}
    names = [name for name, value in runs[0].items() if isinstance(value, float) and name != "temperature"]

    def over_seeds(kind: str, name: str) -> list[float]:
        return [of[kind, seed][name] for seed in seeds]

    return {
        "best_temperature": best,
        "means": {kind: {name: _mean(over_seeds(kind, name)) for name in names} for kind in kinds},
        "lead": {
            f"{kinds[0]} over {kind}": {
                name: _mean([a - b for a, b in zip(over_seeds(kinds[0], name), over_seeds(kind, name), strict=True)])
                for name in names
            }
            for kind in kinds[1:]
        },
    }


def _best(runs: Sequence[dict[str, Any]]) -> float:
    graded_of: dict[float, list[float]] = {}
    for run in runs:
        graded_of.setdefault(run["temperature"], []).extend(run[f"graded_{name}"] for name in AXES)
    return max(graded_of, key=lambda temperature: float(np.mean(graded_of[temperature])))


def _mean(values: Sequence[float]) -> dict[str, Any]:
    mean = float(np.mean(values))
    if len(values) == 1:
        return {"mean": round(mean, 4), "interval": None}
    half = float(stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return {"mean": round(mean, 4), "interval": [round(mean - half, 4), round(mean + half, 4)]}


def _main(
    manifests: Annotated[list[Path], typer.Argument(help="Manifests of `corpus prepare`.")],
    folder: Annotated[Path, typer.Option(help="The folder of the runs and of comparison.json.")],
    source: Annotated[str, typer.Option("--config", help="A TOML file, or a name.")] = "emotionrank-base",
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Repeatable.")
    ] = None,
    kinds: Annotated[str, typer.Option(help="Kinds of loss; the first is held against the others.")] = ",".join(KINDS),
    temperatures: Annotated[
        list[float] | None,
        typer.Option(
            "--temperature",
            min=1e-3,
            help="Repeatable (default: the configuration's); each kind is judged at its best.",
        ),
    ] = None,
    seeds: Annotated[list[int] | None, typer.Option("--seed", help="Repeatable (default: 0, 1 and 2).")] = None,
) -> None:
    """Train each kind of loss with each seed and write the figures to comparison.json."""
    chosen = config.from_file(source, settings or (), manifests)
    typer.echo(compare(chosen, folder, kinds.split(","), temperatures or (), seeds or (0, 1, 2)))


if __name__ == "__main__":
    try:
        typer.run(_main)
    except StoppedError as stopped:
        typer.echo(str(stopped), err=True)
        sys.exit(130)
    except EmotionRankError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)
