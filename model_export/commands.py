"""The command line of training: corpus prepare, train, evaluate, export."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from encoders import bundle
from encoders.encoder import Encoder
from encoders.errors import OutputError
from model_export import corpora, manifest
from model_export.errors import MissingExtraError, TrainingError

corpus = typer.Typer(add_completion=False, no_args_is_help=True, help="Read labelled corpora into manifests.")
train = typer.Typer(add_completion=False, help="Train the encoders.")
evaluate = typer.Typer(add_completion=False, help="Measure a bundle on a labelled corpus.")
export = typer.Typer(add_completion=False, help="Write a checkpoint as a bundle.")


@contextmanager
def extra() -> Iterator[None]:
    """Turn a missing library of the extra `train` into a sentence that says how to install it."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"this needs {error.name}: pip install 'emotionrank[train]'") from error


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Name the output that cannot be written."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from error


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


@export.command()
def _export(
    checkpoint: Annotated[Path, typer.Argument(help="checkpoint.pt of a run.")],
    output: Annotated[Path, typer.Option(help="The folder of the new bundle.")],
    licence: Annotated[str, typer.Option(help="SPDX name of what the training data allows; goes into the bundle.")],
    name: Annotated[str, typer.Option(help="The bundle's name (default: that of its folder).")] = "",
    version: Annotated[str, typer.Option(help="The bundle's version.")] = "0.1.0",
    int8: Annotated[bool, typer.Option(help="Store matrices as int8.")] = True,
) -> None:
    """Export to ONNX, check against torch, shrink, and seal as a bundle."""
    with extra():
        from model_export import export as exporting
        from model_export import train as training

    if output.exists():
        raise TrainingError(f"{output} is there already; choose a new folder, so that no bundle in use is overwritten")
    model, saved = training.load(checkpoint)
    provenance = {
        **saved["provenance"],
        "steps": saved["step"],
        "seed": saved["config"]["seed"],
        "validation_tau": saved["validation"],
    }
    partial = output.with_name(output.name + ".partial")
    with writing(output):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        exporting.export(
            model,
            partial,
            name=name or output.resolve().name,
            version=version,
            licence=licence,
            provenance=provenance,
            int8=int8,
        )
        partial.rename(output)
    made = bundle.load(output)
    size = sum(path.stat().st_size for path in output.iterdir()) / 1e6
    typer.echo(f"{output}: {made.info.name} {made.info.version}, {size:.1f} MB, fingerprint {made.fingerprint[:12]}")


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
        from model_export import evaluate as evaluating

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
