"""The page of runs: all that their folders tell, errors looked at again, hostile names escaped."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_page import Page
from two_runs import NAMES

from command_line import CommandLine
from s4former.config import UserError, read_lines
from s4former.report import make_report
from s4former.report.charts import _ticks
from s4former.report.gallery import pseudo_labels
from s4former.report.measuring import measure
from s4former.report.records import read_runs
from s4former.report.summary import confusion

pytestmark = pytest.mark.slow

Runs = tuple[Path, Path]


@pytest.fixture(scope="module")
def both(runs: Runs) -> str:
    return make_report(runs)


def test_page_tells_all_and_needs_nothing(both: str, runs: Runs) -> None:
    page = Page(both)
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "link", "iframe", "b>"})
    sources = [str(image["src"]) for image in page.all("img")]
    assert len(sources) > 30
    assert all(source.startswith(("data:image/png;base64,", "data:image/jpeg;base64,")) for source in sources)
    assert all(image["alt"] for image in page.all("img"))
    assert "url(" not in both
    for words in (
        *NAMES,
        "supervised (baseline)",
        "semi <b>",
        "teacher (deployed)",
        "2 labeled, 3 unlabeled, 7 val",
        "whole images, own size, scale 1, no flip",
        "Against supervised",
        "95 % interval",
        "mean IoU of the deployed network, %",
        "confident pseudo-labels, share of pixels",
        "images/s",
        "Worst",
        "Best",
        "taken for",
        "images/<img src=x onerror=alert(2)>",
        "labels that were kept",
        "step 6",
        "None was raised.",
        "method.confidence_threshold",
        "fingerprint",
        "cd ",
    ):
        assert words in page.words, words


def test_a_quick_page_says_what_it_lacks_and_knows_the_confusions(runs: Runs) -> None:
    page = Page(make_report([runs[1]], predict=False))
    assert "to be quick" in page.words
    assert "percent of the row" in page.words
    (run,) = read_runs([runs[1]])
    matrix = np.array(run.confusion["matrix"])
    assert run.last is not None
    right = matrix.diagonal()
    iou = right / (matrix.sum(0) + matrix.sum(1) - right)
    assert iou == pytest.approx([run.last["iou"][name] for name in NAMES])
    assert run.confusion["network"] == "teacher"
    told = confusion(run, None)
    assert told is not None
    label, taken, share, of_all = told["pairs"][0]
    i, j = NAMES.index(label), NAMES.index(taken)
    assert matrix[i, j] == (matrix - np.diag(right)).max()
    assert (share, of_all) == pytest.approx((matrix[i, j] / matrix[i].sum(), matrix[i, j] / matrix.sum()))


def test_what_is_measured_is_what_the_run_measured(runs: Runs) -> None:
    (run,) = read_runs([runs[1]])
    told: list[tuple[int, int]] = []
    measured = measure(run, lambda done, total: told.append((done, total)))
    assert told == [(number, 7) for number in range(1, 8)]
    assert run.last is not None
    assert measured.evaluation.record()["iou"] == pytest.approx(run.last["iou"], abs=2e-3)
    mask = measured.source.read_mask(measured.ids[0], "val")
    predicted = measured.model.predict(measured.source.read_image(measured.ids[0], "val")).mask
    known = mask != 255
    iou = [
        ((mask == k) & (predicted == k)).sum() / (((mask == k) | (predicted == k)) & known).sum()
        for k in np.unique(mask[known])
    ]
    assert measured.image_scores()[0] == pytest.approx(np.mean(iou))


def test_pseudo_labels_by_image_and_step(runs: Runs) -> None:
    ((image, steps),) = pseudo_labels(runs[1]).items()
    assert image == "images/<img src=x onerror=alert(2)>"
    assert [len(pictures) for pictures in steps.values()] == [4, 5]  # a broken file is left out
    assert pseudo_labels(runs[0]) == {}


def test_a_report_without_data_model_or_scores_says_so(runs: Runs, tmp_path: Path) -> None:
    folder = tmp_path / "alone"
    shutil.copytree(runs[1], folder)
    record = json.loads((folder / "run.json").read_text())
    record["run"]["data"]["root"] = "/nowhere"
    (folder / "run.json").write_text(json.dumps(record))
    assert "nowhere" in Page(make_report([folder])).words
    for name in ("scores.jsonl", "result.json", "confusion.json", "journal.jsonl"):
        (folder / name).unlink()
    shutil.rmtree(folder / "model")
    page = Page(make_report([folder, runs[0]]))
    assert "0 of 6: not finished" in page.words
    assert "not scored" in page.words


@pytest.mark.parametrize(
    "change",
    [
        {"protocol": {"scales": ["large"]}},
        {"protocol": {"mode": "slide", "crop_size": [32]}},
        {"interval": {"low": {"miou": "?"}, "high": {"miou": 1}}},
        {"counted_absent": 3},
    ],
)
def test_a_damaged_score_is_told_in_words(runs: Runs, tmp_path: Path, change: dict[str, Any]) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(runs[1], folder)
    lines = read_lines(folder / "scores.jsonl")
    for name, value in change.items():
        lines[-1][name] = lines[-1][name] | value if name == "protocol" else value
    (folder / "scores.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(UserError, match=rf"damaged or of another program \({next(iter(change))}"):
        make_report([folder])


def test_what_is_no_run_is_told_with_what_to_type(runs: Runs, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no .*expected a run folder"):
        make_report([tmp_path / "nowhere"])
    with pytest.raises(UserError, match=r"lies in a run folder; type `s4former report .*supervised`"):
        make_report([runs[0] / "model"])
    with pytest.raises(UserError, match=r"holds some.*supervised"):
        make_report([runs[0].parent])
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(UserError, match="damaged"):
        make_report([tmp_path])


def test_the_command_writes_where_it_may(
    runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shell = CommandLine(monkeypatch, capsys)
    monkeypatch.chdir(tmp_path)
    assert shell("report", runs[0], "--quick") == 0
    assert "report.html" in shell.out
    assert shell("report", runs[0], "--quick") == 0, "a page of ours is replaced"
    (tmp_path / "report.html").write_text("mine")
    assert shell("report", runs[0], runs[1], "--quick") == 1
    assert "no page that s4former wrote" in " ".join(shell.err.split())
    assert (tmp_path / "report.html").read_text() == "mine"
    assert shell("report", runs[1], "--baseline", runs[0], "--quick", "--out", "new/page.html") == 0
    assert "Against supervised" in Page((tmp_path / "new/page.html").read_text()).words


@pytest.mark.parametrize(
    ("low", "high"), [(0, 400), (0.1, 0.1), (-3, 7.2), (1e-6, 3e-5), (99.2, 99.9), (0, 0)]
)
def test_ticks_are_round_and_around_the_values(low: float, high: float) -> None:
    ticks = _ticks(low, high, 4)
    assert 2 <= len(ticks) <= 7
    assert ticks[0] <= low
    assert ticks[-1] >= high
    assert all(len(f"{tick:g}") < 8 for tick in ticks)
