"""The command line of the library: `index build|info|verify`, `search`, `describe`.

Results go to stdout (tables for people, or with --json one JSON document and nothing else), progress and
failures to stderr. Exit codes: 0 done, 1 some inputs failed or the library has drifted, 2 wrong use, 130
stopped with Ctrl-C. Errors rise to the command line's root, which prints them.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from encoders.affect import Affect, in_words
from encoders.audio import DEFAULT_MAX_DURATION
from encoders.encoder import Encoder
from encoders.errors import InputError
from index import build as building
from index import describe as describing
from index import filters, query
from index.open import open_store
from index.prompts import PromptBank
from index.records import Clip, Drift, LibraryInfo
from index.sources import Failure

index = typer.Typer(help="Make and look after a library.", no_args_is_help=True)
search = typer.Typer()
describe = typer.Typer()

_TERMS_SHOWN: Final = 5
_WIDE: Final = 240

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
    _list_failures(report.failed)
    if as_json:
        _print_json(
            {
                "added": report.added,
                "updated": report.updated,
                "skipped": report.skipped,
                "failed": [{"name": item.name, "message": item.message} for item in report.failed],
                "seconds": round(report.seconds, 3),
                "interrupted": report.interrupted,
            }
        )
    else:
        print(
            f"{report.added} added, {report.updated} updated, {report.skipped} there already, "
            f"{len(report.failed)} failed, in {report.seconds:.1f} s"
        )
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
        _print_json(_info_json(info))
        return
    table = Table(show_header=False, box=None)
    for name, value in _info_rows(info):
        table.add_row(name, value)
    _console().print(table)


@index.command("verify")
def _verify(library: LibraryOption, as_json: JsonOption = False) -> None:
    """Check a library against itself. Exit code 1 where it has drifted; missing audio files only are named."""
    with open_store(library, bundle=None, read_only=True) as store:
        found = store.verify()
    drift = [item for item in found if item.kind != "audio"]
    if as_json:
        _print_json({"ok": not drift, "drift": [{"kind": item.kind, "message": item.message} for item in found]})
    else:
        _print_drift(found)
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
        rows = [
            {
                "rank": rank,
                "score": hit.score,
                "clip": _clip_json(hit.clip),
                "start": hit.start,
                "end": hit.end,
                "affect": hit.affect._asdict(),
            }
            for rank, hit in enumerate(hits, start=offset + 1)
        ]
        _print_json({"hits": rows, "k": k, "offset": offset})
        return
    if not hits:
        print("no hits", file=sys.stderr)
        return
    table = Table("", "score", "clip", "from", "to", "valence", "arousal", "id")
    for rank, hit in enumerate(hits, start=offset + 1):
        table.add_row(
            str(rank),
            f"{hit.score:.3f}",
            Text(hit.clip.name),
            f"{hit.start:.1f}",
            f"{hit.end:.1f}",
            f"{hit.affect.valence:.1f}",
            f"{hit.affect.arousal:.1f}",
            Text(hit.clip.id, no_wrap=True),
        )
    _console().print(table)


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
            results.append({"file": str(file), **_description_json(found)})
        else:
            _print_description(file, found)
    if as_json:
        _print_json({"descriptions": results})
    _list_failures(failed)
    if failed:
        raise typer.Exit(1)


def _console() -> Console:
    """Return a console on stdout; where that is no terminal, nothing is cut to a terminal's width."""
    return Console(width=None if sys.stdout.isatty() else _WIDE)


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


def _list_failures(failed: Sequence[Failure]) -> None:
    for item in failed:
        named = item.message if item.name in item.message else f"{item.name}: {item.message}"
        print(f"failed: {named}", file=sys.stderr)


def _print_json(value: object) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=2))


def _clip_json(clip: Clip) -> dict[str, Any]:
    return {
        "id": clip.id,
        "name": clip.name,
        "path": clip.path,
        "sha256": clip.sha256,
        "duration": clip.duration,
        "added_at": clip.added_at.isoformat(),
        "metadata": clip.metadata,
        "affect": clip.affect._asdict(),
        "segments": clip.segments,
    }


