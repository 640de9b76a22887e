"""Comparisons of tiny runs: what rows share, what is trained once, and what goes on where it stopped."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from study import tiny_study

from s4former.config import Interrupted, NumericError, UserError
from s4former.config.override import override
from s4former.engine import Run, read_lines, train
from s4former.engine.callbacks import Callback
from s4former.methods import method_names
from s4former.studies import Study, compare
from s4former.studies.plan import plan
from s4former.studies.work import claimed, work

pytestmark = pytest.mark.slow


def run_study(study: Study, root: Path, **options: Any) -> dict[str, Any]:
    console = Console(quiet=True)
    found = compare(study, root / "out/results.json", ["supervised"], "tiny", console=console, **options)
    assert found is not None
    return found


class Count(Callback):
    """Counts the steps of all runs, and may stop one."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.steps, self.stop_at = 0, stop_at

    def on_step(self, step: int) -> None:
        self.steps += 1
        if self.steps == self.stop_at:
            raise Interrupted("stopped by the test")


def test_a_first_part_is_trained_once_and_rows_see_the_same(tmp_path: Path) -> None:
    study, count = tiny_study(tmp_path, "supervised,mean_teacher_cutmix,s4former"), Count()
    found = run_study(study, tmp_path, progress=lambda: count)
    assert count.steps == 3 + 3 * 3
    assert {record["first"] for record in found["runs"] if record["row"]} == {"2_draw0_seed0/first"}
    # Same model, same labeled crops: until a weight moves, the labeled loss is the same.
    first_losses = {
        read_lines(study.runs / record["folder"] / "journal.jsonl")[0]["loss/supervised"]
        for record in found["runs"]
        if record["row"] in ("mean_teacher_cutmix", "s4former", "supervised")
    }
    assert len(first_losses) == 3  # lines are means of two steps, and the second step differs
    shared = replace(study, second=["log_every=1"], runs=tmp_path / "other/runs")
    run_study(shared, tmp_path)
    lines = [read_lines(shared.runs / each.place / "journal.jsonl")[0] for each in plan(shared) if each.row]
    assert len({line["loss/supervised"] for line in lines}) == 1


def test_a_baseline_with_weights_by_rarity_is_pointed_out(tmp_path: Path) -> None:
    rows = "supervised:class_balance=0.5,supervised,s4former:class_balance=0.5"
    notes = "\n".join(run_study(tiny_study(tmp_path, rows), tmp_path)["notes"])
    assert "supervised:class_balance=0.5 weighs classes by rarity" in notes
    assert notes.count("weighs classes") == 1
    assert "s4former:class_balance=0.5 weighs" not in notes


def test_nothing_is_trained_twice_and_a_stopped_run_goes_on(tmp_path: Path) -> None:
    study = tiny_study(tmp_path)
    with pytest.raises(Interrupted):
        run_study(study, tmp_path, progress=lambda: Count(stop_at=3))
    count = Count()
    found = run_study(study, tmp_path, progress=lambda: count)
    assert count.steps == 1 + 3 + 3  # the first part had a state after its second step
    again = Count()
    assert run_study(study, tmp_path, progress=lambda: again)["lines"] == found["lines"]
    assert again.steps == 0
    assert json.loads((tmp_path / "out/results.json").read_text())["finished"] == 3


def test_a_row_of_another_network_has_a_first_part_of_its_own(tmp_path: Path) -> None:
    study = tiny_study(tmp_path, "supervised,s4former,s4former:model.frozen_blocks=1,method.pasa=false")
    places = [each.place for each in plan(study)]
    assert places == [
        "2_draw0_seed0/first",
        "2_draw0_seed0/supervised",
        "2_draw0_seed0/s4former",
        "2_draw0_seed0/first_model.frozen_blocks=1",
        "2_draw0_seed0/s4former_model.frozen_blocks=1_method.pasa=false",
    ]


def test_the_ceiling_has_all_labels(tmp_path: Path) -> None:
    study = tiny_study(tmp_path, labels="2,4", draws="0,1", ceiling=True)
    found = run_study(study, tmp_path)
    rows = {(line["group"], line["row"], line["labeled"]) for line in found["lines"] if line["deployed"]}
    assert ("all", "supervised", 8) in rows
    assert ("all", "s4former", 8) not in rows
    assert found["planned"] == found["finished"] == 4 * 3 + 2
    assert (tmp_path / "out/results.png").is_file()


def test_processes_share_the_cells(tmp_path: Path) -> None:
    study = tiny_study(tmp_path, labels="2,4")
    halves = [{each.place for each in plan(study, (number, 2))} for number in (0, 1)]
    assert halves[0] | halves[1] == {each.place for each in plan(study)}
    assert not halves[0] & halves[1]
    assert run_study(study, tmp_path, part=(0, 2))["finished"] == 3
    assert run_study(study, tmp_path, part=(1, 2))["finished"] == 6


