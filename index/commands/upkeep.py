"""`emotionrank index info|verify`: look after a library that is there."""

import typer

from index import present
from index.commands.shared import JsonOption, LibraryOption
from index.open import open_store


def info(library: LibraryOption, as_json: JsonOption = False) -> None:
    """Say what a library holds, and which bundle made it."""
    with open_store(library, bundle=None, read_only=True) as store:
        info = store.info()
    if as_json:
        present.print_json(present.info_json(info))
    else:
        present.print_info(info)


def verify(library: LibraryOption, as_json: JsonOption = False) -> None:
    """Check a library against itself. Exit code 1 where it has drifted; missing audio files only are named."""
    with open_store(library, bundle=None, read_only=True) as store:
        found = store.verify()
    drift = [item for item in found if item.kind != "audio"]
    if as_json:
        present.print_json(present.drift_json(found, ok=not drift))
    else:
        present.print_drift(found)
    if drift:
        raise typer.Exit(1)
