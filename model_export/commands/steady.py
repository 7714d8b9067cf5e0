"""`emotionrank steady`: a run's audio encoder, steadied by what training left untouched."""

from pathlib import Path
from typing import Annotated

import typer

from model_export import manifest
from model_export.commands.shared import extra, writing
from model_export.errors import ExportError

steady = typer.Typer(add_completion=False, help="Steady a run's audio encoder by the layers that were not trained.")


@steady.command()
def _steady(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder, or its best.pt; it is left as it is.")],
    manifests: Annotated[list[Path], typer.Argument(metavar="MANIFEST...", help="The clips that the run trained on.")],
    output: Annotated[Path, typer.Option(help="The folder of the steadied run, for `emotionrank export`.")],
    config: Annotated[
        str, typer.Option(help="A TOML file, or the name of a configuration of model_export/configs.")
    ] = "emotionrank-base",
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Change one key of the configuration; repeatable."),
    ] = None,
) -> None:
    """Fit a ridge regression from the untrained layers to the captions of each clip, and let it vote, in minutes.

    The run's validation speakers are not fitted on. Ctrl-C loses nothing: called again, it goes on hearing clips where
    it stopped.
    """
    with extra():
        from model_export import steadying
        from model_export.training import checkpoint
        from model_export.training import config as configuration

    if (output / checkpoint.BEST).exists():  # before the work, not after it
        raise ExportError(f"{output} holds a run already; choose a new folder")
    chosen = configuration.from_file(config, setting or (), manifests)
    rows = [row for path in manifests for row in manifest.read(path)]
    with writing(output):
        made = steadying.steady(run, rows, output, chosen)
    typer.echo(f"checkpoint: {made}")
