"""What is logged of pseudo-labels: right counts, for every method, and nothing learned depends on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from s4former.config import DataError, UserError
from s4former.data import TrainBatches, open_source
from s4former.data.hidden_masks import HiddenMasks
from s4former.engine import Checkpoints, read_lines, train
from s4former.engine.diagnosis import Diagnoses
from s4former.engine.meter import Meter
from s4former.engine.step import accumulate
from s4former.methods import config_class, method_names
from s4former.methods.parts import Diagnosis, shares
from s4former.testing import awake, random_batch
from s4former.testing.subjects import tiny_student_without_batch_norm
from s4former.types import IGNORE, PseudoLabels
from tiny_run import NAMES, make_data, tiny_run

pytestmark = pytest.mark.slow

TAUGHT = [name for name in method_names() if "confidence_threshold" in config_class(name).model_fields]
OFTEN = {"diagnose_every": 1}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_data(tmp_path_factory.mktemp("data"))


def test_counts_become_shares() -> None:
    x = IGNORE
    pseudo = PseudoLabels(
        logits=torch.zeros(1, 2, 1, 5),
        labels=torch.tensor([[[0, 0, 1, 1, 1]]]),
        confidence=torch.ones(1, 1, 5),
        valid=torch.tensor([[[True, True, True, True, False]]]),
    )
    kept = torch.tensor([[[0, x, 1, 1, x]]])
    found = Diagnosis(2, torch.device("cpu"), truth=torch.tensor([[[0, 0, 1, 0, 1]]], dtype=torch.uint8))
    found.labeled(torch.tensor([[[0, 0, 0, 1, x]]], dtype=torch.uint8))
    found.pseudo_labels(pseudo, kept)
    logits = torch.tensor([[2.0, 2.0, 0.0, 2.0, 2.0], [0.0, 0.0, 2.0, 0.0, 0.0]])[None, :, None]
    found.student(logits, kept)
    entropy = torch.nn.functional.cross_entropy(logits, kept.long(), ignore_index=x).item()
    assert shares(found.counts.tolist(), ("sky", "sea")) == pytest.approx(
        {
            "labels/share/sky": 3 / 4,
            "labels/share/sea": 1 / 4,
            "pseudo/share/sky": 1 / 3,
            "pseudo/share/sea": 2 / 3,
            "pseudo/confident/sky": 1 / 2,
            "pseudo/confident/sea": 1,
            "pseudo/precision": 2 / 3,
            "pseudo/precision/sky": 1,
            "pseudo/precision/sea": 1 / 2,
            "pseudo/contradicted": 1 / 3,
            "pseudo/contradicted/sky": 0,
            "pseudo/contradicted/sea": 1 / 2,
            "pseudo/agreement": 2 / 3,
            "pseudo/information": entropy,
        }
    )


def test_what_was_never_seen_is_left_out() -> None:
    assert shares(Diagnosis(2, torch.device("cpu")).counts.tolist(), ("a", "b")) == {}


@pytest.mark.parametrize("method", TAUGHT)
def test_every_method_is_diagnosed(method: str, data: Path, tmp_path: Path) -> None:
    changes = {"method.name": method, "method.confidence_threshold": 0.0, **OFTEN}
    train(tiny_run(data, changes), tmp_path / "run")
    for line in read_lines(tmp_path / "run" / "journal.jsonl"):
        for name in ("labels/share", "pseudo/share"):
            parts = [line[f"{name}/{label}"] for label in NAMES]
            assert sum(parts) == pytest.approx(1)
        assert line["pseudo/confident"] == pytest.approx(1)
        assert line["pseudo/agreement"] == pytest.approx(1 - line["pseudo/contradicted"])
        assert 0 < line["pseudo/agreement"] <= 1
        assert line["pseudo/information"] > 0
        assert "pseudo/precision" not in line


@pytest.mark.parametrize("method", TAUGHT)
def test_parts_of_a_batch_count_as_the_whole(method: str, data: Path) -> None:
    counts = []
    for parts in (1, 2):
        run = tiny_run(data).resolved().model_copy(update={"accumulate": parts})
        built = awake(method).build(tiny_student_without_batch_norm()).train()
        counts.append(Diagnosis(5, torch.device("cpu")))
        accumulate(run, built, built, random_batch(0), 0, counts[-1])
    assert counts[0].counts.sum() > 0
    torch.testing.assert_close(counts[0].counts, counts[1].counts)


def learned(folder: Path) -> dict[str, Any]:
    state = Checkpoints(folder).load("cpu")
    assert state
    return {"method": state["method"], "optimizer": state["optimizer"]["state"]}


@pytest.mark.parametrize("method", TAUGHT)
def test_nothing_that_is_learned_depends_on_it(method: str, data: Path, tmp_path: Path) -> None:
    states, losses = [], []
    for name, changes in {
        "off": {"diagnose_every": 0},
        "on": OFTEN,
        "truth": {**OFTEN, "diagnose_truth": "masks/train"},
    }.items():
        train(tiny_run(data, {"method.name": method, "log_every": 1, **changes}), tmp_path / name)
        states.append(learned(tmp_path / name))
        lines = read_lines(tmp_path / name / "journal.jsonl")
        losses.append([{key: line[key] for key in line if key.startswith("loss")} for line in lines])
        assert any("pseudo/precision" in line for line in lines) == (name == "truth")
        assert any("pseudo/agreement" in line for line in lines) == (name != "off")
    assert losses[0] == losses[1] == losses[2]
    for other in states[1:]:
        torch.testing.assert_close(states[0], other, rtol=0, atol=0)
    weights = [load_file(tmp_path / name / "model" / "model.safetensors") for name in ("off", "truth")]
    torch.testing.assert_close(*weights, rtol=0, atol=0)


def test_a_hidden_mask_is_opened_only_if_the_truth_is_asked_for(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", train=4, labeled=2)
    for hidden in ("train2", "train3"):
        (data / "masks" / "train" / f"{hidden}.png").write_bytes(b"this is no picture")
    train(tiny_run(data, OFTEN), tmp_path / "closed")
    with pytest.raises(DataError, match=r"train[23]"):
        train(tiny_run(data, {**OFTEN, "diagnose_truth": "masks/train"}), tmp_path / "open")


def test_the_truth_is_that_of_the_crops(data: Path) -> None:
    """Pictures are 90 times their class and some noise, so a crop tells its own truth."""
    run = tiny_run(
        data, {"data.resize_range": [1.0, 1.0], "data.crop_size": 48, "data.unlabeled_batch_size": 5}
    )
    source = open_source(run.data)
    batches = TrainBatches(run.data, source, run.method.views, seed=4)
    masks = HiddenMasks(source, "masks/train")
    for step in range(4):
        unlabeled, truth = batches.batch(step).unlabeled, masks.at(batches, step)
        assert unlabeled is not None
        seen = (unlabeled.weak.mean(1) * 255 / 90).floor()
        known = truth != IGNORE
        assert known.any()
        assert not (known & ~unlabeled.valid).any()
        assert torch.equal(seen[known].long(), truth[known].long())


def test_images_without_a_mask_are_unknown(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", train=5, labeled=2)
    (data / "hidden").mkdir()
    (data / "masks" / "train" / "train3.png").rename(data / "hidden" / "train3.png")
    run = tiny_run(data, {"data.unlabeled_batch_size": 3})
    source = open_source(run.data)
    masks = HiddenMasks(source, "hidden")
    known = {id: masks.read(id) is not None for id in source.unlabeled}
    assert known == {f"images/train/train{n}": n == 3 for n in (2, 3, 4)}
    batches = TrainBatches(run.data, source, run.method.views, seed=0)
    assert sorted((masks.at(batches, 0) != IGNORE).any((1, 2)).tolist()) == [False, False, True]


@pytest.mark.parametrize("folder", ["nowhere", "images/val"])
def test_a_folder_without_their_masks_is_refused_before_a_run_folder_exists(
    folder: str, data: Path, tmp_path: Path
) -> None:
    with pytest.raises((UserError, DataError), match=f"diagnose_truth={folder}"):
        train(tiny_run(data, {"diagnose_truth": folder}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_scenes_know_their_masks(tmp_path: Path) -> None:
    changes = {"data.source": "scenes", "data.root": "0", "data.labeled_split": None, "data.crop_size": 64}
    run = tiny_run(tmp_path, changes)
    batches = TrainBatches(run.data, open_source(run.data), run.method.views, seed=0)
    masks = HiddenMasks(batches.source, "scenes")
    assert (masks.at(batches, 0) != IGNORE).any()
    with pytest.raises(UserError, match="diagnose_truth=scenes"):
        HiddenMasks(batches.source, "masks")


def test_counts_of_a_line_survive_a_resume() -> None:
    counted = Diagnosis(2, torch.device("cpu"))
    counted.labeled(torch.tensor([[[0, 1, 1, IGNORE]]]))
    first, resumed = Meter(("a", "b")), Meter(("a", "b"))
    first.diagnose(counted)
    resumed.load_state_dict(first.state_dict())
    other = Diagnosis(2, torch.device("cpu"))
    other.labeled(torch.tensor([[[0, 0, 0, 0]]]))
    lines = []
    for meter in (first, resumed):
        meter.diagnose(other)
        lines.append(meter.line(2, {}))
    assert lines[0]["labels/share/a"] == lines[1]["labels/share/a"] == 5 / 7
    assert "labels/share/a" not in first.line(3, {})


def test_only_some_steps_are_counted_and_none_without_unlabeled_images(data: Path, tmp_path: Path) -> None:
    run = tiny_run(data, {"diagnose_every": 3})
    source = open_source(run.data)
    batches = TrainBatches(run.data, source, run.method.views, seed=0)
    found = Diagnoses(run, batches, torch.device("cpu"))
    assert [found.of(step) is not None for step in range(5)] == [True, False, False, True, False]
    train(tiny_run(data, {"method.name": "supervised", **OFTEN}), tmp_path / "run")
    assert not any(
        "labels/share" in " ".join(line) for line in read_lines(tmp_path / "run" / "journal.jsonl")
    )
