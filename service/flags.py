"""Flags of the command line, made from the settings: one table says both."""

import inspect
from collections.abc import Callable, Iterable
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Final, TypeVar, Union, get_args, get_origin

import typer
from pydantic.fields import FieldInfo
from typer.models import OptionInfo

from service.settings import PREFIX, Settings

_PLAIN: Final = (bool, int, float, str, Path)
_SHORT: Final = {"library": "-l"}

F = TypeVar("F", bound=Callable[..., None])


def of_settings(names: Iterable[str]) -> Callable[[F], F]:
    """Give a command, in place of its `**flags`, an option for each of these settings (None where not given)."""

    def with_options(command: F) -> F:
        own = inspect.signature(command)
        keep = [p for p in own.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
        made = [_parameter(name, Settings.model_fields[name]) for name in names]
        command.__signature__ = own.replace(parameters=[*keep, *made])  # type: ignore[attr-defined]
        command.__annotations__ = {p.name: p.annotation for p in (*keep, *made)} | {"return": None}
        return command

    return with_options


def _parameter(name: str, field: FieldInfo) -> inspect.Parameter:
    kind: Any = _flag_type(field.annotation)
    annotation: Any = Annotated[kind | None, _option(name, field)]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _option(name: str, field: FieldInfo) -> OptionInfo:
    """Make the option of a setting, with its environment variable, its sentence and its default."""
    flag = name.replace("_", "-")
    spelling = f"--{flag}/--no-{flag}" if field.annotation is bool else f"--{flag}"
    default = "" if field.default_factory or field.default in (None, []) else f" Default: {field.default}."
    option: OptionInfo = typer.Option(
        spelling,
        *([_SHORT[name]] if name in _SHORT else []),
        envvar=f"{PREFIX}{name.upper()}",
        help=f"{field.description}{default}",
        show_default=False,
    )
    return option


def _flag_type(annotation: Any) -> Any:
    """Return what a flag's text is read as: the settings themselves check it further."""
    members = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    for plain in _PLAIN:
        if plain in members and not (plain is Path and str in members):
            return plain
    return str
