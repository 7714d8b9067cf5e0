"""A method has the docstring and the arguments of the function that makes its call."""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def documented(method: F, make: Callable[..., Any]) -> F:
    """Give a method, which passes its arguments on, the name, docstring and signature of `make`."""
    method.__name__ = method.__qualname__ = make.__name__
    method.__doc__ = make.__doc__
    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    arguments = inspect.signature(make)
    result = arguments.return_annotation.__args__[0]
    method.__signature__ = arguments.replace(  # type: ignore[attr-defined]
        parameters=[own, *arguments.parameters.values()], return_annotation=result
    )
    return method
