"""`emotionrank index copy`: a library into another."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from encoders.bundle import load
from index import copy as copying
from index import present
from index.commands.shared import BundleOption, JsonOption, progress_bar
from index.errors import LibraryError
from index.open import is_remote, open_store


def copy(
    source: Annotated[str, typer.Argument(metavar="SOURCE", show_default=False, help="The library to copy.")],
    target: Annotated[
        str, typer.Argument(metavar="TARGET", show_default=False, help="The library to copy into, made if not there.")
    ],
    bundle: BundleOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy all clips of a library into another: each a folder, or milvus://HOST:PORT/NAME.

    Nothing is encoded again. A copy that was stopped goes on with the same command; repeated later, it brings the
    target up to date. Clips that only the target has stay there.
    """
    if _place(source) == _place(target):
        raise LibraryError(f"{source} and {target} are the same library. Name another target.")
    with (
        open_store(source, bundle=None, read_only=True) as found,
        open_store(target, bundle=load(bundle), create=True) as into,
        progress_bar("clips") as progress,
    ):
        try:
            report = copying.copy(found, into, progress)
        except KeyboardInterrupt:
            print("stopped; the same command goes on where this one ended", file=sys.stderr)
            raise typer.Exit(130) from None
    present.list_failures(report.failed)
    if as_json:
        present.print_json(present.copy_json(report))
    else:
        present.print_copy(report)
    if report.failed:
        raise typer.Exit(1)


def _place(library: str) -> str:
    return library.rstrip("/") if is_remote(library) else str(Path(library).resolve())
