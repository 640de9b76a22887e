"""What a run is, as data: config classes, overrides from a command line, the record of a run. No torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s4former.config.fronts import lazily

if TYPE_CHECKING:
    from s4former.config.amounts import in_units, to_bytes
    from s4former.config.base import Config
    from s4former.config.errors import (
        DataError,
        Interrupted,
        NumericError,
        OutOfMemory,
        S4FormerError,
        StorageError,
        UserError,
        ValueMistake,
    )
    from s4former.config.invocation import again, as_typed, invoked, program, typed
    from s4former.config.listed import Listed
    from s4former.config.outputs import Ledgers, claim
    from s4former.config.override import changed_fields, parse_override
    from s4former.config.record import read_json, read_lines, versions, write_atomically, write_json
    from s4former.config.trust import named_by
    from s4former.config.validation import Variants, nearest, validated
    from s4former.config.yaml_text import config_file, parse_yaml
else:
    __getattr__ = lazily(__name__, __file__)

# fmt: off
__all__ = [
    "Config", "DataError", "Interrupted", "Ledgers", "Listed", "NumericError", "OutOfMemory",
    "S4FormerError", "StorageError", "UserError", "ValueMistake", "Variants", "again", "as_typed",
    "changed_fields", "claim", "config_file", "in_units", "invoked", "named_by", "nearest",
    "parse_override", "parse_yaml", "program", "read_json", "read_lines", "to_bytes", "typed", "validated",
    "versions", "write_atomically", "write_json",
]
# fmt: on
