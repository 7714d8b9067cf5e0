"""`emotionrank corpus`: labelled corpora and tables to manifests, and what is wrong with them."""

import json
import math
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from encoders.errors import OutputError
from model_export import corpora, manifest
from model_export.commands.caption import caption
from model_export.commands.shared import extra, writing
from model_export.corpora import table as tabular
from model_export.corpora.check import Report
from model_export.corpora.check import check as check_rows
from model_export.errors import CorpusError
from model_export.manifest import Row

corpus = typer.Typer(add_completion=False, no_args_is_help=True, help="Read labelled corpora into manifests.")

SHOWN = 5


@corpus.callback()
def _corpus() -> None:
    """Read labelled corpora into manifests, and check them."""


@corpus.command()
def prepare(
    name: Annotated[str, typer.Argument(help=f"One of: {', '.join(sorted(corpora.ADAPTERS))}.")],
    root: Annotated[Path, typer.Argument(help="The folder that the corpus' official archive unpacks to.")],
    output: Annotated[Path, typer.Option(help="The manifest to write (.csv or .parquet).")],
) -> None:
    """Read a corpus in its official layout into one manifest."""
    _write(corpora.prepare(name, root), output)


@corpus.command()
def table(
    path: Annotated[Path, typer.Argument(metavar="TABLE", help="CSV, TSV or Parquet with one clip a row.")],
    output: Annotated[Path, typer.Option(help="The manifest to write (.csv or .parquet).")],
    column: Annotated[
        list[str] | None, typer.Option(help="FIELD=COLUMN: where a field of the manifest stands; may be repeated.")
    ] = None,
    constant: Annotated[
        list[str] | None, typer.Option(help="FIELD=VALUE: the same for every clip; may be repeated.")
    ] = None,
    scale: Annotated[tuple[float, float], typer.Option(help="The two ends of the rating scale of every axis.")] = (
        1,
        7,
    ),
    axis_scale: Annotated[
        list[str] | None, typer.Option(help="AXIS=LOW:HIGH: the scale of one axis; may be repeated.")
    ] = None,
    audio: Annotated[
        Path | None, typer.Option(help="The folder that paths are relative to (default: TABLE's).")
    ] = None,
    delimiter: Annotated[str, typer.Option(help="Between the cells (default: comma; tab for .tsv).")] = "",
) -> None:
    """Read any table of labelled clips into a manifest, by a map of its columns."""
    if output.exists() and output.resolve() == path.resolve():
        raise OutputError(f"{output} is the table itself; write the manifest under another name")
    scales = dict.fromkeys(manifest.AXES, scale) | {axis: _scale(value) for axis, value in _pairs(axis_scale).items()}
    if len(delimiter) > 1:
        raise typer.BadParameter(f"{delimiter!r} is more than one character", param_hint="--delimiter")
    _write(tabular.rows(path, _pairs(column), _pairs(constant), scales, audio, delimiter), output)


@corpus.command()
def check(
    manifests: Annotated[list[Path], typer.Argument(metavar="MANIFEST...", help="What is trained on together.")],
    plot: Annotated[Path | None, typer.Option(help="Draw the clips in the affect plane (.png, .svg, .pdf).")] = None,
    keep: Annotated[
        Path | None, typer.Option(help="Write the rows whose audio can be used, each recording once, as a manifest.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with every case, instead of a table.")] = False,
    threads: Annotated[int, typer.Option(min=1, help="Clips that are decoded at a time.")] = 2,
) -> None:
    """Say what is wrong with manifests and their audio, and sum them up.

    The exit status is 1 when anything is wrong, unless --keep writes what can be used.
    """
    rows = [row for path in manifests for row in manifest.read(path)]
    if plot:
        with extra():
            from model_export.corpora import plane
        plane.check_name(plot)
        with writing(plot):
            plane.draw(rows, plot)
    report = check_rows(rows, threads)
    if as_json:
        typer.echo(json.dumps(report.as_dict(), indent=2, ensure_ascii=False, allow_nan=False))
    else:
        _print(report)
    if keep:
        with writing(keep):
            manifest.write(report.usable, keep)
        typer.echo(f"{keep}: {len(report.usable)} of {len(rows)} clips", err=True)
    elif report.problems:
        raise typer.Exit(1)


corpus.command()(caption)


def _write(rows: list[Row], output: Path) -> None:
    with writing(output):
        manifest.write(rows, output)
    speakers = len({row.speaker for row in rows if row.known_speaker})
    unknown = sum(not row.known_speaker for row in rows)
    hidden = sum(not row.labelled for row in rows)
    more = [f", {unknown} of unknown speakers"] if unknown else []
    more += [f", {hidden} without labels"] if hidden else []
    typer.echo(f"{output}: {len(rows)} clips of {speakers} speakers{''.join(more)}")


def _pairs(given: list[str] | None) -> dict[str, str]:
    found = {}
    for text in given or ():
        name, sign, value = text.partition("=")
        if not (sign and name.strip() and value.strip()):
            raise CorpusError(f"{text!r} is no NAME=VALUE")
        if name.strip() in found:
            raise CorpusError(f"{name.strip()} is given twice")
        found[name.strip()] = value.strip()
    return found


def _scale(text: str) -> tuple[float, float]:
    try:
        low, high = (float(end) for end in text.split(":"))
    except ValueError:
        low = high = math.nan
    if not (math.isfinite(low) and math.isfinite(high)):
        raise CorpusError(f"{text!r} is no scale; write it as LOW:HIGH, as in arousal=0:100")
    return low, high


def _print(report: Report) -> None:
    console = Console()
    summary = Table("corpus", *(escape(name) for name in report.corpora), box=None)
    for title in next(iter(report.corpora.values())):
        summary.add_row(title, *(escape(_cell(found[title])) for found in report.corpora.values()))
    console.print(summary)
    for problem in report.problems:
        console.print(f"\n[bold red]{problem.kind}[/]: {len(problem.cases)} ({problem.advice})")
        for case in problem.cases[:SHOWN]:
            console.print(f"  {escape(case)}", soft_wrap=True, highlight=False)
        if len(problem.cases) > SHOWN:
            console.print(f"  and {len(problem.cases) - SHOWN} more: --json lists them all")
    if not report.problems:
        console.print("\nnothing is wrong")


def _cell(value: object) -> str:
    return ", ".join(f"{name} {count}" for name, count in value.items()) if isinstance(value, dict) else str(value)
