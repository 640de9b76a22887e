"""One whole training step against the released code: every loss, gradient, averaged weight and statistic."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from s4former.methods import S4FormerConfig
from s4former.methods.parts import PatchShuffle, perturbed, unlabeled_losses
from s4former.methods.s4former import S4Former
from s4former.models import (
    ModelConfig,
    SETRPUPConfig,
    ViTConfig,
    build_segmenter,
    convert_authors_checkpoint,
    from_authors,
)
from s4former.ops import Shuffle, adaptive_bias, mix, shuffle_blocks, uncertain_share
from s4former.testing import learn
from s4former.types import Batch, DrawKey, LabeledBatch, StepOutput, UnlabeledBatch

Golden = Callable[[str], Path]

VARIANTS: dict[str, dict[str, Any]] = {
    "main": {},
    "no_cutmix_second_image_unshuffled": {},
    "kl": {"ncr_mode": "kl"},
    "no_ncr": {"ncr": False},
    "weight2": {"unlabeled_weight": 2.0},
}
OUR_NAMES = {
    "loss_seg_unsup_attn_mask": "loss/pasa",
    "loss_seg_unsup": "loss/mixed",
    "loss_ncr_unsup": "loss/ncr",
}


class Step:
    """The golden step's networks, inputs and recorded numbers."""

    def __init__(self, golden: Golden) -> None:
        meta = json.loads(golden("meta.json").read_text())
        self.tiny, self.settings = meta["setr_tiny"], meta["step"]
        self.recorded = np.load(golden("step.npz"))
        self.student = load_file(golden("setr_tiny.safetensors"))
        self.teacher = load_file(golden("step_teacher.safetensors"))

    def tensor(self, name: str) -> Tensor:
        value = torch.from_numpy(self.recorded[name])
        if value.dtype == torch.float16:
            return value.float()
        return value.long() if value.dtype == torch.uint8 else value

    def method(self, **settings: Any) -> S4Former:
        tiny = self.tiny
        config = ModelConfig(
            backbone=ViTConfig(
                image_size=tuple(tiny["img_size"]),
                patch_size=tiny["patch_size"],
                embed_dim=tiny["embed_dims"],
                depth=tiny["num_layers"],
                num_heads=tiny["num_heads"],
                mlp_ratio=tiny["mlp_ratio"],
            ),
            head=SETRPUPConfig(channels=tiny["head_channels"]),
            auxiliary_heads=tuple(
                SETRPUPConfig(out_indices=(block,), num_convs=2, scale=4, channels=tiny["head_channels"])
                for block in tiny["out_indices"]
            ),
            mean=(0, 0, 0),  # the recorded images are normalized already
            std=(1, 1, 1),
        )
        student = build_segmenter(config, tiny["num_classes"], seed=0)
        student.load_state_dict(convert_authors_checkpoint(self.student, "student"))
        method = S4FormerConfig(
            confidence_threshold=self.settings["threshold"],
            ema_decay=self.settings["ema_momentum"],
            pasa_weight=self.settings["attn_mask_weight"],
            ncr_weight=self.settings["pseudo_loss_weight"],
            auxiliary_weight=self.settings["aux_weight"],
            shuffle_block=self.settings["PatchMix_N"],
            as_released=True,
            **settings,
        ).build(student)
        method.teacher.network.load_state_dict(convert_authors_checkpoint(self.teacher, "teacher"))
        method.train()
        method.after_update(0)  # the released step moves its teacher first
        return method

    def batch(self) -> Batch:
        labeled, weak = self.tensor("sup.image"), self.tensor("unsup.weak")
        return Batch(
            LabeledBatch(labeled, self.tensor("sup.label"), padded_below(labeled)),
            UnlabeledBatch(weak, (self.tensor("unsup.strong"),), padded_below(weak)),
            DrawKey(seed=0, step=0),
        )

    def draws(self, variant: str) -> tuple[Tensor, Shuffle]:
        keep = self.tensor(f"{variant}.cutmix_masks").bool()
        permutation = self.tensor(f"{variant}.permutations")
        side = self.settings["image_size"] // (self.settings["patch_size"] * self.settings["PatchMix_N"])
        return keep, Shuffle(permutation, side, side)


def padded_below(images: Tensor) -> Tensor:
    """Valid pixels as of padded images. The released step knows no padding: it must not look at this."""
    valid = torch.ones_like(images[:, 0], dtype=torch.bool)
    valid[:, -4:] = False
    return valid


@pytest.fixture(scope="module")
def step(golden: Golden) -> Step:
    return Step(golden)


def taken(step: Step, variant: str) -> tuple[S4Former, StepOutput]:
    method = step.method(**VARIANTS[variant])
    fix_draws(method, *step.draws(variant))
    return method, learn(method, step.batch())


def fix_draws(method: S4Former, keep: Tensor, shuffle: Shuffle) -> None:
    """Let CutMix and PatchShuffle draw what was recorded."""
    method.cutmix.draw = lambda view: keep
    for part in method.modules():
        if isinstance(part, PatchShuffle):
            part.draw = lambda view: shuffle


