"""`emotionrank reword`: a bundle's text encoder taught again."""

from pathlib import Path
from typing import Annotated

import typer

from model_export import manifest
from model_export.commands.shared import extra, writing
from model_export.errors import ExportError

reword = typer.Typer(
    add_completion=False, help="Teach a bundle's text encoder again; recordings keep their embeddings."
)


@reword.command()
def _reword(
    bundle: Annotated[Path, typer.Argument(help="The folder of the bundle; it is left as it is.")],
    manifests: Annotated[list[Path], typer.Argument(metavar="MANIFEST...", help="Labelled clips to learn beside.")],
    output: Annotated[Path, typer.Option(help="The folder of the new bundle.")],
    version: Annotated[str, typer.Option(help="The new bundle's version.")],
    config: Annotated[
        str, typer.Option(help="A TOML file, or the name of a configuration of model_export/configs.")
    ] = "reword",
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Change one key of the configuration; repeatable."),
    ] = None,
) -> None:
    """Teach a bundle's text encoder again, with the present captions or your own, in minutes.

    The audio encoder is copied as it is: no recording has to be embedded differently, and its affect stays. The
    interval of affect is measured anew on the bundle's validation speakers, which have to be among the manifests.
    """
    with extra():
        from model_export import rewording
        from model_export.training import config as configuration

    if output.exists():  # before the work, not after it
        raise ExportError(f"{output} is there already; choose a new folder, so that no bundle in use is overwritten")
    chosen = configuration.from_file(config, setting or (), manifests)
    rows = [row for path in manifests for row in manifest.read(path)]
    with writing(output):
        made = rewording.reword(bundle, rows, output, chosen, version)
    typer.echo(f"{output}: {made.info.name} {made.info.version}, fingerprint {made.fingerprint[:12]}")
    if interval := made.info.affect_interval:
        typer.echo(f"{interval.level:.0%} interval: valence ± {interval.valence:.2f}, arousal ± {interval.arousal:.2f}")
