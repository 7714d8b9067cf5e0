"""What the library's commands share: their common options, and the bars of progress."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from encoders.containers import length
from encoders.encoder import EncodedSegment
from encoders.errors import AudioError
from index import build as building
from index.store import Progress as Steps

LibraryOption = Annotated[
    str,
    typer.Option(
        "--library",
        "-l",
        envvar="EMOTIONRANK_LIBRARY",
        show_default=False,
        help="The library: a folder, or milvus://HOST:PORT/NAME.",
    ),
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
FilterOption = Annotated[
    str | None,
    typer.Option(
        "--filter",
        metavar="JSON",
        help='Only clips that a filter keeps, such as \'{"speaker": "03", "duration": {"gte": 1}}\'.',
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
DurationOption = Annotated[
    float,
    typer.Option(
        "--max-duration", envvar="EMOTIONRANK_MAX_DURATION", min=1, help="Seconds; longer recordings are refused."
    ),
]


_LONG: Final = 60.0  # seconds of work, from which on an estimate is printed
_LONG_SOUND: Final = 20.0  # seconds of sound, from which on there is a bar


class _Rate(ProgressColumn):
    """How many are done in a second."""

    def render(self, task: Task) -> Text:
        return Text("-- /s" if task.speed is None else f"{task.speed:.1f} /s")


def in_time(seconds: float) -> str:
    """Return a time that is only known roughly as people say it."""
    if seconds < 90:
        return f"about {max(1, round(seconds))} s"
    return f"about {round(seconds / 60)} min" if seconds < 5400 else f"about {seconds / 3600:.1f} h"


@contextmanager
def progress_bar(unit: str) -> Iterator[Any]:
    """Show a bar on stderr, where that is a terminal; yield what a build reports its progress to.

    What a long build is expected to take is said before it, terminal or not.
    """
    console = Console(stderr=True)
    bar = Progress(
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        _Rate(),
        TextColumn("{task.fields[left]}"),
        TextColumn("{task.fields[note]}"),
        console=console,
        disable=not console.is_terminal,
        speed_estimate_period=60,
    )
    with bar:
        task = bar.add_task("", total=None, note="", left="")
        said = False

        def show(progress: building.Progress) -> None:
            nonlocal said
            if not said and progress.seconds_left and progress.seconds_left >= _LONG:
                expected = (
                    f"{progress.new:,} of {progress.total:,} recordings are new: {in_time(progress.seconds_left)}"
                )
                print(expected, file=sys.stderr)
            said = True
            note = f"{progress.failed} failed" if progress.failed else ""
            left = f"{in_time(progress.seconds_left)} left" if progress.seconds_left else ""
            bar.update(task, completed=progress.done, total=progress.total, note=note, left=left)

        yield show


@contextmanager
def steps_bar() -> Iterator[Steps]:
    """Show what a long work is at and how far on stderr, where that is a terminal; yield what it reports to."""
    console = Console(stderr=True)
    bar = Progress(
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
        console=console,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task("", total=1.0)
        yield lambda what, part: bar.update(task, description=what, completed=part)


@contextmanager
def sound_bar(file: Path) -> Iterator[Callable[[EncodedSegment], None] | None]:
    """Show how far into a long recording the work is, on a terminal's stderr; yield what is to see each segment."""
    console = Console(stderr=True)
    seconds = _length(file) if console.is_terminal else None
    if seconds is None or seconds < _LONG_SOUND:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(escape(file.name), total=seconds)
        yield lambda segment: bar.update(task, completed=segment.end)


def _length(file: Path) -> float | None:
    try:
        return length(file, str(file))
    except AudioError:
        return None  # whoever decodes it will say so
