"""The config of a network says which fields disagree."""

from __future__ import annotations

from typing import Any

import pydantic
import pytest
from small_networks import SIZES, tiny_config

from s4former.models.config import CustomMiT, CustomViT, ModelConfig


def test_defaults_are_a_complete_network() -> None:
    config = ModelConfig()
    assert ModelConfig.model_validate_json(config.model_dump_json()) == config


def test_null_and_none_are_the_same_start() -> None:
    assert tiny_config(pretrained=None) == tiny_config(pretrained="none")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"custom": None}, "custom=null"),
        ({"backbone": "deit_base_patch16_224"}, "deit_base_patch16_224"),
        ({"image_size": (32, 32)}, "custom.image_size"),
        ({"pretrained": "hub"}, "the hub has no weights of a custom"),
        (
            {"backbone": "mit_b0", "custom": None, "head": "segformer", "pretrained": "hub"},
            "SegFormer's authors",
        ),
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


MIT = {"backbone": "mit_b0", "custom": None, "head": "segformer"}


def test_segformer_sees_all_stages() -> None:
    assert tiny_config(**MIT).taps == (0, 1, 2, 3)
    assert tiny_config(**MIT, taps=[-1]).taps == (0, 1, 2, 3)
    assert tiny_config(**MIT | {"head": "linear"}).taps == (-1,)
    config = tiny_config(**MIT, drop_path=0.1, biased_stages=(0, 3))
    assert ModelConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"backbone": "mit_b6"}, "there is no backbone 'mit_b6'; a MiT is one of mit_b0, .*mit_b5"),
        ({"backbone": "mit"}, "custom_mit=null"),
        ({"custom_mit": {}}, "custom_mit=its sizes"),
        ({"custom": SIZES}, "custom=its sizes"),
        ({"head": "setr_pup"}, "wants a plain ViT, got backbone='mit_b0'; use head=segformer"),
        ({"backbone": "vit", "custom": SIZES}, "wants a MiT, got backbone='vit'; use one of mit_b0"),
        ({"taps": 3}, "valid tuple"),
        ({"taps": (0, 1)}, r"sees taps=\[0, 1, 2, 3\], got taps=\[0, 1\]"),
        ({"head": "linear", "taps": (2, 3)}, "use head=segformer for all"),
        ({"auxiliary_taps": (0,)}, "head=segformer"),
        ({"image_size": (64, 64)}, "no position embedding .* leave image_size at None"),
        ({"norm_taps": True}, "norms each stage anyway; leave norm_taps at False"),
        ({"position_interpolation": "bicubic"}, "leave position_interpolation at bilinear"),
        (
            {"backbone": "mit", "custom_mit": {}, "pretrained": "hub"},
            "the hub has no weights of a custom `mit`",
        ),
        ({"biased_stages": (4,)}, "less than or equal to 3"),
        ({"biased_stages": (3, 3)}, "names a stage twice"),
        ({"drop_path": 1.0}, "less than 1"),
    ],
)
def test_fields_that_disagree_with_a_mit(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=words):
        tiny_config(**MIT | changes)


def test_stages_are_no_matter_of_a_plain_vit() -> None:
    with pytest.raises(pydantic.ValidationError, match="all of its blocks; leave biased_stages at"):
        tiny_config(biased_stages=(0,))


def test_widths_of_a_mit_that_do_not_divide() -> None:
    with pytest.raises(pydantic.ValidationError, match="do not divide into num_heads"):
        CustomMiT(embed_dims=(4, 8, 12, 15))
