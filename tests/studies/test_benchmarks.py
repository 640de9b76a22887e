"""The benchmarks that call `s4former compare`: what they would train, as they are typed."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest
import yaml
from study import make_split_data

from s4former.studies import SPLITS

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def typed(
    script: str, data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *more: str
) -> list[str]:
    """Return what a benchmark says that it would train."""
    out = ["--out", str(data / "out"), "--runs", str(data / "runs"), "--dry-run"]
    argv = [script, "--data", str(data), "--weights", "none.safetensors", *out, *more]
    monkeypatch.setattr(sys, "argv", argv)
    monkeypatch.syspath_prepend(BENCHMARKS)
    runpy.run_path(str(BENCHMARKS / script), run_name="__main__")
    return capsys.readouterr().out.splitlines()


def test_msrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    data = make_split_data(tmp_path / "data")
    more = [
        "--methods",
        "supervised,s4former",
        "--labels",
        "2,4",
        "--draw",
        "1",
        "--seeds",
        "0",
        "--steps",
        "20",
    ]
    assert typed("msrc.py", data, monkeypatch, capsys, *more) == [
        f"{labels}_draw1_seed0/{run}: 10 steps to take"
        for labels in (2, 4)
        for run in ("first", "supervised", "s4former")
    ]


@pytest.mark.parametrize(
    ("script", "rows"),
    [
        ("msrc.py", "msrc_parts"),
        ("msrc.py", "tuning"),
        ("msrc.py", "supervised_tuning"),
        ("camvid.py", "parts"),
        ("camvid.py", "camvid_causes"),
    ],
)
def test_files_of_rows(
    script: str,
    rows: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = make_split_data(tmp_path / "data")
    labels = "2" if script == "msrc.py" else SPLITS.format(labels=2, draw=0).removeprefix("splits/")
    more = ["--rows", str(BENCHMARKS / f"rows/{rows}.yaml"), "--labels", labels, "--seeds", "0"]
    lines = typed(script, data, monkeypatch, capsys, *more)
    count = len(yaml.safe_load((BENCHMARKS / f"rows/{rows}.yaml").read_text()))
    assert len(lines) >= count >= 5
    assert any("supervised" in line for line in lines)