def test_differences_are_paired_by_cell(tmp_path: Path) -> None:
    found = run_study(tiny_study(tmp_path, seeds="0,1"), tmp_path)
    scores = {
        (record["row"], record["cell"]["seed"]): record["networks"][record["deployed"]]["last"]
        for record in found["runs"]
    }
    differences = [scores["s4former", seed] - scores["supervised", seed] for seed in (0, 1)]
    line = next(line for line in found["lines"] if line["row"] == "s4former" and line["deployed"])
    minus = line["minus"]["supervised"]
    half_width = 12.7062 * abs(differences[0] - differences[1]) / 2  # t of one degree; sd / sqrt(2) of two
    mean = sum(differences) / 2
    assert minus["mean"] == pytest.approx(mean, abs=1e-3)
    assert minus["interval"] == pytest.approx([mean - half_width, mean + half_width], abs=2e-2)
    assert minus["cells"] == 2


def test_another_study_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    run_study(tiny_study(tmp_path), tmp_path)
    with pytest.raises(UserError, match=r"other settings: optimizer.lr was 0.001, now 0.1"):
        run_study(tiny_study(tmp_path, second=["optimizer.lr=0.1"]), tmp_path)
    with pytest.raises(UserError, match=r"first holds a run with other settings: steps was 3, now 2"):
        run_study(tiny_study(tmp_path, first_steps=2), tmp_path, train=False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"methods": "supervised,s4formr"}, "no method 's4formr'; did you mean s4former"),
        (
            {"labels": "3"},
            "no list .*3_draw0/labeled.txt; there are splits/2_draw0, splits/2_draw1",
        ),
        ({"seeds": "one"}, "--seeds one: expected whole numbers"),
        ({"methods": "supervised,supervised"}, "two rows are called 'supervised'"),
        (
            {"methods": "s4former:pasa_wait=1"},
            "unknown field method.pasa_wait; did you mean method.pasa_weight",
        ),
        ({"first_steps": 6}, "--first-steps 6 has to be below steps=6"),
    ],
)
def test_mistakes_are_told_before_anything_is_trained(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        run_study(tiny_study(tmp_path, **options), tmp_path)
    assert not (tmp_path / "out/runs").exists()


def test_folds_score_each_labeled_image_once(tmp_path: Path) -> None:
    study = tiny_study(tmp_path, labels="4", folds=2)
    found = run_study(study, tmp_path)
    held_out = []
    for fold in (0, 1):
        splits = study.runs / f"4_draw0_fold{fold}_seed0/s4former/splits"
        labeled, val = ((splits / f"{name}.txt").read_text().split() for name in ("labeled", "val"))
        assert sorted(Path(id).name for id in labeled + val) == ["train0", "train1", "train2", "train3"]
        held_out += val
    assert len(held_out) == len(set(held_out)) == 4
    line = next(line for line in found["lines"] if line["row"] == "s4former" and line["deployed"])
    assert line["minus"]["supervised"]["cells"] == 2


def test_every_method_sees_the_strong_view_of_the_base_as_often_as_it_takes_one(tmp_path: Path) -> None:
    study = tiny_study(tmp_path, ",".join(method_names()), second=[])
    jitter = replace(study, base=lambda cell: override(study.base(cell), ["method.views.strong=[jitter]"])[0])
    for each in plan(jitter):
        usual = type(each.run.method).model_fields["views"].get_default(call_default_factory=True)
        if each.row and usual.unlabeled:
            assert [view.name for view in each.run.method.views.strong] == ["jitter"] * len(usual.strong)


def test_a_claimed_run_is_left_to_its_process(tmp_path: Path) -> None:
    study = tiny_study(tmp_path)
    planned = plan(study)
    said: list[str] = []
    with claimed(study.runs / "claims/2_draw0_seed0_s4former.lock") as mine:
        assert mine
        left = work(planned, study.runs, said.append)
    assert [each.place for each in left] == ["2_draw0_seed0/s4former"]
    assert not (study.runs / "2_draw0_seed0/s4former").exists()
    assert work(planned, study.runs, said.append) == []
    assert [text for text in said if "finished" in text] == [
        "2_draw0_seed0/first: 0 of 3 runs are finished",
        "2_draw0_seed0/supervised: 1 of 3 runs are finished",
        "2_draw0_seed0/s4former: 2 of 3 runs are finished",
    ]


def test_a_row_that_stops_being_finite_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(run: Run, *arguments: Any, **options: Any) -> object:
        if run.method.name == "mean_teacher":
            raise NumericError("step 1: loss is nan")
        return train(run, *arguments, **options)

    monkeypatch.setattr("s4former.studies.work.train", broken)
    found = run_study(tiny_study(tmp_path, "supervised,mean_teacher,s4former"), tmp_path)
    assert {record["row"] for record in found["runs"]} == {None, "supervised", "s4former"}
    assert any("1 of 4 runs are not finished" in note for note in found["notes"])
