"""`emotionrank describe`: recordings, and in words how they feel."""

from pathlib import Path
from typing import Annotated, Any

import typer

from encoders.audio import DEFAULT_MAX_DURATION
from encoders.encoder import Encoder
from encoders.errors import InputError
from index import describe as describing
from index import present
from index.commands.shared import BundleOption, DurationOption, JsonOption, sound_bar
from index.prompts import PromptBank
from index.sources import Failure

describe = typer.Typer(add_completion=False)


@describe.command()
def _describe(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", show_default=False, help="Recordings.")],
    candidates: Annotated[
        list[str] | None,
        typer.Option("--candidate", "-c", help="A prompt of your own to score the recordings with; repeatable."),
    ] = None,
    bundle: BundleOption = None,
    max_duration: DurationOption = DEFAULT_MAX_DURATION,
    as_json: JsonOption = False,
) -> None:
    """Say in words how recordings feel. A model's estimate, from the sound of the voice alone."""
    encoder = Encoder.load(bundle)
    bank = PromptBank(encoder)
    prompts = candidates or []
    if prompts:
        encoder.embed_prompts(prompts)  # a wrong prompt is wrong use, not a failure of each file
    failed: list[Failure] = []
    results: list[dict[str, Any]] = []
    for file in files:
        try:
            with sound_bar(file) as visit:
                found = describing.describe(
                    encoder, bank, file, name=str(file), candidates=prompts, max_duration=max_duration, visit=visit
                )
        except InputError as error:
            failed.append(Failure(str(file), str(error)))
            continue
        if as_json:
            results.append({"file": str(file), **present.description_json(found)})
        else:
            present.print_description(file, found)
    if as_json:
        present.print_json({"descriptions": results})
    present.list_failures(failed)
    if failed:
        raise typer.Exit(1)
