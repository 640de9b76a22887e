"""A plain vision transformer of sizes that have no name in timm."""

from __future__ import annotations

from timm.models.vision_transformer import VisionTransformer

from s4former.models.backbones.configs.vit import ViTConfig
from s4former.models.backbones.timm import TimmBackbone


def create(config: ViTConfig, channels: int) -> TimmBackbone:
    """Return the backbone with random weights."""
    vit = VisionTransformer(
        img_size=config.image_size,
        patch_size=config.patch_size,
        embed_dim=config.embed_dim,
        depth=config.depth,
        num_heads=config.num_heads,
        mlp_ratio=config.mlp_ratio,
        reg_tokens=config.num_registers,
        init_values=config.layer_scale or None,
        in_chans=channels,
        drop_path_rate=config.drop_path,
        num_classes=0,
        global_pool="",
    )
    return TimmBackbone(vit, config)
