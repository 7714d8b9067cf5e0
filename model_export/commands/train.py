"""`emotionrank train`: manifests to a run with its checkpoint."""

from pathlib import Path
from typing import Annotated

import typer

from model_export.commands.shared import extra, writing
from model_export.errors import TrainingError

train = typer.Typer(add_completion=False, help="Train the encoders.")


@train.command()
def _train(
    manifests: Annotated[list[Path], typer.Argument(help="Manifests of `corpus prepare`.")],
    run: Annotated[Path, typer.Option(help="The folder of this run.")],
    steps: Annotated[int, typer.Option(min=1, help="Optimiser steps.")] = 600,
    batch: Annotated[int, typer.Option(min=2, help="Clips a step.")] = 48,
    temperature: Annotated[float, typer.Option(min=0.001, help="Of the Rank-N-Contrast loss.")] = 0.2,
    validate_every: Annotated[int, typer.Option(min=1, help="Steps between validations.")] = 150,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 2,
    seed: Annotated[int, typer.Option(help="Of weights, crops, captions and the speaker split.")] = 0,
) -> None:
    """Train both encoders; the run's folder gets the configuration, a log and the checkpoint."""
    with extra():
        from model_export import train as training

    config = training.Config(
        manifests=tuple(str(path) for path in manifests),
        steps=steps,
        batch=batch,
        temperature=temperature,
        validate_every=validate_every,
        threads=threads,
        seed=seed,
    )
    if run.exists() and any(run.glob("checkpoint.pt")):
        raise TrainingError(f"{run} holds a finished or stopped run; choose a new folder, so that none is overwritten")
    with writing(run):
        typer.echo(f"checkpoint: {training.train(config, run)}")
