"""Naming what a person may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str], fallback: Iterable[str] | None = None) -> str:
    """Return a hint naming the closest known words, or all of ``fallback`` (by default ``known``) if none is.

    Both the whole word and its last dotted part are compared, so ``crop`` finds ``data.crop_size``.
    """
    names = sorted(set(known))
    by_tail: dict[str, list[str]] = {}
    for name in names:
        by_tail.setdefault(name.rpartition(".")[2], []).append(name)
    tail = word.rpartition(".")[2]
    close = difflib.get_close_matches(word, names, n=2, cutoff=0.75)
    close += [
        name for match in difflib.get_close_matches(tail, by_tail, n=2, cutoff=0.6) for name in by_tail[match]
    ]
    close += [name for name in names if tail and name.rpartition(".")[2].startswith(tail)]
    if close:
        return f"did you mean {' or '.join(dict.fromkeys(close[:3]))}?"
    rest = names if fallback is None else sorted(fallback)
    return f"there are {', '.join(rest)}" if rest else "there is nothing to choose from"
