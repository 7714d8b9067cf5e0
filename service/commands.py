"""The command line's `serve` and `demo`, whose options are the settings of `service.settings`, and `keys`."""

import json
import os
from pathlib import Path
from typing import Annotated, Final

import typer

from service.flags import of_settings
from service.settings import Settings, load_settings

_DEMO_ONLY: Final = {"data"}

serve = typer.Typer(add_completion=False)
demo = typer.Typer(add_completion=False)
keys = typer.Typer(add_completion=False, no_args_is_help=True)


@serve.command()
@of_settings(name for name in Settings.model_fields if name not in _DEMO_ONLY)
def _serve(**flags: object) -> None:
    """Serve a library over HTTP until Ctrl-C."""
    _one_thread_a_call()
    settings = load_settings(**flags)
    # Imported here: `--help` should not wait for the encoders.
    from service.access import guard as access
    from service.serving import listening, serving

    access.guard(settings)  # what it refuses is said before a bundle is loaded
    # The port first: to learn that it is taken only after the bundle is loaded would be a pity.
    with listening.claim(settings.host, settings.port) as bound:
        serving.serve(settings, bound, ready=_announce)


@demo.command()
@of_settings(["library", "data", "host", "port", "bundle"])
def _demo(
    source: Annotated[
        Path | None,
        typer.Option(help="Your own recordings (a folder, file or manifest) instead of the spoken sample."),
    ] = None,
    **flags: object,
) -> None:
    """Make a spoken sample library, or one of your own recordings, and serve it."""
    _one_thread_a_call()
    settings = load_settings(**flags)
    from service.demo import run as spoken

    raise typer.Exit(spoken.run(settings, source=source))


@keys.callback()
def _keys() -> None:
    """Make API keys for the service."""


@keys.command("new")
def _new_key(
    name: Annotated[str, typer.Argument(help="Whose key it is, for the log: letters, digits and . _ @ -.")],
    scope: Annotated[
        list[str] | None,
        typer.Option(help="What it may be used for: read, write, metrics. Repeat it for more. Default: read."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Make a key: print it, this once, and the line that tells the service of it."""
    from service.access.keys import new_key

    text, key = new_key(name, scope or ["read"])
    if as_json:
        typer.echo(json.dumps({"key": text, "line": key.line()}))
        return
    typer.echo(f"key   {text}")
    typer.echo(f"line  {key.line()}")
    typer.echo(
        "The key is shown only now: give it to its user, who sends it as `Authorization: Bearer KEY`. The line is no "
        "secret: add it to the file of --keys-file, or to EMOTIONRANK_KEYS.",
        err=True,
    )


def _one_thread_a_call() -> None:
    """Keep numpy, which is not loaded yet, from starting threads of its own: the lanes bring the parallelism.

    Where cores are busy, its threads wait for one another far longer than they work: a singular value decomposition
    that takes 0.1 s on one thread took 4 to 11 s on two.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def _announce(url: str) -> None:
    typer.echo(f"EmotionRank serves on {url}\nThe routes, with examples: {url}/docs\nStop with Ctrl-C.")
