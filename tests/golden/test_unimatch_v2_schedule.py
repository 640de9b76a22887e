"""Learning rates and decays of the teacher in UniMatch V2 and FixMatch, against their authors' code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from unimatch_v2 import Golden, meta

from s4former.engine import OptimizerConfig, build_optimizer, set_learning_rate
from s4former.methods.unimatch_v2 import UniMatchV2Config
from s4former.ops import warmed_decay

RUNS = ["unimatch_v2", "fixmatch", "unimatch_v2.cap"]


class TwoGroups(nn.Module):
    """A parameter of the backbone and one of the head."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone, self.head = nn.Linear(1, 1), nn.Linear(1, 1)

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        return {"backbone": list(self.backbone.parameters()), "head": list(self.head.parameters())}

    def backbone_layers(self) -> list[list[nn.Parameter]]:
        return []


def load(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as arrays:
        return dict(arrays)


@pytest.mark.parametrize("name", RUNS)
def test_rates(golden: Golden, name: str) -> None:
    """They set rates after an update: ours of step i are theirs of iteration i + 1, two have the first."""
    recorded, published = load(golden("unimatch_v2/schedule.npz")), meta(golden)["published"]
    config = OptimizerConfig(lr=published["lr"], head_lr_factor=published["lr_multi"], decayed="all")
    optimizer = build_optimizer(config, TwoGroups())
    total = len(recorded[f"{name}.ema_decay"])
    rates = [set_learning_rate(optimizer, config, step, total) for step in range(total)]
    for group in ("backbone", "head"):
        ours = np.array([rate[group] for rate in rates])
        np.testing.assert_allclose(ours, recorded[f"{name}.lr_{group}_after"], rtol=1e-12)
        used = np.concatenate([ours[:1], ours[:-1]])
        np.testing.assert_allclose(used, recorded[f"{name}.lr_{group}_used"], rtol=1e-12)


@pytest.mark.parametrize("name", RUNS)
def test_decays_of_the_teacher(golden: Golden, name: str) -> None:
    config, theirs = UniMatchV2Config(), load(golden("unimatch_v2/schedule.npz"))[f"{name}.ema_decay"]
    ours = [warmed_decay(config.ema_decay, step, config.ema_warmup_steps) for step in range(len(theirs))]
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_every_parameter_decays() -> None:
    optimizer = build_optimizer(OptimizerConfig(weight_decay=0.01, decayed="all"), TwoGroups())
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.01, 0.01]
    optimizer = build_optimizer(OptimizerConfig(weight_decay=0.01), TwoGroups())
    assert sorted(group["weight_decay"] for group in optimizer.param_groups) == [0, 0, 0.01, 0.01]
    assert torch.is_tensor(optimizer.param_groups[0]["params"][0])
