"""What there is to choose from: backbones by name, with their sizes and whether weights are at hand."""

from __future__ import annotations

from collections.abc import Iterator

import timm

from s4former.config.errors import UserError
from s4former.models.backbones.configs.mit import MiTConfig
from s4former.models.backbones.configs.vit import ViTConfig
from s4former.models.backbones.timm import outline

TYPICAL = {
    "vit_small_patch14_dinov2": "DINOv2",
    "vit_small_patch14_reg4_dinov2": "DINOv2 with registers",
    "vit_small_patch16_dinov3": "DINOv3",
    "deit_small_patch16_224": "DeiT",
    "deit3_small_patch16_224": "DeiT III",
    "vit_small_patch16_224": "AugReg, ImageNet-21k",
    "eva02_small_patch14_224": "EVA-02",
    "vit_base_patch16_siglip_224": "SigLIP",
    "vit_base_patch16_clip_224": "CLIP",
}
"""One of each family of timm's."""


def list_backbones(part: str = "") -> Iterator[tuple[str, str, str, str, str]]:
    """Yield our own backbones and one of each family of timm's, or all whose names hold ``part``.

    Of each: its name; pixels per side of a token, and a token's width (of a hierarchy from the first stage to
    the last); where published weights are, ``here`` (downloaded before), ``hub``, ``file`` or ``none``; and
    its family, if it is one of the typical ones or our own.
    """
    if not part or part in "vit":
        sizes = ViTConfig()
        yield "vit", str(sizes.patch_size), str(sizes.embed_dim), "none", "your sizes"
    for name in MiTConfig.published:
        if part in name:
            widths = MiTConfig(name=name).widths
            yield name, "4 to 32", f"{widths[0]} to {widths[-1]}", "file", "SegFormer's"
    for name in _of_timm(part) if part else TYPICAL:
        try:
            model = outline(name, depth=1)
        except (UserError, TypeError):  # no plain vision transformer, so that it cannot be trained here
            continue
        patch = str(model.patch_embed.patch_size[0])
        yield name, patch, str(model.embed_dim), _weights(name), TYPICAL.get(name, "")


def _of_timm(part: str) -> list[str]:
    modules = ("vision_transformer", "deit", "eva")
    return [name for module in modules for name in timm.list_models(f"*{part}*", module=module)]


def _weights(name: str) -> str:
    """Return where timm's weights of a model are."""
    from huggingface_hub import try_to_load_from_cache

    record = timm.get_pretrained_cfg(name)
    if record is None or not record.hf_hub_id:
        return "none"
    files = [record.hf_hub_filename] if record.hf_hub_filename else ["model.safetensors", "pytorch_model.bin"]
    here = any(isinstance(try_to_load_from_cache(record.hf_hub_id, file), str) for file in files)
    return "here" if here else "hub"
