"""What there is to choose from: backbones by name, with their sizes and whether weights are at hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

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


@dataclass(frozen=True)
class BackboneFacts:
    """A backbone.

    Attributes:
        name: What `model.backbone` takes.
        about: Its family, if it is one of the typical ones or our own.
        patch: Pixels per side of a token; from the first stage to the last in a hierarchy.
        width: Of a token, alike.
        weights: Where published ones are: ``here`` (downloaded before), ``hub``, ``file`` or ``none``.
    """

    name: str
    about: str
    patch: str
    width: str
    weights: str


def list_backbones(part: str = "") -> Iterator[BackboneFacts]:
    """Yield our own backbones and one of each family of timm's, or all whose names hold ``part``."""
    if not part or part in "vit":
        sizes = ViTConfig()
        yield BackboneFacts("vit", "your sizes", str(sizes.patch_size), str(sizes.embed_dim), "none")
    for name in MiTConfig.published:
        if part in name:
            widths = MiTConfig(name=name).widths
            yield BackboneFacts(name, "SegFormer's", "4 to 32", f"{widths[0]} to {widths[-1]}", "file")
    for name in _of_timm(part) if part else TYPICAL:
        try:
            model = outline(name, depth=1)
        except (UserError, TypeError):  # no plain vision transformer, so that it cannot be trained here
            continue
        patch = str(model.patch_embed.patch_size[0])
        yield BackboneFacts(name, TYPICAL.get(name, ""), patch, str(model.embed_dim), _weights(name))


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
