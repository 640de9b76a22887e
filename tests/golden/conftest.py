"""Where the golden data lies: numbers of the authors' released code, described in the folder's own README."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

_DEFAULT = (Path(__file__).resolve().parents[3] / "shared" / "golden").resolve()


@pytest.fixture(scope="session")
def golden() -> Callable[[str], Path]:
    """Return a function from the name of a golden file to its path.

    The folder is the one that ``S4FORMER_GOLDEN`` names, else ``shared/golden`` beside the repository. A
    missing file skips the test that asks for it; under ``CI=true`` it fails it if the folder is the default.
    """
    folder = Path(os.environ.get("S4FORMER_GOLDEN") or _DEFAULT)

    def find(name: str) -> Path:
        path = folder / name
        if path.is_file():
            return path
        reason = f"golden file {path} is missing"
        if os.environ.get("CI", "").lower() == "true" and folder.resolve() == _DEFAULT:
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)

    return find
