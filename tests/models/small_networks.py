"""Small networks that the tests of this folder share."""

from __future__ import annotations

from typing import Any

from s4former.models.segmenter import CustomViT, ModelConfig, ViTSegmenter, build_segmenter

NUM_CLASSES = 3
PATCH = 4
SIZES = CustomViT(image_size=(16, 16), patch_size=PATCH, embed_dim=16, depth=3, num_heads=2)


def tiny_config(**changes: Any) -> ModelConfig:
    fields: dict[str, Any] = {"backbone": "vit", "custom": SIZES, "head_channels": 8, "head_convs": 2}
    return ModelConfig(**(fields | changes))


def tiny(seed: int = 0, **changes: Any) -> ViTSegmenter:
    return build_segmenter(tiny_config(**changes), NUM_CLASSES, seed)
