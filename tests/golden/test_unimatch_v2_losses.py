"""UniMatch V2 and FixMatch from logits to losses and gradients, against their authors' code."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from golden_data import Case, assert_gradient_close, cases, load_arrays
from torch import Tensor, nn
from unimatch_v2 import Golden
from unimatch_v2_methods import VIEWS, batch_of, build, fix_boxes, losses_of

from s4former.ops import mix
from s4former.testing import learn
from s4former.types import Features, Logits, Segmenter

CASES = ["basic", "odd", "padded", "at_threshold", "none_confident", "all_padded", "no_label"]
TOLERANCE = {"rel": 1e-5, "abs": 1e-6}


class Predictions(Segmenter):
    """A network that answers with prepared logits, one batch after the other."""

    patch_size, num_prefix_tokens = 1, 1

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.num_classes, self.answers = num_classes, list[Tensor]()

    def encode(self, images: Tensor, attention_bias: Tensor | None = None) -> Features:
        return (self.answers.pop(0),)

    def decode(self, features: Features, size: tuple[int, int]) -> Logits:
        return features[0]

    def forward(self, images: Tensor) -> Logits:
        return self.encode(images)[0]

    def decode_auxiliary(self, features: Features, size: tuple[int, int]) -> tuple[Logits, ...]:
        return ()

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        return {"backbone": [], "head": []}

    def backbone_layers(self) -> list[list[nn.Parameter]]:
        return []

    def drop_auxiliary_heads(self) -> None: ...

    def for_inference(self) -> Any:
        raise NotImplementedError


def answered(case: Case, name: str) -> tuple[float, dict[str, float], Tensor, list[Tensor], Any]:
    """Return the loss, the losses that it is made of, gradients of labeled and strong logits, and targets."""
    count = case["labeled"].shape[1]
    threshold = float(case["threshold"])
    switches = {"perturb": ()}  # what features lose is none of the losses' business
    method = build(name, Predictions(count), confidence_threshold=threshold, **switches)
    labeled = case["labeled"].float().requires_grad_()
    strong = [logits.float().requires_grad_() for logits in case["strong"].chunk(2)[: len(VIEWS[name])]]
    method.teacher.network.answers = [case["weak"].float()]
    method.student.answers = [labeled, *strong]
    fix_boxes(method, (case["cutmix_box1"], case["cutmix_box2"]))
    pictures = [case[f"img_u_s{number}"] if f"img_u_s{number}" in case else case["weak"] for number in (1, 2)]
    views = tuple(
        pictures[: len(strong)]
    )  # of images the prepared answers depend on nothing but their number
    batch = batch_of(case["labeled"], case["mask_x"], views[0], views, case["ignore_mask"])
    targets = method.prepare(batch)
    method.teacher.network.answers = [case["weak"].float()]
    output = learn(method, batch)
    assert not method.student.answers
    return (
        float(output.loss),
        losses_of(name, output.scalars),
        labeled.grad,
        [one.grad for one in strong],
        targets,
    )


@pytest.fixture(scope="module")
def recorded(golden: Golden) -> dict[str, Case]:
    found = cases(load_arrays(golden("unimatch_v2/losses.npz")), "labeled")
    assert set(CASES) <= set(found)
    return found


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("case", CASES)
def test_losses(recorded: dict[str, Case], case: str, name: str) -> None:
    theirs = {
        key.removeprefix(f"{name}."): float(value)
        for key, value in recorded[case].items()
        if key.startswith(f"{name}.") and value.numel() == 1
    }
    loss, found, *_ = answered(recorded[case], name)
    found["loss"] = loss
    assert found.keys() == theirs.keys()
    for key, value in theirs.items():
        if math.isnan(value):  # 0 / 0 in their code: nothing to learn is a loss of 0 in ours
            assert found[key] == pytest.approx(
                (found["loss_x"] + found["loss_u_s"]) / 2 if key == "loss" else 0
            )
        else:
            assert found[key] == pytest.approx(value, **TOLERANCE), key


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("case", CASES)
def test_gradients(recorded: dict[str, Case], case: str, name: str) -> None:
    """They are recorded where losses are finite and not all 0; else ours are 0, and finite always."""
    _, _, labeled, strong, _ = answered(recorded[case], name)
    theirs = recorded[case].get(f"{name}.grad_strong")
    whole = torch.cat(strong)
    assert whole.isfinite().all()
    assert labeled.isfinite().all()
    if theirs is not None:
        assert_gradient_close(whole, theirs[: len(whole)], 1e-4)
        assert not theirs[len(whole) :].any()
    if "grad_labeled" in recorded[case]:
        assert_gradient_close(labeled, recorded[case]["grad_labeled"], 1e-4)


def test_pictures_after_mixing(recorded: dict[str, Case]) -> None:
    case = recorded["odd"]
    for number in (1, 2):
        keep = case[f"cutmix_box{number}"] == 0
        mixed = mix(case[f"img_u_s{number}"], keep, "reversed")
        assert torch.equal(mixed, case[f"unimatch_v2.img_u_s{number}_mixed"])
    assert torch.equal(case["unimatch_v2.img_u_s1_mixed"], case["fixmatch.img_u_s_mixed"])
    for name in VIEWS:
        views = answered(case, name)[-1].views
        for number, view in enumerate(views.values(), 1):
            assert torch.equal(view.images, case[f"unimatch_v2.img_u_s{number}_mixed"].float())
