"""Whole steps of UniMatch V2 and FixMatch against their authors' code: losses, gradients, updates, teachers.

The driver is theirs where it isn't ours: rates are set after an update, so that step i has those of i - 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from golden_data import assert_gradient_close
from torch import Tensor
from unimatch_v2 import Golden, meta, their_network
from unimatch_v2_methods import VIEWS, batch_of, build, fix_boxes, losses_of

from s4former.engine import OptimizerConfig, build_optimizer, set_learning_rate
from s4former.methods import Method, Targets
from s4former.methods.parts.perturbations.complementary_dropout import ComplementaryDropout
from s4former.models.keys import dpt_name
from s4former.ops import pseudo_labels
from s4former.testing import learn
from s4former.types import IGNORE, Batch, StepOutput

RUNS = {"main": (0, 200), "large": (0, 200), "late": (300, 400)}
"""First step and length of the run of each variant."""


@dataclass
class Step:
    """What is left of one step of ours, beside what was recorded of theirs."""

    name: str
    variant: str
    number: int
    method: Method
    batch: Batch
    targets: Targets
    output: StepOutput
    rates: tuple[float, float]
    gradients: dict[str, Tensor | None]
    moved: dict[str, Tensor]
    student: dict[str, Tensor]
    teacher: dict[str, Tensor]

    @property
    def key(self) -> str:
        return f"{self.variant}.{self.number}"


def read(golden: Golden, name: str) -> dict[str, np.ndarray]:
    with np.load(golden(f"unimatch_v2/{name}_step.npz")) as arrays:
        return dict(arrays)


def batch(golden: Golden, name: str, number: int) -> tuple[Batch, tuple[Tensor, ...]]:
    prefix, count = f"batch{number}.", len(VIEWS[name])
    stored = {
        key.removeprefix(prefix): torch.from_numpy(value)
        for key, value in read(golden, "unimatch_v2").items()
        if key.startswith(prefix)
    }
    strong = tuple(stored[f"img_u_s{number}"] for number in range(1, count + 1))
    boxes = tuple(stored[f"cutmix_box{number}"] for number in range(1, count + 1))
    made = batch_of(stored["img_x"], stored["mask_x"], stored["img_u_w"], strong, stored["ignore_mask"])
    return made, boxes


def steps(golden: Golden, name: str, variant: str) -> Iterator[Step]:
    recorded, settings = read(golden, name), meta(golden)
    first, total = RUNS[variant]
    config = OptimizerConfig(
        lr=settings["variants"][variant].get("lr", settings["published"]["lr"]),
        head_lr_factor=settings["published"]["lr_multi"],
        weight_decay=settings["step"]["weight_decay"][0],
        decayed="all",
    )
    threshold = settings["published"]["conf_thresh"]
    method = build(name, their_network(golden), confidence_threshold=threshold)
    if variant == "late":
        with torch.no_grad():
            for key, parameter in method.teacher.network.named_parameters():
                if key.startswith("backbone."):
                    parameter.mul_(0.875)
    optimizer = build_optimizer(config, method)
    for number in range(settings["variants"][variant]["steps"]):
        step = first + number
        given, boxes = batch(golden, name, number % 2)
        fix_boxes(method, boxes)
        if name == "unimatch_v2":
            fix_dropout(method, torch.from_numpy(recorded[f"{variant}.{number}.dropout_mask"]))
        rates = set_learning_rate(optimizer, config, max(step - 1, 0), total)
        before = copied(method.student)
        optimizer.zero_grad()
        targets, output = method.prepare(given), learn(method, given)
        gradients = {
            key: None if parameter.grad is None else parameter.grad.clone()
            for key, parameter in method.student.named_parameters()
        }
        optimizer.step()
        method.after_update(step)
        student, teacher = copied(method.student), copied(method.teacher.network)
        moved = {key: value - before[key] for key, value in student.items()}
        both = rates["backbone"], rates["head"]
        yield Step(
            name, variant, number, method, given, targets, output, both, gradients, moved, student, teacher
        )


def fix_dropout(method: Method, mask: Tensor) -> None:
    """Let channels be dropped as recorded: factors of view 1 of all images, then of view 2."""
    (part,) = (part for part in method.modules() if isinstance(part, ComplementaryDropout))
    part.draw = lambda view, channels: mask.float().chunk(2)[view.number]


def copied(network: torch.nn.Module) -> dict[str, Tensor]:
    return {key: value.detach().clone() for key, value in network.named_parameters()}


@pytest.fixture(scope="module", params=[(name, variant) for name in VIEWS for variant in RUNS], ids="-".join)
def taken(request: pytest.FixtureRequest, golden: Golden) -> tuple[dict[str, np.ndarray], list[Step]]:
    name, variant = request.param
    return read(golden, name), list(steps(golden, name, variant))


Taken = tuple[dict[str, np.ndarray], list[Step]]


def test_losses(taken: Taken) -> None:
    recorded, ours = taken
    for step in ours:
        found = losses_of(step.name, step.output.scalars) | {"loss": float(step.output.loss)}
        for key, value in found.items():
            assert value == pytest.approx(float(recorded[f"{step.key}.{key}"]), rel=2e-5), (step.key, key)


def test_rates(taken: Taken) -> None:
    recorded, ours = taken
    for step in ours:
        np.testing.assert_allclose(step.rates, recorded[f"{step.key}.lr_used"], rtol=1e-12)


def check(values: Tensor) -> Tensor:
    """Return three numbers that tell a tensor: its sum, that of its squares, and a weighted one."""
    flat = values.double().flatten()
    wave = torch.arange(len(flat), dtype=torch.float64).cos()
    return torch.stack([flat.sum(), flat.square().sum(), (flat * wave).sum()])


def assert_checks(
    recorded: dict[str, np.ndarray],
    key: str,
    kind: str,
    found: dict[str, Tensor | None],
    limits: dict[int, float],
) -> None:
    """Compare all tensors by their three numbers; of ``limits`` the last one from a size on holds."""
    unsteady = recorded["unsteady"] if kind != "grad_check" else np.zeros_like(recorded["unsteady"])
    compared = 0
    for name, theirs, skipped in zip(
        recorded["parameters"].tolist(), recorded[f"{key}.{kind}"], unsteady, strict=True
    ):
        ours = found.get(dpt_name(name))
        if np.isnan(theirs).any():
            assert ours is None or kind != "grad_check", name
        elif not skipped and dpt_name(name) in found:
            assert ours is not None, name
            size = float(np.sqrt(theirs[1]))
            error = np.abs(check(ours).numpy() - theirs) / np.array([size, size**2, size]).clip(1e-300)
            limit = next(
                limit for least, limit in sorted(limits.items(), reverse=True) if ours.numel() >= least
            )
            assert error.max() <= limit, f"{key}.{kind} {name}: {error}"
            compared += 1
    assert compared > 150


def test_gradients(taken: Taken) -> None:
    recorded, ours = taken
    for step in ours:
        assert_checks(recorded, step.key, "grad_check", step.gradients, {0: 5e-4})
        norms = [
            torch.stack(
                [g.norm() for key, g in step.gradients.items() if g is not None and key.startswith(part)]
            )
            for part in ("backbone.", "head.")
        ]
        theirs = recorded[f"{step.key}.grad_norm_backbone_head"]
        np.testing.assert_allclose([float(each.norm()) for each in norms], theirs, rtol=2e-5)
        for key, value in recorded.items():
            if key.startswith(f"{step.key}.grad."):
                mine = step.gradients[dpt_name(key.removeprefix(f"{step.key}.grad."))]
                if key.endswith("attn.qkv.bias"):  # its key part is rounding noise around 0
                    continue
                assert_gradient_close(mine, torch.from_numpy(value), 1e-4)


def test_updates_of_student_and_teacher(taken: Taken) -> None:
    recorded, ours = taken
    for step in ours:
        moved = {0: 5e-3, 1000: 3e-2} if step.variant == "large" else {0: 0.15}
        assert_checks(recorded, step.key, "moved_check", step.moved, moved)
        assert_checks(recorded, step.key, "student_check", step.student, {0: 5e-5})
        assert_checks(recorded, step.key, "teacher_check", step.teacher, {0: 5e-5})
        for kind, tensors in (("student", step.student), ("teacher", step.teacher)):
            for key, value in recorded.items():
                if key.startswith(f"{step.key}.{kind}."):
                    mine = tensors[dpt_name(key.removeprefix(f"{step.key}.{kind}."))]
                    torch.testing.assert_close(mine, torch.from_numpy(value), rtol=0, atol=2e-4)


@pytest.mark.parametrize("name", VIEWS)
def test_what_the_teacher_says_and_what_is_mixed(golden: Golden, name: str) -> None:
    recorded, step = read(golden, name), next(steps(golden, name, "main"))
    unlabeled = step.batch.unlabeled
    assert unlabeled is not None
    said, theirs = (
        pseudo_labels(their_network(golden)(unlabeled.weak), unlabeled.valid),
        read(golden, "unimatch_v2"),
    )
    confidence = torch.from_numpy(theirs["main.0.conf_u_w"])
    torch.testing.assert_close(said.confidence, confidence, rtol=0, atol=2e-4)
    assert torch.equal(said.labels, torch.from_numpy(theirs["main.0.mask_u_w"]).long())
    for ending, view in zip(VIEWS[name], step.targets.views.values(), strict=True):
        labels, ignored = (
            torch.from_numpy(recorded[f"main.0.{what}_cutmixed{ending.removeprefix('_')}"])
            for what in ("mask_u_w", "ignore_mask")
        )
        learned = view.labels != IGNORE
        assert learned.any()
        assert torch.equal(view.valid, ignored != IGNORE)
        assert torch.equal(view.labels[learned].long(), labels[learned].long())