@pytest.mark.parametrize("variant", VARIANTS)
def test_losses(step: Step, variant: str) -> None:
    _, output = taken(step, variant)
    recorded = {
        name.removeprefix(f"{variant}.loss."): step.tensor(name)
        for name in step.recorded.files
        if name.startswith(f"{variant}.loss.")
    }
    close = {"rtol": 1e-5, "atol": 1e-6}
    for theirs, ours in OUR_NAMES.items():
        assert (theirs in recorded) == (ours in output.scalars)
        if theirs in recorded:
            torch.testing.assert_close(output.scalars[ours], recorded.pop(theirs), **close)
    labeled = torch.stack(list(recorded.values())).sum()
    torch.testing.assert_close(output.scalars["loss/supervised"], labeled, **close)
    torch.testing.assert_close(output.loss.detach(), step.tensor(f"{variant}.loss_total"), **close)


@pytest.mark.parametrize("variant", VARIANTS)
def test_gradients(step: Step, variant: str) -> None:
    method, _ = taken(step, variant)
    ours = dict(method.student.named_parameters())
    norms = dict(
        zip(step.recorded[f"{variant}.grad_norm_names"], step.recorded[f"{variant}.grad_norms"], strict=True)
    )
    names = {theirs: str(from_authors(theirs)) for theirs in norms}
    assert set(names.values()) == set(ours)
    for theirs, norm in norms.items():
        gradient = ours[names[theirs]].grad
        assert gradient is not None, theirs
        assert gradient.double().norm().item() == pytest.approx(norm, rel=1e-4, abs=1e-7), theirs
    for name in step.recorded.files:
        if name.startswith(f"{variant}.grad."):
            expected = step.tensor(name)
            gradient = ours[names[name.removeprefix(f"{variant}.grad.")]].grad
            assert gradient is not None
            assert (gradient - expected).abs().max() <= 1e-4 * expected.abs().max(), name


def test_teacher_and_statistics_after_the_step(step: Step) -> None:
    method, _ = taken(step, "main")
    teacher = convert_authors_checkpoint(
        {key: step.tensor(f"teacher_after.{key}") for key in recorded_keys(step, "teacher_after.")}, "teacher"
    )
    student = convert_authors_checkpoint(
        {key: step.tensor(f"student_after.{key}") for key in recorded_keys(step, "student_after.")}, "student"
    )
    for expected, network in ((teacher, method.teacher.network), (student, method.student)):
        state = network.state_dict()
        assert expected
        for name, value in expected.items():
            torch.testing.assert_close(
                state[name], value, rtol=1e-6, atol=1e-7, msg=lambda m, n=name: f"{n}: {m}"
            )


def test_what_the_teacher_says(step: Step) -> None:
    method = step.method()
    batch = step.batch()
    assert batch.unlabeled is not None
    fix_draws(method, *step.draws("main"))
    view = method.prepare(batch).views["pasa"]
    torch.testing.assert_close(
        view.teacher_logits[..., ::2, ::2], step.tensor("teacher.logits_stride2"), rtol=0, atol=1e-4
    )
    assert torch.equal(~view.uncertain, step.tensor("teacher.conf_mask").bool())
    assert torch.equal(view.labels, step.tensor("teacher.pseudo_label"))
    unsure = uncertain_share(view.uncertain, step.settings["patch_size"])
    torch.testing.assert_close(unsure, step.tensor("pasa.unconfidence"), rtol=0, atol=0)
    bias = adaptive_bias(unsure, step.settings["attn_mask_weight"], num_prefix_tokens=1).matrix()
    torch.testing.assert_close(bias, step.tensor("pasa.bias"), rtol=0, atol=0)


def test_mixing_and_shuffling(step: Step) -> None:
    keep, shuffle = step.draws("main")
    mixed = shuffle_blocks(mix(step.tensor("unsup.strong"), keep), shuffle)
    assert torch.equal(mixed, step.tensor("main.mixed_image"))
    assert torch.equal(mix(step.tensor("teacher.pseudo_label"), keep), step.tensor("main.mixed_label"))


def test_aligned_teacher_logits(step: Step) -> None:
    """Our default mixes the teacher's logits like its labels; the value that gives was recorded too."""
    method = step.method()
    batch = step.batch()
    assert batch.unlabeled is not None
    fix_draws(method, *step.draws("main"))
    strong = method.prepare(batch).views["pasa"]
    mixed = method.cutmix(strong)
    logits = perturbed(method.student, mixed, method.passes["mixed"])
    loss = unlabeled_losses(method.config, logits, mixed, None)["ncr"].detach()
    expected = step.tensor("main.ncr_if_teacher_logits_were_mixed")
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-6)


def recorded_keys(step: Step, prefix: str) -> list[str]:
    return [name.removeprefix(prefix) for name in step.recorded.files if name.startswith(prefix)]
