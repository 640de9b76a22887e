"""How long a run will take: what is timed, and when it is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from s4former.curation import Check, check_source
from s4former.data import open_source
from s4former.engine import Run, in_words, pace, timing
from s4former.engine.pace import Forecast, Pace, PaceMemory, evaluations
from s4former.engine.timing import measure_pace
from tiny_run import make_data, tiny_run


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return make_data(tmp_path / "data")


def test_a_run_takes_its_early_steps_its_late_ones_and_its_scores(data: Path) -> None:
    run = tiny_run(data, {"method.unlabeled_start_step": 2, "evaluate_every": 4})  # scored after 4 and 6
    source = open_source(run.data)
    assert evaluations(run) == 2
    assert Pace(step=10.0, early_step=1.0, image=0.1).total(run, source) == pytest.approx(
        2 + 40 + 0.1 * 2 * 2
    )
    never = run.model_copy(update={"evaluate_every": 0})
    assert evaluations(never) == 1


def test_timing_leaves_nothing_behind(data: Path) -> None:
    run = tiny_run(data, {"method.unlabeled_start_step": 2}).resolved()
    before, files = torch.get_rng_state(), sorted(data.rglob("*"))
    heard: list[tuple[str, int, int | None]] = []
    found = measure_pace(run, open_source(run.data), lambda *what: heard.append(what))
    assert min(found.step, found.early_step, found.image) > 0
    assert torch.equal(torch.get_rng_state(), before)
    assert sorted(data.rglob("*")) == files
    assert len({what for what, _, _ in heard}) == 3


def test_without_val_images_no_score_is_timed(data: Path) -> None:
    run = tiny_run(data, {"data.val_images": None}).resolved()
    found = measure_pace(run, open_source(run.data))
    assert found.step > 0
    assert found.image == 0


def test_a_pace_is_measured_once_for_a_run(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, store = tiny_run(data, {"threads": 1}), tmp_path / "pace.json"
    source = open_source(run.data)
    checked = check_source(source, run.data)
    paces = iter([Pace(number, number, number) for number in (1.0, 2.0, 3.0, 4.0, 5.0)])
    monkeypatch.setattr(timing, "measure_pace", lambda *_: next(paces))

    def step(run: Run, checked: Check = checked) -> float:
        return PaceMemory.of(run, source, checked, store).measured(run, source).step

    assert [step(run) for _ in range(2)] == [1.0, 1.0]
    assert step(run.model_copy(update={"threads": 2})) == 2.0
    store.write_text("{")
    assert step(run) == 3.0
    val = replace(checked.splits["val"], sizes=((9999, 9999),))  # the same bytes may be another image
    assert step(run, replace(checked, splits={**checked.splits, "val": val})) == 4.0
    monkeypatch.setattr(pace, "versions", lambda: {"torch": "another one"})
    assert step(run, checked) == 5.0


def test_what_may_change_unseen_is_measured_anew(data: Path, tmp_path: Path) -> None:
    """Files of weights and methods of the user's own decide, too, whether a run can be built."""
    run, store = tiny_run(data), tmp_path / "pace.json"
    source = open_source(run.data)
    checked = check_source(source, run.data)
    own = run.method.model_copy(update={"name": "my_project.my_method"})
    weights = run.model.model_copy(update={"pretrained": "weights.safetensors"})
    for changes in ({"method": own}, {"model": weights}, {"load_from": "runs/first"}):
        assert PaceMemory.of(run.model_copy(update=changes), source, checked, store).key is None
    assert PaceMemory.of(run, source, checked, store).key


def test_own_steps_tell_each_phase_once_and_leave_out_pauses(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tiny_run(data, {"method.unlabeled_start_step": 100, "steps": 1000, "evaluate_every": 500})
    now = 0.0
    monkeypatch.setattr(pace.time, "perf_counter", lambda: now)
    told: dict[int, str] = {}
    step = 0
    forecast = Forecast(run, images=7, say=lambda text: told.update({step: text}))
    for step in range(1, 200):
        now += 2.0 if step <= 100 else 5.0
        if step in (1, 101):
            now += 100  # of the first step, which sets things up
        forecast.on_step(step)
        if step == 2:
            forecast.on_save(step)
        if step == 103:
            forecast.on_score([])
        if step in (2, 103):
            now += 1000  # of scoring
    assert list(told) == [6, 107]
    assert told[6].startswith("2 s a step: steps 7 to 100 take about 3 minutes")
    assert told[107].startswith("5 s a step: steps 108 to 1000 take about 74 minutes; scoring 2 x 7 images")
    short = Forecast(tiny_run(data), 7, lambda text: pytest.fail("a minute is not worth a line"))
    for step in range(1, 7):
        short.on_step(step)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "a second"),
        (41.6, "42 seconds"),
        (700, "12 minutes"),
        (9000, "2.5 hours"),
        (260_000, "3.0 days"),
    ],
)
def test_durations_are_said_as_people_do(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
