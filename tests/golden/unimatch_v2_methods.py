"""UniMatch V2 and what its code calls FixMatch, as methods of this package with recorded draws."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from s4former.methods import Method
from s4former.methods.mean_teacher import MeanTeacherConfig
from s4former.methods.parts import StrongViews
from s4former.methods.unimatch_v2 import UniMatchV2Config
from s4former.types import IGNORE, Batch, DrawKey, LabeledBatch, Segmenter, UnlabeledBatch

VIEWS = {"unimatch_v2": ("_1", "_2"), "fixmatch": ("",)}
"""What ends the names of losses of the strong views of each method."""

FIXMATCH: dict[str, Any] = {
    "views": {"labeled": "identity", "strong": ["jitter"]},
    "labeled_normalize_by": "labeled",
    "unlabeled_normalize_by": "unpadded",
    "average_losses": True,
    "cutmix_probability": 0.5,
    "cutmix_box": "small",
    "cutmix_partner": "reversed",
    "ema_decay": 0.996,
    "ema_warmup_steps": 249,
}
"""Settings with which ``mean_teacher`` is the FixMatch of UniMatch V2's code."""


def build(name: str, student: Segmenter, **settings: Any) -> Method:
    """Return a method of theirs as ours, in training."""
    if name == "unimatch_v2":
        return UniMatchV2Config(**settings).build(student).train()
    return MeanTeacherConfig.model_validate(FIXMATCH | settings).build(student).train()


def strong_views(method: Method) -> StrongViews:
    (part,) = (part for part in method.modules() if isinstance(part, StrongViews))
    return part


def fix_boxes(method: Method, boxes: tuple[Tensor, ...]) -> None:
    """Let CutMix draw what was recorded: 1 inside of the box."""
    strong_views(method).cutmix.draw = lambda view: boxes[view.number] == 0


def batch_of(
    labeled: Tensor, labels: Tensor, weak: Tensor, strong: tuple[Tensor, ...], ignore_mask: Tensor
) -> Batch:
    """Return a batch of images as they recorded it; what is 255 in ``ignore_mask`` is padding."""
    return Batch(
        LabeledBatch(labeled.float(), labels, labels != IGNORE),
        UnlabeledBatch(weak.float(), tuple(view.float() for view in strong), ignore_mask != IGNORE),
        DrawKey(seed=0, step=0),
    )


def losses_of(name: str, scalars: dict[str, Tensor]) -> dict[str, float]:
    """Return the logged losses as they name and weigh them."""
    endings = VIEWS[name]
    found = {"loss_x": 2 * scalars["loss/supervised"]}
    strong = [2 * len(endings) * scalars[f"loss/consistency{ending}"] for ending in endings]
    found |= {f"loss_u_s{number}": loss for number, loss in enumerate(strong, 1) if len(strong) > 1}
    found["loss_u_s"] = torch.stack(strong).mean()
    found["mask_ratio"] = scalars["pseudo/confident"]
    return {key: float(value) for key, value in found.items()}
