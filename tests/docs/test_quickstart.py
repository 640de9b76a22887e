"""``examples/quickstart.ipynb`` runs from its first cell to its last."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import nbclient
import nbformat
import pytest
from pages import ROOT

pytestmark = pytest.mark.slow

NOTEBOOK = ROOT / "examples/quickstart.ipynb"


@pytest.mark.timeout(900)
def test_the_quickstart_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    where = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3", resources=where).execute()
    pictures = [output for cell in notebook.cells for output in cell.get("outputs", ()) if "data" in output]
    assert sum("image/png" in picture["data"] for picture in pictures) >= 2
    assert (tmp_path / "cells/README.md").exists()


def test_what_it_shows_is_small_and_tells_no_path() -> None:
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert len(text) < 150_000
    assert "/home/" not in text
    assert "/tmp/" not in text
