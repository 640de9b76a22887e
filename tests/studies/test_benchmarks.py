"""The benchmarks that call `s4former compare`: what they would train, as they are typed."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest
import yaml
from study import make_split_data

from s4former.config import UserError
from s4former.engine import read_lines, train
from s4former.studies import SPLITS
from tiny_run import make_data, tiny_run

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
    monkeypatch.syspath_prepend(BENCHMARKS.parent)
    more = ["--rows", str(BENCHMARKS / f"rows/{rows}.yaml"), "--labels", labels, "--seeds", "0"]
    lines = typed(script, data, monkeypatch, capsys, *more)
    count = len(yaml.safe_load((BENCHMARKS / f"rows/{rows}.yaml").read_text()))
    assert len(lines) >= count >= 4
    assert any("supervised" in line for line in lines)


def test_true_labels_are_learned_in_place_of_the_teachers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS.parent)
    data = make_data(tmp_path / "data")
    ends = {}
    for name, changes in (
        ("teacher", {"method": "mean_teacher"}),
        ("kept", {"method": "benchmarks.true_labels"}),
        ("all", {"method": "benchmarks.true_labels", "method.given": "all"}),
    ):
        seen = {"diagnose_every": 1, "diagnose_truth": "masks/train", "log_every": 1}
        same = {"method.confidence_threshold": 0.345, "method.cutmix_probability": 0}
        train(tiny_run(data, changes | same | seen), tmp_path / name)
        first, *_ = read_lines(tmp_path / name / "journal.jsonl")
        ends[name] = first["pseudo/precision"], first["pseudo/confident"]
    assert ends["teacher"][0] < ends["kept"][0] == ends["all"][0] == 1
    assert 0 < ends["kept"][1] <= ends["teacher"][1] < ends["all"][1]
    with pytest.raises(UserError, match="diagnose_truth"):
        train(tiny_run(data, {"method": "benchmarks.true_labels"}), tmp_path / "without")
