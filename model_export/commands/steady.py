"""`emotionrank steady`: a second opinion on affect for a bundle, from what training left untouched."""

from pathlib import Path
from typing import Annotated

import typer

from model_export import manifest
from model_export.commands.shared import extra, writing
from model_export.errors import ExportError

steady = typer.Typer(add_completion=False, help="Steady a bundle's affect by the layers that were not trained.")


@steady.command()
def _steady(
    bundle: Annotated[Path, typer.Argument(help="The folder of the bundle; it is left as it is.")],
    manifests: Annotated[list[Path], typer.Argument(metavar="MANIFEST...", help="The clips that the run trained on.")],
    run: Annotated[Path, typer.Option(help="The run that the bundle's audio encoder is from, or its best.pt.")],
    output: Annotated[Path, typer.Option(help="The folder of the new bundle.")],
    version: Annotated[str, typer.Option(help="The new bundle's version.")],
    config: Annotated[
        str, typer.Option(help="A TOML file, or the name of a configuration of model_export/configs.")
    ] = "emotionrank-base",
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Change one key of the configuration; repeatable."),
    ] = None,
) -> None:
    """Let a ridge regression on the untrained layers have a say in the affect of recordings, in minutes.

    Embeddings, and so every search, stay as they are, and the text encoder is copied. The run's validation speakers
    are not fitted on; the interval of affect is measured anew on them. Ctrl-C loses nothing: called again, it goes on
    hearing clips where it stopped.
    """
    with extra():
        from model_export import steadying
        from model_export.training import config as configuration

    if output.exists():  # before the work, not after it
        raise ExportError(f"{output} is there already; choose a new folder, so that no bundle in use is overwritten")
    chosen = configuration.from_file(config, setting or (), manifests)
    rows = [row for path in manifests for row in manifest.read(path)]
    with writing(output):
        made = steadying.steady(bundle, run, rows, output, chosen, version)
    typer.echo(f"{output}: {made.info.name} {made.info.version}, fingerprint {made.fingerprint[:12]}")
    if interval := made.info.affect_interval:
        typer.echo(f"{interval.level:.0%} interval: valence ± {interval.valence:.2f}, arousal ± {interval.arousal:.2f}")
