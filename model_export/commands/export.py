"""`emotionrank export`: a checkpoint to a bundle."""

import shutil
from pathlib import Path
from typing import Annotated

import typer

from encoders import bundle
from model_export.commands.shared import extra, writing
from model_export.errors import TrainingError

export = typer.Typer(add_completion=False, help="Write a checkpoint as a bundle.")


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
