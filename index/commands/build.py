"""`emotionrank index build`: recordings into a library."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from encoders.audio import DEFAULT_MAX_DURATION
from encoders.encoder import Encoder
from index import build as building
from index import present, shards
from index.commands import compacting
from index.commands.shared import BundleOption, DurationOption, JsonOption, LibraryOption, progress_bar
from index.errors import LibraryError
from index.store import Store
from index.unmade import open_later


def build(
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="SOURCE...",
            show_default=False,
            help="Files, folders, or manifests (.csv, .parquet; column `path`, the others become metadata).",
        ),
    ],
    library: LibraryOption,
    bundle: BundleOption = None,
    threads: Annotated[
        int | None,
        typer.Option(
            envvar="EMOTIONRANK_THREADS",
            min=1,
            show_default="one a processor",
            help="Recordings to encode at a time.",
        ),
    ] = None,
    max_duration: DurationOption = DEFAULT_MAX_DURATION,
    shard: Annotated[
        str | None,
        typer.Option(
            "--shard",
            metavar="I/N",
            help="Only one of N parts of the sources, the same on every machine: run 1/N to N/N, anywhere, at once.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Add recordings to a library, made where there is none yet. What is there already is not encoded again.

    A file that was replaced by another recording replaces its clip. Several builds may add to one library at once.

    Where much was added, the library is compacted at the end (see `emotionrank index compact`).
    """
    keep = shards.parse(shard).has if shard is not None else None
    encoder = Encoder.load(bundle, threads=1)
    with open_later(library, encoder.bundle) as target:
        with progress_bar("clips") as bar:
            report = building.build(
                target, encoder, sources, threads=threads, max_duration=max_duration, progress=bar, keep=keep
            )
        if target.store and not report.interrupted and target.store.outgrown():
            _compact(target.store, encoder)
    present.list_failures(report.failed)
    if as_json:
        present.print_json(present.build_json(report))
    else:
        present.print_build(report)
    if report.interrupted:
        print("stopped; the same command goes on where this one ended", file=sys.stderr)
        raise typer.Exit(130)
    if report.failed:
        raise typer.Exit(1)


def _compact(store: Store, encoder: Encoder) -> None:
    """Compact after a build; whatever is against it, the build is done."""
    try:
        made = compacting.compact(store, encoder)
    except LibraryError as error:
        print(f"not compacted: {error}", file=sys.stderr)
    else:
        print(f"compacted {made.segments:,} segments in {made.seconds:.1f} s", file=sys.stderr)
