"""`emotionrank corpus`: labelled corpora to manifests."""

from pathlib import Path
from typing import Annotated

import typer

from model_export import corpora, manifest
from model_export.commands.shared import writing

corpus = typer.Typer(add_completion=False, no_args_is_help=True, help="Read labelled corpora into manifests.")


@corpus.callback()
def _corpus() -> None:
    """Read labelled corpora into manifests."""


@corpus.command()
def prepare(
    name: Annotated[str, typer.Argument(help=f"One of: {', '.join(sorted(corpora.ADAPTERS))}.")],
    root: Annotated[Path, typer.Argument(help="The folder that the corpus' official archive unpacks to.")],
    output: Annotated[Path, typer.Option(help="The manifest to write.")],
) -> None:
    """Read a corpus in its official layout into one manifest (csv)."""
    rows = corpora.prepare(name, root)
    with writing(output):
        manifest.write(rows, output)
    speakers = len({row.speaker for row in rows})
    typer.echo(f"{output}: {len(rows)} clips of {speakers} speakers")
