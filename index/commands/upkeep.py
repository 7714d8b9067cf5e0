"""`emotionrank index info|verify|compact|rebuild|backup`: look after a library that is there."""

from pathlib import Path
from typing import Annotated

import typer

from encoders.encoder import Encoder
from index import present
from index.commands import compacting
from index.commands.shared import BundleOption, JsonOption, LibraryOption, steps_bar
from index.local.choice import BUDGET
from index.open import open_store

MemoryOption = Annotated[
    float | None,
    typer.Option(
        "--memory",
        metavar="GB",
        min=0,
        show_default=f"{BUDGET / 1e9:g}",
        help="Memory that searching may take, without the embeddings that an approximate index leaves on the disk.",
    ),
]
RecallOption = Annotated[
    float,
    typer.Option(
        "--recall",
        min=0.5,
        max=1,
        help="How much of the true ten best an approximate index has to find, measured with the bundle's prompts.",
    ),
]


def info(library: LibraryOption, as_json: JsonOption = False) -> None:
    """Say what a library holds, which bundle made it, and what it is searched with."""
    with open_store(library, bundle=None, read_only=True) as store:
        info = store.info()
    if as_json:
        present.print_json(present.info_json(info))
    else:
        present.print_info(info)


def verify(
    library: LibraryOption,
    audio: Annotated[
        bool, typer.Option("--audio", help="Read every clip's file, to see that it is still the one that was added.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Check a library against itself: records, embeddings, snapshot, what is searched, audio files.

    Exit code 1 where it has drifted; audio files that are missing or were changed are only named.
    """
    with open_store(library, bundle=None, read_only=True) as store:
        found = store.verify(audio=audio)
    drift = [item for item in found if item.kind != "audio"]
    if as_json:
        present.print_json(present.drift_json(found, ok=not drift))
    else:
        present.print_drift(found)
    if drift:
        raise typer.Exit(1)


def compact(
    library: LibraryOption,
    bundle: BundleOption = None,
    memory: MemoryOption = None,
    recall: RecallOption = compacting.RECALL,
    as_json: JsonOption = False,
) -> None:
    """Fold what was added and deleted into a new snapshot, with the index that suits the library's size.

    A library opens at once from a snapshot, and is searched faster. Others may search, add and delete meanwhile. A
    build compacts by itself once it pays.
    """
    _make(library, bundle, memory, recall, as_json, rebuild=False)


def rebuild(
    library: LibraryOption,
    bundle: BundleOption = None,
    memory: MemoryOption = None,
    recall: RecallOption = compacting.RECALL,
    as_json: JsonOption = False,
) -> None:
    """Derive anew whatever is derived from a library's records: what to do when `verify` finds drift in it.

    The embeddings themselves are records; no recording is read.
    """
    _make(library, bundle, memory, recall, as_json, rebuild=True)


def backup(
    target: Annotated[Path, typer.Argument(metavar="TARGET", show_default=False, help="A folder that is not there.")],
    library: LibraryOption,
    as_json: JsonOption = False,
) -> None:
    """Copy a library, as it is at one moment, while it is served and added to.

    The copy is a library: to restore it, open it. It has the uploaded audio; recordings outside the library's folder
    are not its own, and stay where they are. TARGET appears whole or not at all; a copy that was stopped is gone on
    with by the same command.
    """
    with open_store(library, bundle=None, read_only=True) as store, steps_bar() as progress:
        made = store.backup(target, progress)
    if as_json:
        present.print_json(present.backup_json(made))
    else:
        present.print_backup(made)


def _make(
    library: str, bundle: Path | None, memory: float | None, recall: float, as_json: bool, *, rebuild: bool
) -> None:
    encoder = Encoder.load(bundle)
    budget = None if memory is None else int(1e9 * memory)
    with open_store(library, bundle=encoder.bundle) as store:
        made = compacting.compact(store, encoder, rebuild=rebuild, memory=budget, recall=recall)
    if as_json:
        present.print_json(present.compaction_json(made))
    else:
        present.print_compaction(made)
