"""`s4former compare` as it is typed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from s4former.cli.main import main
from s4former.studies import references
from s4former.studies.rows import parse_rows


def typed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *options: str
) -> tuple[int, list[str], str]:
    """Return the exit code, the lines that are printed, and what is said of errors."""
    command = ["s4former", "compare", "demo", "--methods", "supervised,s4former", "--seeds", "0,1"]
    monkeypatch.setattr(sys, "argv", [*command, *options])
    try:
        main()
        code = 0
    except SystemExit as end:
        code = int(str(end.code or 0))
    said = capsys.readouterr()
    return code, said.out.splitlines(), " ".join(said.err.split())


def test_what_would_be_trained(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path
) -> None:
    options = ["--first-steps", "200", "--out", str(tmp_path / "out"), "--dry-run"]
    code, lines, _ = typed(monkeypatch, capsys, *options)
    assert code == 0
    steps = {"first": 200, "supervised": 600, "s4former": 600}
    assert lines == [
        f"own_seed{n}/{run}: {count} steps to take" for n in (0, 1) for run, count in steps.items()
    ]
    assert not (tmp_path / "out").exists()


def test_a_list_of_jobs_has_a_command_for_each_cell(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, lines, _ = typed(monkeypatch, capsys, "--jobs", "list")
    assert code == 0
    own = "s4former compare demo --methods supervised,s4former --seeds 0,1 --jobs"
    assert lines == [f"{own} 0/2", f"{own} 1/2"]


def test_rows_may_be_called_with_commas_and_signs(tmp_path: Path) -> None:
    (tmp_path / "rows.yaml").write_text("cutmix=0: [method=mean_teacher]\n")
    rows = parse_rows("supervised,s4former:ema_decay=0.9,ncr=false", tmp_path / "rows.yaml")
    assert references("supervised,cutmix=0", rows) == ["supervised", "cutmix=0"]
    wide = "s4former:ema_decay=0.9,ncr=false"
    assert references(f"{wide}, supervised", rows) == [wide, "supervised"]
    assert references(" ", rows) == ["supervised"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--jobs", "2/2"], "--jobs 2/2: expected k/n with k from 0 to n - 1"),
        (["--against", "superviced"], "no such row; did you mean supervised?"),
        (["--folds", "2", "--dry-run"], "made-up scenes have no lists"),
        (["--folds", "2", "--reference", "all"], "leave one of the two out"),
        (["--folds", "2", "--labels", "4,8"], "give one count"),
        (["--methods", "supervised,s4former:seed=7"], "changes seed, which all rows of a comparison share"),
        (["--methods", "supervised:steps=9,s4former"], "type steps=9 for all of them"),
        (["--methods", "s4former:data.labeled_split=more.txt"], "compare twice"),
        (["--methods", "s4former:data={labeled_split: more.txt}"], "changes data, which all rows"),
    ],
)
def test_mistakes(
    options: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, _, said = typed(monkeypatch, capsys, *options)
    assert code == 1
    assert message in said
