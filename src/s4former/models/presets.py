"""Networks by a short name, so that ``model=segformer_b0`` is all that one has to type."""

from __future__ import annotations

from dataclasses import dataclass

from s4former.models.backbones.configs.base import PositionInterpolation
from s4former.models.backbones.configs.mit import MiTConfig
from s4former.models.backbones.configs.timm import TimmConfig
from s4former.models.config import ModelConfig
from s4former.models.heads import HeadConfig
from s4former.models.heads.configs.dpt import DPTConfig
from s4former.models.heads.configs.linear import LinearConfig
from s4former.models.heads.configs.segformer import SegFormerConfig
from s4former.models.heads.configs.setr_pup import SETRPUPConfig

DEIT_FILE = "pretrain/deit_base_p16.pth"
"""Where the published configs expect DeiT-B: ImageNet-1k weights in any key style that `weights` reads."""


@dataclass(frozen=True)
class Preset:
    """A network and what to know of it before choosing it."""

    config: ModelConfig
    about: str


def preset_names() -> list[str]:
    """Return the names of all presets."""
    return list(_presets())


def model_preset(name: str) -> ModelConfig:
    """Return the config of a preset.

    Raises:
        ValueError: If there is no such preset.
    """
    return describe_preset(name).config


def describe_preset(name: str) -> Preset:
    """Return a preset with its description.

    Raises:
        ValueError: If there is no such preset.
    """
    presets = _presets()
    if name not in presets:
        raise ValueError(
            f"there is no network {name!r}; there are {', '.join(presets)}; any other plain ViT of timm is "
            f"model.backbone={name}"
        )
    return presets[name]


def setr(backbone: str, crop: int | None = None) -> ModelConfig:
    """Return SETR-PUP on a ViT of 12 blocks, as S4Former was published with: four auxiliary heads.

    Args:
        backbone: A plain ViT of timm with 12 blocks.
        crop: Side in pixels that the position embedding is kept for; none: the backbone's own.
    """
    size = None if crop is None else (crop, crop)
    return ModelConfig(
        backbone=TimmConfig(name=backbone, image_size=size),
        pretrained="hub",
        head=SETRPUPConfig(out_indices=(11,)),
        auxiliary_heads=tuple(
            SETRPUPConfig(out_indices=(block,), num_convs=2, scale=4) for block in (4, 7, 9, 11)
        ),
    )


def segformer(size: int) -> ModelConfig:
    """Return SegFormer-B0 to B5: a hierarchical encoder and a head of linear maps.

    Its weights are NVIDIA's, whose license allows non-commercial use only: nothing downloads them unasked.
    """
    return ModelConfig(
        backbone=MiTConfig(name=f"mit_b{size}", drop_path=0.1),
        pretrained=f"pretrain/mit_b{size}.pth",
        head=SegFormerConfig(channels=256 if size < 2 else 768),
    )


def _dinov2(size: str, head: HeadConfig, positions: PositionInterpolation = "bilinear") -> ModelConfig:
    backbone = TimmConfig(name=f"vit_{size}_patch14_dinov2", position_interpolation=positions)
    return ModelConfig(backbone=backbone, pretrained="hub", head=head)


def _presets() -> dict[str, Preset]:
    presets = {
        "setr_deit_base": Preset(setr("deit_base_patch16_224"), "the published network; ImageNet-1k"),
        "setr_deit_small": Preset(setr("deit_small_patch16_224"), "the same at a quarter of the cost"),
    }
    for size in ("small", "base", "large"):
        about = f"DINOv2 ViT-{size[0].upper()}/14 and one linear map; crops divide by 14"
        presets[f"dinov2_{size}"] = Preset(_dinov2(size, LinearConfig()), about)
        about = f"DINOv2 ViT-{size[0].upper()}/14 and DPT, as in UniMatch V2; crops divide by 14"
        presets[f"dinov2_{size}_dpt"] = Preset(_dinov2(size, DPTConfig(), "dinov2"), about)
    for number in range(6):
        about = "hierarchical encoder; weights from a file you have; crops divide by 32"
        presets[f"segformer_b{number}"] = Preset(segformer(number), about)
    return presets
