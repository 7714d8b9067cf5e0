"""The command line of the library: `index build|info|verify`, `search`, `describe`.

Results go to stdout (tables for people, or with --json one JSON document and nothing else), progress and
failures to stderr. Exit codes: 0 done, 1 some inputs failed or the library has drifted, 2 wrong use, 130
stopped with Ctrl-C. Errors rise to the command line's root, which prints them.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from encoders.audio import DEFAULT_MAX_DURATION
from encoders.encoder import Encoder
from encoders.errors import InputError
from index import build as building
from index import describe as describing
from index import filters, present, query
from index.open import open_store
from index.prompts import PromptBank
from index.sources import Failure

index = typer.Typer(add_completion=False, help="Make and look after a library.", no_args_is_help=True)
search = typer.Typer(add_completion=False)
describe = typer.Typer(add_completion=False)

LibraryOption = Annotated[
    Path,
    typer.Option("--library", "-l", envvar="EMOTIONRANK_LIBRARY", show_default=False, help="Folder of the library."),
]
BundleOption = Annotated[
    Path | None,
    typer.Option(
        "--bundle",
        envvar="EMOTIONRANK_BUNDLE",
        show_default="the released one",
        help="Folder of the bundle (the encoders).",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
DurationOption = Annotated[
    float,
    typer.Option(
        "--max-duration", envvar="EMOTIONRANK_MAX_DURATION", min=1, help="Seconds; longer recordings are refused."
    ),
]


@index.command("build")
def _build(
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
    as_json: JsonOption = False,
) -> None:
    """Add recordings to a library, made first where there is none. What is there already is not encoded again."""
    encoder = Encoder.load(bundle, threads=1)
    with open_store(library, bundle=encoder.bundle, create=True) as store, _progress("clips") as progress:
        report = building.build(store, encoder, sources, threads=threads, max_duration=max_duration, progress=progress)
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


@index.command("info")
def _info(library: LibraryOption, as_json: JsonOption = False) -> None:
    """Say what a library holds, and which bundle made it."""
    with open_store(library, bundle=None, read_only=True) as store:
        info = store.info()
    if as_json:
        present.print_json(present.info_json(info))
    else:
        present.print_info(info)


@index.command("verify")
def _verify(library: LibraryOption, as_json: JsonOption = False) -> None:
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


@search.command()
def _search(
    prompt: Annotated[str, typer.Argument(metavar="PROMPT", show_default=False, help="How the speech should feel.")],
    library: LibraryOption,
    k: Annotated[int, typer.Option("-k", min=1, help="How many hits.")] = 10,
    offset: Annotated[int, typer.Option(min=0, help="Leave out the first so many.")] = 0,
    min_score: Annotated[float | None, typer.Option(help="Only hits with at least this cosine.")] = None,
    only: Annotated[
        str | None,
        typer.Option(
            "--filter",
            metavar="JSON",
            help='Only clips that a filter keeps, such as \'{"speaker": "03", "duration": {"gte": 1}}\'.',
        ),
    ] = None,
    segments: Annotated[
        bool, typer.Option("--segments", help="Every segment is a hit of its own, not only a clip's best.")
    ] = False,
    bundle: BundleOption = None,
    as_json: JsonOption = False,
) -> None:
    """Search a library for speech that feels as a prompt says."""
    condition = filters.loads(only) if only is not None else None
    encoder = Encoder.load(bundle)
    with open_store(library, bundle=encoder.bundle, read_only=True) as store:
        hits = query.search(
            store,
            encoder,
            query.Query([query.TextPart(prompt)], k, offset, min_score, condition, not segments),
        )
    if as_json:
        present.print_json(present.hits_json(hits, k, offset))
    else:
        present.print_hits(hits, offset)


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
            found = describing.describe(
                encoder, bank, file, name=str(file), candidates=prompts, max_duration=max_duration
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


class _Rate(ProgressColumn):
    """How many are done in a second."""

    def render(self, task: Task) -> Text:
        return Text("-- /s" if task.speed is None else f"{task.speed:.1f} /s")


@contextmanager
def _progress(unit: str) -> Iterator[Any]:
    """Show a bar on stderr, where that is a terminal; yield what a build reports its progress to."""
    console = Console(stderr=True)
    bar = Progress(
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        _Rate(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
        disable=not console.is_terminal,
        speed_estimate_period=60,
    )
    with bar:
        task = bar.add_task("", total=None, note="")

        def show(progress: building.Progress) -> None:
            note = f"{progress.failed} failed" if progress.failed else ""
            bar.update(task, completed=progress.done, total=progress.total, note=note)

        yield show
