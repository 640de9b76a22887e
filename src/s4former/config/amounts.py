"""Amounts of memory as people write them."""

from __future__ import annotations

import re

from s4former.config.errors import UserError

_UNITS = {"MB": 10**6, "MIB": 2**20, "GB": 10**9, "GIB": 2**30, "TB": 10**12, "TIB": 2**40}


def to_bytes(text: str, option: str) -> int:
    """Return how many bytes a text such as ``8GB`` or ``512 MiB`` means.

    Args:
        text: The amount.
        option: What it was given for, for messages.

    Raises:
        UserError: If it is no amount above zero.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]i?b)\s*", text, re.IGNORECASE)
    count = round(float(found[1]) * _UNITS.get(found[2].upper(), 0)) if found else 0
    if not count:
        raise UserError(f"{option} {text}: expected an amount such as 8GB or 512MB")
    return count


def in_units(count: float) -> str:
    """Return a number of bytes in words, as ``to_bytes`` reads them."""
    for unit, size in (("TB", 1e12), ("GB", 1e9)):
        if count >= 0.9995 * size:  # what rounds to 1 of it
            return f"{count / size:.3g}{unit}"
    return f"{count / 1e6:.3g}MB"
