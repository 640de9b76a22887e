"""The config of a network says which fields disagree."""

from __future__ import annotations

from typing import Any

import pydantic
import pytest
from small_networks import SIZES, tiny_config

from s4former.models.config import CustomViT, ModelConfig


def test_defaults_are_a_complete_network() -> None:
    config = ModelConfig()
    assert ModelConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"custom": None}, "custom=null"),
        ({"backbone": "deit_base_patch16_224"}, "deit_base_patch16_224"),
        ({"image_size": (32, 32)}, "custom.image_size"),
        ({"pretrained": "hub"}, "the hub has no weights of a custom"),
        ({"taps": (0, 1)}, "use head=linear"),
        ({"taps": ()}, "at least 1"),
        ({"head": "linear", "auxiliary_taps": (0,)}, "auxiliary_taps=\\[\\]"),
        ({"std": (0.2, 0.0, 0.2)}, "above 0"),
        ({"head": "pup"}, "setr_pup"),
        ({"frozen_blocks": -1}, "frozen_blocks"),
    ],
)
def test_fields_that_disagree(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=words):
        tiny_config(**changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"image_size": (16, 18)}, "multiples of patch_size=4"),
        ({"image_size": (0, 16)}, "multiples of patch_size=4"),
        ({"num_heads": 3}, "does not divide into num_heads=3"),
    ],
)
def test_sizes_that_do_not_divide(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=words):
        CustomViT(**(SIZES.model_dump() | changes))
