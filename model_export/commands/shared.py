"""What the commands share: naming a missing extra and an output that cannot be written."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from encoders.errors import OutputError
from model_export.errors import MissingExtraError


@contextmanager
def extra() -> Iterator[None]:
    """Turn a missing library of the extra `train` into a sentence that says how to install it."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"this needs {error.name}: pip install 'emotionrank[train]'") from error


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Name the output that cannot be written."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from error
