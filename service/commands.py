"""The command line's `serve` and `demo`. Their options are the settings of `service.settings`."""

from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Annotated, Final

import typer

from service.flags import of_settings
from service.settings import Settings, load_settings

_DEMO_ONLY: Final = {"data"}

serve = typer.Typer(add_completion=False)
demo = typer.Typer(add_completion=False)


@serve.command()
@of_settings(name for name in Settings.model_fields if name not in _DEMO_ONLY)
def _serve(**flags: object) -> None:
    """Serve a library over HTTP until Ctrl-C."""
    settings = load_settings(**flags)
    # Imported here: `--help` should not wait for the encoders.
    from service import listening
    from service.app import create_app
    from service.engine import open_engine

    with ExitStack() as stack:
        # The port first: to learn that it is taken only after the bundle is loaded would be a pity.
        bound = stack.enter_context(listening.claim(settings.host, settings.port))
        engine = stack.enter_context(open_engine(settings))
        stack.enter_context(suppress(KeyboardInterrupt))  # Ctrl-C and SIGTERM are how it is meant to end
        listening.serve(create_app(settings, engine=engine), bound, ready=_announce)


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
    settings = load_settings(**flags)
    from service import demo as spoken

    raise typer.Exit(spoken.run(settings, source=source))


def _announce(url: str) -> None:
    typer.echo(f"EmotionRank serves on {url}\nThe routes, with examples: {url}/docs\nStop with Ctrl-C.")
