"""`emotionrank corpus caption`: captions for a manifest, written by a language model from the labels."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from encoders.errors import OutputError
from model_export import manifest
from model_export.captions import column, writer
from model_export.captions.chat import Chat
from model_export.commands.shared import writing

KEY = "EMOTIONRANK_CHAT_KEY"
SHOWN = 10


def caption(
    path: Annotated[Path, typer.Argument(metavar="MANIFEST", help="A manifest of `corpus prepare`.")],
    endpoint: Annotated[str, typer.Option(help="An OpenAI-compatible endpoint, as in http://localhost:8000/v1.")],
    model: Annotated[str, typer.Option(help="The model to ask for.")],
    output: Annotated[Path, typer.Option(help="The manifest to write, with captions (.csv or .parquet).")],
    cache: Annotated[
        Path | None, typer.Option(help="Where answers are kept (default: OUTPUT.captions.jsonl); go on from it.")
    ] = None,
    each: Annotated[int, typer.Option(min=1, help="Captions a clip.")] = 1,
    parallel: Annotated[int, typer.Option(min=1, help="Questions at a time.")] = 4,
    tries: Annotated[int, typer.Option(min=1, help="Tries at a busy or failing endpoint.")] = 5,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds a try.")] = 60.0,
) -> None:
    """Have a language model write captions from the labels; the key, if one is needed, is in $EMOTIONRANK_CHAT_KEY.

    Clips that got no caption are listed, keep the captions they had, and make the exit status 1; run it again to ask
    for them alone.
    """
    if output.resolve() == path.resolve():
        raise OutputError(f"{output} is the manifest itself; write the captions under another name")
    rows = manifest.read(path)
    chat = Chat(endpoint, model, os.environ.get(KEY, ""), timeout, tries)
    kept = cache or output.with_name(output.name + ".captions.jsonl")
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("writing captions", total=sum(row.labelled for row in rows))
        made = writer.write(rows, writer.Settings(chat, each, parallel), kept, lambda: bar.advance(task))
    texts = [[one.text for one in captions] for captions in made.captions]
    with writing(output):
        manifest.write(
            [replace(row, caption=column.join(own)) if own else row for row, own in zip(rows, texts, strict=True)],
            output,
        )
    unlabelled = sum(not row.labelled for row in rows)
    typer.echo(f"{output}: captions for {sum(map(bool, texts))} of {len(rows)} clips, {unlabelled} without labels")
    for position, why in made.failures[:SHOWN]:
        typer.echo(f"  {rows[position].path.name}: {why}", err=True)
    if made.failures:
        typer.echo(f"{len(made.failures)} clips got no caption; run the same command again to ask for them", err=True)
        raise typer.Exit(1)
