"""The command line's `serve` and `demo`. Their options are the settings of `service.settings`."""

from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Annotated

import typer
from typer.models import OptionInfo

from service.settings import PREFIX, Settings, load_settings

serve = typer.Typer(add_completion=False)
demo = typer.Typer(add_completion=False)


def _option(name: str) -> OptionInfo:
    """Make the option of a setting, with its environment variable, its sentence and its default."""
    field = Settings.model_fields[name]
    default = "" if field.default_factory or field.default is None else f" Default: {field.default}."
    option: OptionInfo = typer.Option(
        f"--{name.replace('_', '-')}",
        *(("-l",) if name == "library" else ()),
        envvar=f"{PREFIX}{name.upper()}",
        help=f"{field.description}{default}",
        show_default=False,
    )
    return option


Host = Annotated[str | None, _option("host")]
Port = Annotated[int | None, _option("port")]
Library = Annotated[str | None, _option("library")]
Audio = Annotated[Path | None, _option("audio")]
Bundle = Annotated[Path | None, _option("bundle")]
Threads = Annotated[int | None, _option("threads")]
Queue = Annotated[int | None, _option("queue")]
MaxUploadMb = Annotated[float | None, _option("max_upload_mb")]
MaxFiles = Annotated[int | None, _option("max_files")]
MaxDuration = Annotated[float | None, _option("max_duration")]
Data = Annotated[Path | None, _option("data")]


@serve.command()
def _serve(
    library: Library = None,
    audio: Audio = None,
    host: Host = None,
    port: Port = None,
    bundle: Bundle = None,
    threads: Threads = None,
    queue: Queue = None,
    max_upload_mb: MaxUploadMb = None,
    max_files: MaxFiles = None,
    max_duration: MaxDuration = None,
) -> None:
    """Serve a library over HTTP until Ctrl-C."""
    settings = load_settings(
        library=library,
        audio=audio,
        host=host,
        port=port,
        bundle=bundle,
        threads=threads,
        queue=queue,
        max_upload_mb=max_upload_mb,
        max_files=max_files,
        max_duration=max_duration,
    )
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
def _demo(
    source: Annotated[
        Path | None,
        typer.Option(help="Your own recordings (a folder, file or manifest) instead of the spoken sample."),
    ] = None,
    library: Library = None,
    data: Data = None,
    host: Host = None,
    port: Port = None,
    bundle: Bundle = None,
) -> None:
    """Make a spoken sample library, or one of your own recordings, and serve it."""
    settings = load_settings(library=library, data=data, host=host, port=port, bundle=bundle)
    from service import demo as spoken

    raise typer.Exit(spoken.run(settings, source=source))


def _announce(url: str) -> None:
    typer.echo(f"EmotionRank serves on {url}\nThe routes, with examples: {url}/docs\nStop with Ctrl-C.")
