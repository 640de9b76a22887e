"""What a run is, as data: config classes, overrides from a command line, the record of a run. No torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s4former.config.fronts import lazily

if TYPE_CHECKING:
    from s4former.config.base import Config
    from s4former.config.errors import (
        DataError,
        Interrupted,
        NumericError,
        OutOfMemory,
        S4FormerError,
        UserError,
        ValueMistake,
    )
else:
    __getattr__ = lazily(
        __name__,
        {
            "base": "Config",
            "errors": "DataError Interrupted NumericError OutOfMemory S4FormerError UserError ValueMistake",
        },
    )

__all__ = [
    "Config",
    "DataError",
    "Interrupted",
    "NumericError",
    "OutOfMemory",
    "S4FormerError",
    "UserError",
    "ValueMistake",
]
