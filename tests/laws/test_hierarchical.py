"""The laws that depend on the kind of network, for SegFormer: four grids, and patches of 32 pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from test_methods import METHODS
from torch import Tensor

from s4former.engine import train
from s4former.engine.callbacks import Callback
from s4former.inference import Model
from s4former.methods import MethodConfig, config_class
from s4former.models import MiTConfig, ModelConfig, build_segmenter
from s4former.testing import NUM_CLASSES, awake, random_batch, train_steps
from s4former.testing.laws import equal
from s4former.types import Batch, Segmenter, UnlabeledBatch
from tiny_run import make_data, tiny_run

pytestmark = pytest.mark.slow

SIZE = 64  # two by two patches
SIZES = MiTConfig(embed_dims=(4, 8, 12, 16), depths=(1, 1, 1, 1), num_heads=(1, 2, 3, 4), mlp_ratio=2)


def tiny_student(**changes: Any) -> Segmenter:
    """A block a stage, and a classifier large enough to be sure of some pixels and unsure of others."""
    backbone = SIZES.model_copy(update=changes)
    config = ModelConfig(backbone=backbone, head={"name": "segformer", "channels": 8})
    segmenter = build_segmenter(config, NUM_CLASSES, seed=0)
    with torch.no_grad():
        segmenter.head.classifier.weight.mul_(100)
        for name, parameter in segmenter.backbone.named_parameters():
            if name.endswith(("q.weight", "kv.weight")):
                parameter.mul_(10)
    return segmenter


def run(config: MethodConfig, batches: list[Batch] | None = None, **changes: Any) -> list[Tensor]:
    torch.manual_seed(0)  # for dropout; the loop names a seed for each step
    batches = batches or [random_batch(step, size=SIZE) for step in range(2)]
    return train_steps(config.build(tiny_student(**changes)), batches)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_trains_it_repeatably(name: str) -> None:
    losses = run(awake(name), drop_path=0.2)
    assert all(value.isfinite().all() for value in losses)
    assert equal(losses, run(awake(name), drop_path=0.2))


@pytest.mark.parametrize("name", METHODS)
def test_unlabeled_images_teach(name: str) -> None:
    def blanked(step: int) -> Batch:
        batch = random_batch(step, size=SIZE)
        assert batch.unlabeled is not None
        blank = torch.zeros_like(batch.unlabeled.weak)
        return Batch(batch.labeled, UnlabeledBatch(blank, (blank, blank), batch.unlabeled.valid), batch.key)

    same = equal(run(awake(name)), run(awake(name), [blanked(step) for step in range(2)]))
    assert same == (not config_class(name)().views.unlabeled)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("patch_shuffle", False),
        ("pasa", False),
        ("pasa_weight", 1.0),
        ("pasa_bias_keys", "confident"),
        ("pasa_pass", "mixed"),
        ("ncr", False),
    ],
)
def test_each_part_of_s4former_is_at_work(field: str, value: Any) -> None:
    assert not equal(run(awake("s4former")), run(awake("s4former", **{field: value})))


def test_the_stages_that_take_the_bias_matter() -> None:
    assert not equal(run(awake("s4former")), run(awake("s4former"), biased_stages=(0, 1, 2, 3)))


class Stop(Exception):
    """Ends a run in its middle."""


class StopAt(Callback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_step(self, step: int) -> None:
        if step == self.step:
            raise Stop


def test_a_run_resumes_to_the_same_bits_and_predicts(tmp_path: Path) -> None:
    """Whatever was dropped on the way: a step names what its layers draw."""
    data = make_data(tmp_path / "data")
    changes: dict[str, Any] = {"model.backbone": SIZES.model_dump() | {"drop_path": 0.3}}
    changes["model.head"] = "segformer"
    changes |= {"data.crop_size": SIZE, "method.shuffle_block": 1, "steps": 4, "evaluate_every": 0}
    run = tiny_run(data, changes)
    train(run, tmp_path / "straight")
    with pytest.raises(Stop):
        train(run, tmp_path / "resumed", progress=StopAt(3))
    train(run, tmp_path / "resumed", resume=True)
    weights = [load_file(tmp_path / name / "model" / "model.safetensors") for name in ("straight", "resumed")]
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())
    mask = Model.load(tmp_path / "straight").predict(data / "images" / "val" / "val0.png").mask
    assert mask.shape == (40, 48)
