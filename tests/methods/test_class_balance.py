"""Class balance: weights come from all labels seen so far, and a saved method remembers them."""

from __future__ import annotations

import torch

from s4former.methods import Method, config_class
from s4former.models import ModelConfig, ViTConfig, build_segmenter
from s4former.ops import class_weights
from s4former.types import IGNORE, Batch, DrawKey, LabeledBatch


def tiny_method(**settings: float) -> Method:
    sizes = ViTConfig(embed_dim=8, depth=1, num_heads=1, patch_size=4, image_size=(8, 8))
    network = build_segmenter(ModelConfig(backbone=sizes, head="linear"), 3, seed=0)
    return config_class("supervised")(**settings).build(network).train()


def batch(*counts: int) -> Batch:
    """Return one image with so many pixels of each class; the rest is unknown."""
    labels = torch.full((64,), IGNORE)
    labels[: sum(counts)] = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    labels = labels.view(1, 8, 8)
    images = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    return Batch(LabeledBatch(images, labels, labels != IGNORE), None, DrawKey(seed=0, step=0))


def test_weights_follow_all_labels_seen_and_are_saved() -> None:
    method = tiny_method(class_balance=0.5)
    assert method.class_weights is not None
    assert torch.equal(method.class_weights, torch.ones(3))  # nothing is known of the classes yet
    method.prepare(batch(30, 10, 0))
    method.prepare(batch(30, 10, 4))
    assert method.class_weights is not None
    torch.testing.assert_close(method.class_weights, class_weights(torch.tensor([60, 20, 4]), 0.5))

    other = tiny_method(class_balance=0.5)
    other.load_state_dict(method.state_dict())
    assert other.class_weights is not None
    assert torch.equal(other.class_weights, method.class_weights)


def test_nothing_is_weighed_by_default() -> None:
    method = tiny_method()
    method.prepare(batch(30, 10, 4))
    assert method.class_weights is None
