"""`emotionrank report`: one page about a library, to look at, listen to and send to others."""

import os
from pathlib import Path
from typing import Annotated

import typer

from encoders.encoder import Encoder
from encoders.errors import OutputError
from index import filters
from index.commands.shared import BundleOption, FilterOption, LibraryOption, steps_bar
from index.open import is_remote, open_store
from index.report import gather, page

report = typer.Typer(add_completion=False)


@report.command()
def _report(
    library: LibraryOption,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", dir_okay=False, show_default=False, help="The HTML file to write."),
    ],
    title: Annotated[
        str | None, typer.Option(show_default="the library's name", help="What the page is headed with.")
    ] = None,
    prompts: Annotated[
        list[str] | None,
        typer.Option("--prompt", "-p", metavar="PROMPT", help="A prompt of your own, to show its best moments."),
    ] = None,
    only: FilterOption = None,
    no_audio: Annotated[
        bool, typer.Option("--no-audio", help="Leave the sound out: a smaller page, and no voices in it.")
    ] = False,
    bundle: BundleOption = None,
) -> None:
    """Write one self-contained page about a library: its map, its most extreme moments, the prompts that match it.

    The page needs no network and no other file. It holds the sound of the moments that it shows (a few seconds
    each), names of clips and metadata: send it to people who may hear them.
    """
    if not os.access(output.parent, os.W_OK):
        raise typer.BadParameter(f"the folder of {output} is not there, or may not be written.")
    condition = filters.loads(only) if only is not None else None
    encoder = Encoder.load(bundle)
    with open_store(library, bundle=encoder.bundle, read_only=True) as store, steps_bar() as progress:
        found = gather.gather(
            store,
            encoder,
            title or _name(library),
            prompts=prompts or (),
            filter=condition,
            with_sound=not no_audio,
            progress=progress,
        )
    written = page.render(found).encode()
    _write(output, written)
    mute = sum(sound.mp3 is None for sound in (found.sounds or {}).values())
    typer.echo(f"{output}: {found.counts.clips:,} clips, {len(written) / 1e6:.1f} MB")
    if mute:
        typer.echo(f"{mute} of the moments have no sound; the page says why beside each", err=True)


def _name(library: str) -> str:
    return library.rpartition("/")[2] if is_remote(library) else Path(library).absolute().name


def _write(output: Path, content: bytes) -> None:
    """Write the page beside its place and move it there, so that it is never seen half-written."""
    draft = output.with_name(f".{output.name}.{os.getpid()}.tmp")
    try:
        draft.write_bytes(content)
        draft.replace(output)
    except OSError as error:
        raise OutputError(f"{output} cannot be written: {error.strerror}. Nothing there was changed.") from None
    finally:
        draft.unlink(missing_ok=True)
