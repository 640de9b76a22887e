"""``--memory``: what fits is the same experiment, what does not is refused with the figure that would."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
import yaml

from command_line import CommandLine
from s4former.config import UserError, in_units, to_bytes
from s4former.data import open_source
from s4former.engine import Run, budget, read_lines
from s4former.engine.folder import started_run
from s4former.engine.timing import rehearsal
from tiny_run import make_data, tiny_run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    changes = {
        "data.labeled_batch_size": 4,
        "data.unlabeled_batch_size": 4,
        "data.cache_images": 0,
        "data.crop_size": 64,
    }
    return tiny_run(make_data(tmp_path_factory.mktemp("data")), changes)


def test_live_bytes_are_those_of_tensors_that_are_not_freed() -> None:
    with budget.LiveBytes() as live:
        first = torch.zeros(1000)
        view = first.view(10, 100)
        second = view + 1
        del second
        third = torch.ones(500)
        first.add_(1)
    assert (live.now, live.most) == (6000, 8000)
    live.count_as(third, 500)
    assert live.now == 4500
    del first, view, third
    assert live.now == 0
    with pytest.raises(budget._TooMuch), budget.LiveBytes(3000):
        torch.zeros(1000)


def test_less_memory_is_met_by_parts_first_then_by_recomputing(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "_resident", lambda: 0)
    source = open_source(run.data)
    whole = budget.fit(run, source, 10**12)
    assert whole.overrides == ("accumulate=1", "model.recompute_activations=none", "data.cache_images=0")
    half = budget.fit(run, source, whole.peak * 0.95)
    assert half.run.accumulate > 1
    assert half.run.model.recompute_activations == "none"
    with pytest.raises(UserError, match="is too little") as refusal:
        budget.fit(run, source, 10**6)
    amount = re.search(r"type `--memory (\S+)`,", str(refusal.value))
    assert amount
    least = budget.fit(run, source, to_bytes(amount[1], "--memory"))
    assert (least.run.accumulate, least.run.model.recompute_activations) == (4, "all")
    shared = budget.fit(run, source, 10**12, processes=2)
    assert shared.run.data.labeled_batch_size == 2
    assert shared.peak < whole.peak
    with pytest.raises(UserError, match=r"labeled_batch_size=4 .* over 3 processes .* set it to 6"):
        budget.fit(run, source, 10**12, processes=3)


def test_processes_that_share_weights_take_their_share_of_them(run: Run) -> None:
    source = open_source(run.data)
    model = run.model.model_validate(
        {**run.model.model_dump(), "backbone": {**run.model.backbone.model_dump(), "depth": 8}}
    )
    sharded = run.model_copy(update={"model": model, "parallel": "fsdp"})
    with rehearsal(sharded, source, torch.device("cpu")) as (method, _, _):
        weights = sum(parameter.nbytes for parameter in method.parameters())
        learned = sum(parameter.nbytes for parameter in method.parameters() if parameter.requires_grad)
        unit = budget._largest_unit(method)
        assert 0 < unit < weights / 16  # two networks of eight blocks, and more
    whole, halves = (budget._measured(sharded, source, sharing) for sharing in (1, 2))
    shared = weights + 2 * learned  # two networks, and the moments of what is learned
    saved = whole - halves + budget._GATHERED * unit
    # Of the gradients, half of those that are there at the peak.
    assert shared / 2 * 0.99 < saved < (shared + learned) / 2 * 1.01


def test_what_no_device_holds_whole_is_said(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> float:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB\nmore")

    monkeypatch.setattr(budget, "_measured", full)
    with pytest.raises(UserError, match=r"whole network .* 9 GiB\).*type `accumulate=N`"):
        budget.fit(run, open_source(run.data), 10**9)


def test_a_batch_norm_never_sees_smaller_parts(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "_measured", lambda run, *_: 10**9 / run.accumulate)
    normed = run.model_copy(
        update={"model": run.model.model_validate({**run.model.model_dump(), "head": "setr_pup"})}
    )
    assert budget._has_batch_norms(normed)
    with pytest.raises(UserError, match="accumulate=1"):
        budget.fit(normed, open_source(run.data), 5 * 10**8)


def test_decoded_images_are_kept_in_what_is_left(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "_resident", lambda: 0)
    monkeypatch.setattr(budget, "_measured", lambda *_: 10**8)
    keeping = run.model_copy(update={"data": run.data.model_copy(update={"cache_images": 512})})
    source = open_source(run.data)
    few = budget.fit(keeping, source, 10**12)
    assert few.run.data.cache_images == 512
    assert few.peak < 1.2e8 + 2**20  # the set is small, whatever may be kept
    tight = budget.fit(keeping, source, 1.2e8 + 3 * 2**20)
    assert tight.run.data.cache_images == 3
    monkeypatch.setattr(budget, "_all_decoded", lambda *_: float("inf"))
    assert budget.fit(keeping, source, 10**12).peak == 1.2e8 + 512 * 2**20
    assert budget.fit(keeping, source, 1.2e8 + 3 * 2**20).peak <= 1.2e8 + 3 * 2**20


def test_amounts() -> None:
    assert [to_bytes(text, "x") for text in ("8GB", "0.5 gib", "512MB")] == [8 * 10**9, 2**29, 512 * 10**6]
    amounts = (3.14159e9, 2e6, 999.9e6, 2e12)
    assert list(map(in_units, amounts)) == ["3.14GB", "2MB", "1GB", "2TB"]
    for wrong in ("8", "GB", "-1GB", "0GB", "8 apples", "1e3GB", "nanGB"):
        with pytest.raises(UserError, match=f"--memory {re.escape(wrong)}: expected"):
            to_bytes(wrong, "--memory")


def test_the_command_says_what_it_picked_and_trains_the_same_experiment(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(run.model_dump(mode="json")))
    monkeypatch.setattr(budget, "_measured", lambda run, *_: 10**12 / run.accumulate)
    shell = CommandLine(monkeypatch, capsys, 300)
    train = ("train", "run.yaml", "steps=2", "evaluate_every=0", "log_every=1")
    assert shell(*train, "--out", "whole") == 0, shell.err
    assert shell(*train, "--out", "parts", "--memory", "1000GB") == 0, shell.err
    assert re.search(
        r"accumulate=2 model\.recompute_activations=none data\.cache_images=0: takes \d+GB of 1TB", shell.err
    )
    fitted = started_run(tmp_path / "parts", "run.yaml")
    assert fitted
    assert fitted.accumulate == 2
    losses = [
        [line["loss"] for line in read_lines(Path(name, "journal.jsonl"))] for name in ("whole", "parts")
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert shell(*train, "--out", "parts", "--memory", "1MB", "--resume") == 0, shell.err  # it stands
    assert shell(*train, "--out", "new", "--memory", "1MB") == 1
    assert not Path("new").exists()
