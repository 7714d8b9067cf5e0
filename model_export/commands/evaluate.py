"""`emotionrank evaluate`: a bundle and a labelled corpus to figures."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from encoders import bundle
from encoders.encoder import Encoder
from model_export import manifest
from model_export.commands.shared import extra, writing

evaluate = typer.Typer(add_completion=False, help="Measure a bundle on a labelled corpus.")


@evaluate.command()
def _evaluate(
    manifest_file: Annotated[Path, typer.Argument(metavar="MANIFEST", help="A manifest of `corpus prepare`.")],
    bundle_path: Annotated[
        Path | None, typer.Option("--bundle", envvar="EMOTIONRANK_BUNDLE", help="Default: the released one.")
    ] = None,
    embeddings: Annotated[Path | None, typer.Option(help="Take these, written by `embed audio`.")] = None,
    output: Annotated[Path | None, typer.Option(help="Write the figures here as JSON too.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Measure how true a bundle's ranking is; clips that a copy of the corpus holds only in part are left out."""
    with extra():
        from model_export import evaluation as evaluating

    encoder = Encoder.load(bundle_path or bundle.default_path())
    heard = encoder.bundle.info.provenance
    rows, left_out = evaluating.judged(manifest.read(manifest_file), heard)
    if left_out:
        typer.echo(f"{left_out} clips of speakers that this bundle was trained on are left out", err=True)
    clips = evaluating.from_file(rows, embeddings) if embeddings else evaluating.embed(rows, encoder)
    scores = evaluating.evaluate(clips, encoder)
    if output:
        with writing(output):
            output.write_text(json.dumps(scores, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    if as_json:
        typer.echo(json.dumps(scores, indent=2, allow_nan=False))
    else:
        _print(scores)


def _print(scores: dict[str, Any]) -> None:
    console = Console()
    of = scores["bundle"]
    console.print(f"{of['name']} {of['version']} on {', '.join(scores['corpora'])}: {scores['clips']} clips")
    table = Table("measure", "valence", "arousal")
    for measure, title in (("affect", "affect tau-b"), ("graded_prompts", "graded prompts, top 10, tau-b")):
        cells = [f"{s['tau']:.3f} [{s['interval'][0]:.2f}, {s['interval'][1]:.2f}]" for s in scores[measure].values()]
        table.add_row(title, *cells)
    table.add_row("affect CCC", *(f"{s['ccc']:.3f}" for s in scores["affect"].values()))
    console.print(table)
    for text, found in scores["emotions"].items():
        console.print(f"  {text!r}: {found['hits']} of the first 10 are {found['emotion']} (chance {found['chance']})")
    gap = scores["modality_gap"]
    console.print(f"modality gap: MMD {gap['mmd']:.3f}, centroid distance {gap['centroid_distance']:.3f}")
