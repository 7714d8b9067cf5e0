"""`emotionrank export`: a checkpoint to a bundle."""

from pathlib import Path
from typing import Annotated

import typer

from model_export import manifest
from model_export.commands.shared import extra, writing
from model_export.errors import ExportError

export = typer.Typer(add_completion=False, help="Write a checkpoint as a bundle.")


@export.command()
def _export(
    checkpoint: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder, or its best.pt.")],
    output: Annotated[Path, typer.Option(help="The folder of the new bundle.")],
    licence: Annotated[str, typer.Option(help="SPDX name of what the training data allows; goes into the bundle.")],
    name: Annotated[str, typer.Option(help="The bundle's name (default: that of its folder).")] = "",
    version: Annotated[str, typer.Option(help="The bundle's version.")] = "0.1.0",
    calibrate: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="MANIFEST",
            help="Calibrate affect, with an interval, and the shares of terms on the run's validation speakers in this "
            "manifest; repeatable.",
        ),
    ] = None,
    int8: Annotated[bool, typer.Option(help="Store matrices as int8 where that keeps the ranking.")] = True,
) -> None:
    """Export to ONNX, check against torch, calibrate, shrink where the ranking is kept, and seal as a bundle."""
    with extra():
        from model_export import export as exporting
        from model_export import training
        from model_export.export import example_speech, validation_speech

    if output.exists():  # before the work, not after it
        raise ExportError(f"{output} is there already; choose a new folder, so that no bundle in use is overwritten")
    model, saved = training.load(checkpoint)
    provenance = {
        **saved["provenance"],
        "steps": saved["step"],
        "seed": saved["config"]["seed"],
        "validation_tau": saved["validation"],
    }
    calibration = heard = speech = None
    if calibrate:
        rows = validation_speech.unheard([row for path in calibrate for row in manifest.read(path)], provenance)
        heard = validation_speech.hear(model, rows)
        calibration = validation_speech.fit(heard)
        if len(rows) >= example_speech.FEWEST:
            speech = example_speech.from_rows(rows)
    with writing(output):
        made = exporting.export(
            model,
            output,
            name=name or output.resolve().name,
            version=version,
            licence=licence,
            provenance=provenance,
            calibration=calibration,
            heard=heard,
            speech=speech,
            int8=int8,
        )
    size = sum(path.stat().st_size for path in output.iterdir()) / 1e6
    stored = made.info.provenance["storage"]
    assert isinstance(stored, dict)
    typer.echo(f"{output}: {made.info.name} {made.info.version}, {size:.1f} MB, fingerprint {made.fingerprint[:12]}")
    typer.echo(f"stored: audio {stored['audio']}, text {stored['text']}")
    if int8 and "float32" in (stored["audio"], stored["text"]):
        typer.echo("an encoder stays float32: stored as int8 it ranks differently (bundle.json, provenance.storage)")
    if calibration and made.info.affect_interval:
        interval = made.info.affect_interval
        typer.echo(
            f"affect calibrated on {calibration.clips} clips of {calibration.speakers} speakers; "
            f"{interval.level:.0%} interval: valence ± {interval.valence:.2f}, arousal ± {interval.arousal:.2f}"
        )
    elif calibration:
        typer.echo(f"affect calibrated, without an interval: {calibration.reason}")
    if made.info.term_shares:
        typer.echo(f"shares of terms calibrated: temperature {made.info.term_shares.temperature:g}")
    elif heard:
        fitted = made.info.provenance["term_shares"]
        assert isinstance(fitted, dict)
        typer.echo(f"shares of terms not calibrated: {fitted['no_temperature']}")
