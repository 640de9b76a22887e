"""Where the golden data lies: numbers of the authors' released code, described in ``data/README.md``."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

_DEFAULT = Path(__file__).parent / "data"


@pytest.fixture(scope="session")
def golden() -> Callable[[str], Path]:
    """Return a function from the name of a golden file to its path.

    The folder is ``data`` beside this file, or another one of the same layout that ``S4FORMER_GOLDEN`` names;
    of such a one a missing file skips the test that asks for it.
    """
    folder = Path(os.environ.get("S4FORMER_GOLDEN") or _DEFAULT)

    def find(name: str) -> Path:
        path = folder / name
        if not path.is_file() and folder != _DEFAULT:
            pytest.skip(f"golden file {path} is missing")
        return path

    return find