def _info_json(info: LibraryInfo) -> dict[str, Any]:
    return {
        "library": info.address,
        "kind": info.kind,
        "bundle": {"name": info.bundle_name, "version": info.bundle_version, "fingerprint": info.fingerprint},
        "dim": info.dim,
        "created_at": info.created_at.isoformat(),
        **info.counts._asdict(),
        "bytes": info.bytes,
        "valence": info.valence,
        "arousal": info.arousal,
    }


def _info_rows(info: LibraryInfo) -> Iterator[tuple[str, str]]:
    yield "library", f"{info.address} ({info.kind}, made {info.created_at:%Y-%m-%d})"
    yield "bundle", f"{info.bundle_name} {info.bundle_version}, fingerprint {info.fingerprint[:12]}"
    yield "clips", f"{info.counts.clips:,}"
    yield "segments", f"{info.counts.segments:,} of {info.dim} values"
    yield "sound", f"{info.counts.seconds / 3600:.2f} hours"
    yield "on disk", f"{info.bytes / 1e6:,.1f} MB"
    yield "valence 1..7", _bars(info.valence)
    yield "arousal 1..7", _bars(info.arousal)


def _bars(counts: Sequence[int]) -> str:
    blocks = " ▁▂▃▄▅▆▇█"
    most = max(counts) or 1
    # Rounded up, so that no bin that has clips looks empty.
    return "|" + "".join(blocks[-(-8 * count // most)] for count in counts) + f"|  {' '.join(map(str, counts))}"


def _print_drift(found: Sequence[Drift]) -> None:
    for item in found:
        print(f"{item.kind}: {item.message}")
    if not found:
        print("no drift: the catalog, the embeddings, the vectors and the audio files agree")


def _description_json(found: describing.Description) -> dict[str, Any]:
    return {
        "duration": found.duration,
        "affect": found.affect._asdict(),
        "summary": found.summary,
        "terms": [{"term": term, "share": share} for term, share in found.terms],
        "prompts": [{"text": p.text, "term": p.term, "score": score} for p, score in found.prompts],
        "candidates": [{"text": text, "score": score} for text, score in found.candidates],
        "timeline": [
            {"start": m.start, "end": m.end, "affect": m.affect._asdict(), "term": m.term} for m in found.timeline
        ],
    }


def _print_description(file: Path, found: describing.Description) -> None:
    console = _console()
    console.print(Text(f"{file}  ({found.duration:.1f} s)", style="bold"))
    console.print(Text(found.summary))
    table = Table("term", "share", "nearest prompts", "score", box=None, padding=(0, 2))
    for place in range(max(_TERMS_SHOWN, len(found.prompts))):
        term, share = found.terms[place] if place < len(found.terms) else ("", None)
        prompt, score = found.prompts[place] if place < len(found.prompts) else (None, None)
        table.add_row(
            Text(term),
            "" if share is None else f"{share:.0%}",
            Text(prompt.text if prompt else ""),
            "" if score is None else f"{score:.3f}",
        )
    console.print(table)
    if found.candidates:
        own = Table("your prompts", "score", box=None, padding=(0, 2))
        for text, score in found.candidates:
            own.add_row(Text(text), f"{score:.3f}")
        console.print(own)
    if len(found.timeline) > 1:
        times = Table("from", "to", "valence", "arousal", "affect", "term", box=None, padding=(0, 2))
        for moment in found.timeline:
            times.add_row(f"{moment.start:.1f}", f"{moment.end:.1f}", *_affect_cells(moment.affect), Text(moment.term))
        console.print(times)
    console.print()


def _affect_cells(affect: Affect) -> tuple[str, str, str]:
    return f"{affect.valence:.1f}", f"{affect.arousal:.1f}", in_words(affect)
