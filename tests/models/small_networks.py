"""Small networks that the tests of this folder share."""

from __future__ import annotations

from typing import Any

from s4former.models import MiTConfig, ModelConfig, ViTConfig, ViTSegmenter, build_segmenter

NUM_CLASSES = 3
PATCH = 4
SIZES = ViTConfig(image_size=(16, 16), patch_size=PATCH, embed_dim=16, depth=3, num_heads=2)

TINY_MIT = MiTConfig(embed_dims=(4, 8, 12, 16), depths=(1, 2, 1, 1), num_heads=(1, 2, 3, 4), mlp_ratio=2)

_OF_BACKBONES = ("final_norm", "drop_path", "position_interpolation", "biased_stages")
_OF_HEADS: dict[str, dict[str, Any]] = {
    "setr_pup": {"channels": 8, "num_convs": 2},
    "segformer": {"channels": 8},
    "segformer_conv": {"channels": 8},
}


def tiny_config(
    head: str = "setr_pup",
    out_indices: tuple[int, ...] | None = None,
    auxiliary: tuple[int, ...] = (),
    **changes: Any,
) -> ModelConfig:
    """Return a config of the tiny ViT.

    Args:
        head: Name of the head.
        out_indices: What the head looks at.
        auxiliary: One auxiliary head on each of these blocks.
        changes: Fields of the model, of its backbone or, with ``head_`` before it, of the head.
    """
    backbone = changes.pop("backbone", SIZES)
    own = {name: changes.pop(name) for name in _OF_BACKBONES if name in changes}
    of_head = {name.removeprefix("head_"): changes.pop(name) for name in list(changes) if name[:5] == "head_"}
    pup = {"name": "setr_pup", "num_convs": 2, "scale": 4, "channels": 8}
    return ModelConfig.model_validate(
        {
            "backbone": backbone.model_dump() | own,
            "head": {"name": head, "out_indices": out_indices} | _OF_HEADS.get(head, {}) | of_head,
            "auxiliary_heads": [pup | {"out_indices": [block]} for block in auxiliary],
            **changes,
        }
    )


def tiny(seed: int = 0, **changes: Any) -> ViTSegmenter:
    return build_segmenter(tiny_config(**changes), NUM_CLASSES, seed)


def tiny_segformer(seed: int = 0, **changes: Any) -> ViTSegmenter:
    return tiny(seed, **({"backbone": TINY_MIT, "head": "segformer"} | changes))
