"""Errors that a person can act on; the command line turns each into one message and an exit code."""

from __future__ import annotations


class S4FormerError(Exception):
    """A mistake that is not a defect of the package; ``exit_code`` is what the command line returns."""

    exit_code = 1


class UserError(S4FormerError):
    """Something asked for cannot be done as asked; the message says what to type instead."""


class ValueMistake(UserError, ValueError):
    """A value that was asked for does not go with the others; Python code may catch it as a ValueError."""


class DataError(S4FormerError):
    """A file of the data set is missing, unreadable or does not hold what it should."""

    exit_code = 3


class StorageError(S4FormerError):
    """A place that holds images cannot be reached; no others take their place."""

    exit_code = 3


class NumericError(S4FormerError):
    """A loss, a gradient or a loaded weight is not finite; no weight was touched by it."""

    exit_code = 4


class OutOfMemory(S4FormerError):
    """Memory ran out in this process; the message says what is saved and how to need less."""


class Interrupted(S4FormerError):
    """The run was asked to stop and has saved itself; it can be resumed."""

    exit_code = 75


class StoppedAtOnce(Interrupted):
    """The run was told to leave without saving, perhaps this process alone."""
