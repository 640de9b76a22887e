"""Small networks that the tests of this folder share."""

from __future__ import annotations

from typing import Any

from s4former.models.segmenter import CustomMiT, CustomViT, ModelConfig, ViTSegmenter, build_segmenter

NUM_CLASSES = 3
PATCH = 4
SIZES = CustomViT(image_size=(16, 16), patch_size=PATCH, embed_dim=16, depth=3, num_heads=2)

TINY_MIT = CustomMiT(embed_dims=(4, 8, 12, 16), depths=(1, 2, 1, 1), num_heads=(1, 2, 3, 4), mlp_ratio=2)


def tiny_config(**changes: Any) -> ModelConfig:
    fields: dict[str, Any] = {"backbone": "vit", "custom": SIZES, "head_channels": 8, "head_convs": 2}
    return ModelConfig(**(fields | changes))


def tiny(seed: int = 0, **changes: Any) -> ViTSegmenter:
    return build_segmenter(tiny_config(**changes), NUM_CLASSES, seed)


def tiny_segformer(seed: int = 0, **changes: Any) -> ViTSegmenter:
    fields: dict[str, Any] = {
        "backbone": "mit",
        "custom_mit": TINY_MIT,
        "head": "segformer",
        "head_channels": 8,
    }
    return build_segmenter(ModelConfig(**(fields | changes)), NUM_CLASSES, seed)
