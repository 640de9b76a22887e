"""Finds files by what a list calls them."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable

from s4former.data.split_lists import strip_suffix


def plain(path: str) -> str:
    """Return a path without case and without what looks like an ending within it, as in ``0.jpg.png``."""
    while (stem := strip_suffix(path)) != path:
        path = stem
    return path.casefold()


class Finder:
    """Finds ids by their names; lists may leave out leading folders, or start further up.

    Args:
        names: Pairs of a name and an id; an id may have several names. Both in `normal` form without ending.
    """

    def __init__(self, names: Iterable[tuple[str, str]]) -> None:
        self._by_last: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for name, id in names:
            self._by_last[plain(os.path.basename(name))].append((name, id))

    def find(self, name: str) -> list[str]:
        """Return the ids that a name means: one, several if it is not clear, none if it is unknown.

        A whole name comes before the end of one, and one that fits to the letter before one that differs in
        case.
        """
        near = self._by_last.get(plain(os.path.basename(name)), [])
        for same in (str, plain):
            known = [(same(own), id) for own, id in near]
            end = same(name)
            while known and end:
                whole = [id for own, id in known if own == end]
                meant = whole or [id for own, id in known if own.endswith(f"/{end}")]
                if meant:
                    return list(dict.fromkeys(meant))
                end = end.partition("/")[2]
        return []
