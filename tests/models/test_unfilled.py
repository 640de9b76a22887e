"""Networks without weights have the names and shapes of those with them."""

from __future__ import annotations

import pytest
import torch

from s4former.models import ModelConfig, build_segmenter, shapes_only


@pytest.mark.parametrize(
    ("backbone", "head"),
    [
        ("vit_tiny_patch16_224", "linear"),
        ("vit_tiny_patch16_224", "setr_pup"),
        ("vit_small_patch14_reg4_dinov2", "dpt"),
        ("mit_b0", "segformer"),
    ],
)
def test_nothing_but_the_weights_is_missing(backbone: str, head: str) -> None:
    config = ModelConfig.model_validate({"backbone": backbone, "head": head, "pretrained": "none"})
    with shapes_only():
        outline = build_segmenter(config, 3, 0).state_dict()
    whole = build_segmenter(config, 3, 0).state_dict()
    assert {name: (each.shape, each.dtype) for name, each in outline.items()} == {
        name: (each.shape, each.dtype) for name, each in whole.items()
    }
    assert {each.device.type for each in outline.values()} == {"meta"}
    assert torch.nn.Linear(2, 2).weight.device.type == "cpu"  # and what is built later is whole again


def test_what_has_memory_is_computed() -> None:
    with shapes_only():
        rates = torch.zeros(3, device="cpu").add_(0.5).tolist()
    assert rates == [0.5, 0.5, 0.5]
