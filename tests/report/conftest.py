"""Runs that all tests of reports look at."""

from __future__ import annotations

from pathlib import Path

import pytest
from two_runs import two_runs


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A supervised run and a semi-supervised one."""
    return two_runs(tmp_path_factory.mktemp("reports"))
