"""The type checker that the tests switch on for every function of the package."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from beartype import BeartypeConf, beartype
from beartype.roar import BeartypeDecorHintPep673Exception, BeartypeDecorHintPep3119Exception

_check = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int is a float, as for static checkers


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
