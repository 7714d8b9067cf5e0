"""`emotionrank train`: manifests to a run with its checkpoints."""

from pathlib import Path
from typing import Annotated

import typer

from model_export.commands.shared import extra
from model_export.errors import StoppedError

DEFAULT = "emotionrank-base"

train = typer.Typer(add_completion=False, help="Train the encoders.")


@train.command()
def _train(
    run: Annotated[Path, typer.Option(help="The folder of this run.")],
    manifests: Annotated[list[Path] | None, typer.Argument(help="Manifests of `corpus prepare`.")] = None,
    config: Annotated[
        str, typer.Option(help=f"A TOML file, or the name of one that comes along (default: {DEFAULT}).")
    ] = "",
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Change one key of the configuration; repeatable."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the stopped run in the folder.")] = False,
) -> None:
    """Train both encoders; the run's folder gets the configuration, a log, plots and the checkpoints.

    Ctrl-C writes a checkpoint and stops; --resume goes on from it. On several GPUs:
    torchrun --nproc-per-node N -m emotionrank -- train ...
    """
    with extra():
        from model_export import training
        from model_export.training import config as configuration
        from model_export.training.loop import stored

    source = config or (str(stored(run)) if resume else DEFAULT)
    chosen = configuration.from_file(source, setting or (), manifests or ())
    try:
        typer.echo(f"checkpoint: {training.train(chosen, run, resume)}")
    except StoppedError as stopped:
        typer.echo(str(stopped), err=True)
        raise typer.Exit(130) from None
