"""The checks of shapes and types that the tests switch on for every function of the package."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections import Counter
from collections.abc import Callable
from typing import Any

import jaxtyping
from beartype import BeartypeConf, beartype
from beartype.roar import BeartypeDecorHintPep673Exception, BeartypeDecorHintPep3119Exception

_check = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int is a float, as for static checkers
_jaxtyped = jaxtyping.jaxtyped
_calls = Counter[int]()
_CHECKED = 5  # calls of a function in a test; a loop would check the same shapes again and again


def install() -> None:
    """Check what of the package is imported from now on, each function in its first calls of a test."""
    # What the hook writes above each function.
    jaxtyping.jaxtyped = _in_first_calls  # type: ignore[assignment]
    jaxtyping.install_import_hook("s4former", "checked.typecheck")


def begin_test() -> None:
    """Check the first calls again."""
    _calls.clear()


def _in_first_calls(function: Any = None, *, typechecker: Any) -> Any:
    if function is None:
        return functools.partial(_in_first_calls, typechecker=typechecker)
    if inspect.isclass(function):
        if dataclasses.is_dataclass(function):
            init = _in_first_calls(function.__init__, typechecker=typechecker)
            function.__init__ = init  # type: ignore[method-assign]
        return function
    code, checked = id(function.__code__), None  # what a function defines inside has one code, each time

    @functools.wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        nonlocal checked
        if _calls[code] >= _CHECKED:
            return function(*arguments, **named)
        _calls[code] += 1
        checked = checked or _jaxtyped(function, typechecker=typechecker)
        return checked(*arguments, **named)

    return call


def typecheck(function: Callable[..., Any]) -> Callable[..., Any]:
    """Check a function's arguments and result on each call, shapes included.

    Two kinds stay unchecked, because nothing could check them: methods that name ``Self`` (functions are
    decorated one by one, outside their class) and functions that name a protocol which is not
    ``runtime_checkable``.
    """
    try:
        return _check(function)
    except (BeartypeDecorHintPep673Exception, BeartypeDecorHintPep3119Exception):
        return function
