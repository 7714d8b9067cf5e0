"""The command line of this package: `emotionrank embed audio` and `emotionrank embed text`.

Both write one NumPy archive (.npz), whole or not at all: arrays `path` (or `text`), `embedding` float32 [n, dim]
and `affect` float32 [n, 2] (valence, arousal), rows in the order given, and `fingerprint`, that of the bundle which
made them. Inputs that fail are left out, named on stderr, and make the exit code 1.
"""

import json
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import numpy as np
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from encoders.encoder import Encoder, Vectors
from encoders.errors import InputError, OutputError, PromptError
from encoders.sessions import available_cpus

embed = typer.Typer(
    name="embed", help="Write embeddings and affect of audio or prompts to a file.", no_args_is_help=True
)

Output = Annotated[
    Path, typer.Option("--output", "-o", dir_okay=False, show_default=False, help="The .npz file to write.")
]
BundleFolder = Annotated[
    Path | None,
    typer.Option("--bundle", envvar="EMOTIONRANK_BUNDLE", show_default="the released one", help="The bundle to use."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print a summary as JSON.")]

_PROMPTS_AT_ONCE: Final = 256


class _Row(NamedTuple):
    embedding: Vectors
    affect: Sequence[float]


@embed.command()
def audio(
    files: Annotated[list[Path], typer.Argument(show_default=False, help="Audio files of any common kind.")],
    output: Output,
    bundle: BundleFolder = None,
    threads: Annotated[
        int | None,
        typer.Option(
            min=1,
            envvar="EMOTIONRANK_THREADS",
            show_default="one for each core",
            help="How many files are worked on at once.",
        ),
    ] = None,
    max_duration: Annotated[
        float,
        typer.Option(min=1, envvar="EMOTIONRANK_MAX_DURATION", help="The longest file taken, in seconds."),
    ] = 14_400.0,
    as_json: AsJson = False,
) -> None:
    """Embed audio files: arrays path, embedding, affect, and the bundle's fingerprint.

    One row a file: the mean of its segments' embeddings, renormalised, and the mean of their affect.
    """
    _check_folder(output)
    encoder = Encoder.load(bundle, threads=1)

    def row(file: Path) -> _Row | InputError:
        try:
            return _Row(*encoder.embed_clip(file, max_duration=max_duration))
        except InputError as error:
            return error

    rows = _in_order(row, files, threads or available_cpus())
    _write(output, "path", [str(file) for file in files], rows, encoder, as_json)


@embed.command()
def text(
    prompts: Annotated[
        Path,
        typer.Option(
            exists=True,
            dir_okay=False,
            show_default=False,
            help="A UTF-8 text file, one prompt a line; blank lines are passed over.",
        ),
    ],
    output: Output,
    bundle: BundleFolder = None,
    as_json: AsJson = False,
) -> None:
    """Embed prompts: arrays text, embedding, affect, and the bundle's fingerprint."""
    _check_folder(output)
    try:
        lines = [line.strip() for line in prompts.read_text("utf-8-sig").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise PromptError(f"{prompts} is not UTF-8 text (byte {error.start}): save it as UTF-8.") from None
    if not lines:
        raise PromptError(f"{prompts} has no prompts: write one a line.")
    encoder = Encoder.load(bundle)

    def rows() -> Iterator[_Row | InputError]:
        for begin in range(0, len(lines), _PROMPTS_AT_ONCE):
            yield from _prompt_rows(encoder, lines[begin : begin + _PROMPTS_AT_ONCE])

    _write(output, "text", lines, rows(), encoder, as_json)


def _in_order(
    work: Callable[[Path], _Row | InputError], files: Iterable[Path], threads: int
) -> Iterator[_Row | InputError]:
    """Yield `work` of each file in the order given; `threads` threads run a few files ahead of the reader."""
    pool = ThreadPoolExecutor(threads, thread_name_prefix="embed")
    flying: deque[Future[_Row | InputError]] = deque()
    try:
        for file in files:
            flying.append(pool.submit(work, file))
            if len(flying) > 2 * threads:
                yield flying.popleft().result()
        while flying:
            yield flying.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _prompt_rows(encoder: Encoder, lines: Sequence[str]) -> list[_Row | InputError]:
    try:
        encoded = encoder.embed_prompts(lines)
    except PromptError as error:
        if len(lines) == 1:
            return [error]
        return [row for line in lines for row in _prompt_rows(encoder, [line])]
    return [_Row(*row) for row in zip(encoded.embedding, encoded.affect, strict=True)]


def _write(
    output: Path,
    key: str,
    names: Sequence[str],
    rows: Iterable[_Row | InputError],
    encoder: Encoder,
    as_json: bool,
) -> None:
    begun = time.perf_counter()
    kept: list[str] = []
    embedding: list[Vectors] = []
    affect: list[Sequence[float]] = []
    failed: list[tuple[str, InputError]] = []
    console = Console(stderr=True, highlight=False)
    columns = (TextColumn("embedding"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        for name, row in zip(names, progress.track(rows, total=len(names)), strict=True):
            if isinstance(row, InputError):
                failed.append((name, row))
            else:
                kept.append(name)
                embedding.append(row.embedding)
                affect.append(row.affect)
    _save(
        output,
        **{
            key: np.array(kept, dtype=np.str_),
            "embedding": np.array(embedding, np.float32).reshape(-1, encoder.bundle.info.embedding_dim),
            "affect": np.array(affect, np.float32).reshape(-1, 2),
            "fingerprint": np.array(encoder.bundle.fingerprint),
        },
    )
    seconds = time.perf_counter() - begun
    for _, error in failed:
        typer.echo(f"failed: {error}", err=True)
    if as_json:
        failures = [{key: name, "code": error.code, "message": str(error)} for name, error in failed]
        summary = {"output": str(output), "embedded": len(kept), "failed": failures, "seconds": round(seconds, 3)}
        typer.echo(json.dumps(summary, indent=2))
    else:
        typer.echo(f"{len(kept)} embedded, {len(failed)} failed, {seconds:.1f} s: {output}")
    if failed:
        raise typer.Exit(1)


def _save(output: Path, **arrays: np.ndarray) -> None:
    """Write the archive beside its place and move it there, so that it is never seen half-written."""
    draft = output.with_name(f".{output.name}.{os.getpid()}.tmp")
    try:
        with draft.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
        draft.replace(output)
    except OSError as error:
        raise OutputError(f"{output} cannot be written: {error.strerror}. Nothing there was changed.") from None
    finally:
        draft.unlink(missing_ok=True)


def _check_folder(output: Path) -> None:
    if not os.access(output.parent, os.W_OK):
        raise typer.BadParameter(f"the folder of {output} is not there, or may not be written.")
