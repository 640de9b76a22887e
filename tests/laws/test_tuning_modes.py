"""Laws of methods hold however the student's backbone is tuned."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from s4former.methods import method_names
from s4former.models import ModelConfig, build_segmenter
from s4former.testing import NUM_CLASSES, SIZE, Subject, train_steps
from s4former.testing.laws import (
    batches,
    resume_is_exact,
    same_seed_same_losses,
    teachers_stand_still_and_the_rest_learns,
    unlabeled_images_teach,
)
from s4former.testing.subjects import confident
from s4former.types import Segmenter

pytestmark = pytest.mark.slow

TUNING: dict[str, dict[str, Any]] = {
    "frozen": {"frozen_blocks": "all"},
    "last block": {"frozen_blocks": 1},
    "LoRA": {"lora": {"rank": 2}},
}
TAUGHT = [name for name in method_names() if Subject(name).build().deployed == "teacher"]
LAWS = (
    unlabeled_images_teach,
    teachers_stand_still_and_the_rest_learns,
    same_seed_same_losses,
    resume_is_exact,
)


def student_of(tuning: str) -> Callable[[int], Segmenter]:
    def build(seed: int = 0) -> Segmenter:
        sizes = {"name": "vit", "embed_dim": 16, "depth": 2, "num_heads": 2, "patch_size": 4}
        config = {"backbone": sizes | {"image_size": [SIZE, SIZE]}, "head": {"name": "linear"}}
        model = ModelConfig.model_validate(config | TUNING[tuning])
        return confident(build_segmenter(model, NUM_CLASSES, seed))

    return build


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("tuning", TUNING)
@pytest.mark.parametrize("name", ["supervised", "mean_teacher", "s4former"])
def test_law(name: str, tuning: str, law: Callable[[Subject], None]) -> None:
    law(Subject(name, student=student_of(tuning)))


@pytest.mark.parametrize("tuning", TUNING)
@pytest.mark.parametrize("name", TAUGHT)
def test_teachers_follow_what_learns_and_are_saved_as_plain_networks(name: str, tuning: str) -> None:
    method = Subject(name, student=student_of(tuning)).build()
    teacher = method.networks["teacher"]
    before = {key: value.clone() for key, value in teacher.state_dict().items()}
    train_steps(method, batches())
    learned = {name for name, p in method.student.named_parameters() if p.requires_grad}
    for key, value in teacher.state_dict().items():
        if key in learned:
            assert not torch.equal(value, before[key]), key
        else:
            torch.testing.assert_close(value, before[key], rtol=1e-6, atol=1e-7)
    config, state = teacher.for_inference()
    saved = build_segmenter(config, NUM_CLASSES, 0).eval()
    saved.load_state_dict(dict(state))
    images = torch.rand(1, 3, SIZE, SIZE)
    torch.testing.assert_close(saved(images), teacher(images), rtol=1e-4, atol=1e-3)
