"""EmotionRank's command line: the root that mounts each package's own commands.

A command's module is imported when the command is asked for, so that `emotionrank --help` is immediate, serving never
imports torch, and a runtime install without the extra `train` has every other command.

Exit codes: 0 done, 1 some inputs failed (each named on stderr), 2 wrong use or a setting that cannot work, 130
interrupted.
"""

import importlib
import sys
from dataclasses import dataclass
from importlib.metadata import version as installed_version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from encoders.errors import AudioError, EmotionRankError


@dataclass(frozen=True, slots=True)
class Command:
    """Where a command lives, as `module:attribute`, and its line in the root's help."""

    target: str
    help: str


COMMANDS: dict[str, Command] = {
    "demo": Command("service.commands:demo", "Make a spoken sample library, serve it, print the URL."),
    "serve": Command("service.commands:serve", "Serve a library over HTTP."),
    "keys": Command("service.commands:keys", "Make API keys for the service."),
    "index": Command("index.commands.index:index", "Build, inspect and verify a library."),
    "search": Command("index.commands.search:search", "Search a library by a prompt."),
    "describe": Command("index.commands.describe:describe", "Say what recordings feel like, over time."),
    "report": Command("index.commands.report:report", "Write one page about a library, to look at and listen to."),
    "embed": Command("encoders.commands:embed", "Write embeddings and affect of audio or text to a file."),
    "corpus": Command("model_export.commands.corpus:corpus", "Read a labelled corpus into a manifest."),
    "train": Command("model_export.commands.train:train", "Train the encoders (extra: train)."),
    "evaluate": Command(
        "model_export.commands.evaluate:evaluate", "Measure a bundle on a labelled corpus (extra: train)."
    ),
    "export": Command("model_export.commands.export:export", "Write a checkpoint as a bundle (extra: train)."),
    "steady": Command("model_export.commands.steady:steady", "Steady a run by what was not trained (extra: train)."),
    "reword": Command("model_export.commands.reword:reword", "Teach a bundle's text encoder again (extra: train)."),
}


class LazyGroup(TyperGroup):
    """A group whose commands are imported only when one is run or its own help is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return every command's name, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import and return one command, None for an unknown name."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute = COMMANDS[cmd_name].target.split(":")
        command = typer.main.get_command(getattr(importlib.import_module(module), attribute))
        command.name = cmd_name
        return command

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the root's help from the table alone, importing nothing."""
        formatter.write_usage(ctx.command_path, "[OPTIONS] COMMAND [ARGS]...")
        formatter.write_paragraph()
        formatter.write_text("EmotionRank: search and describe speech by how it feels.")
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.help) for name, command in COMMANDS.items()])
        with formatter.section("Options"):
            formatter.write_dl([("--version", "Print the version and stop."), ("--help", "Show this and stop.")])
        formatter.write_paragraph()
        formatter.write_text(
            "Every setting is also an environment variable EMOTIONRANK_<NAME>. Start with: emotionrank demo"
        )


app = typer.Typer(cls=LazyGroup, add_completion=False, pretty_exceptions_enable=False)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"emotionrank {installed_version('emotionrank')}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True)] = False,
) -> None:
    """EmotionRank: search and describe speech by how it feels."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main() -> None:
    """Run the command line; errors a user can cause are one line on stderr, never a traceback."""
    try:
        app()
    except EmotionRankError as error:
        typer.echo(f"error: {error}", err=True)
        # A recording that cannot be used is a failed input; a prompt, a filter or a setting is wrong use.
        sys.exit(1 if isinstance(error, AudioError) else 2)


if __name__ == "__main__":
    main()
