"""Networks: backbones and heads, composed from configs, and the weights that they start from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s4former.config.fronts import lazily

if TYPE_CHECKING:
    from s4former.models.backbones import BACKBONES, Backbone, BackboneConfig
    from s4former.models.backbones.configs.mit import MiTConfig
    from s4former.models.backbones.configs.timm import TimmConfig
    from s4former.models.backbones.configs.vit import ViTConfig
    from s4former.models.backbones.timm import TimmBackbone
    from s4former.models.catalog import list_backbones
    from s4former.models.checkpoints import load_checkpoint, segmenter_from_checkpoint, segmenter_from_state
    from s4former.models.colors import require_colors
    from s4former.models.config import ModelConfig
    from s4former.models.convert import convert_weights
    from s4former.models.faster import faster_on_cpu
    from s4former.models.heads import HEADS, Head, HeadConfig
    from s4former.models.heads.configs.dpt import DPTConfig
    from s4former.models.heads.configs.segformer_conv import SegFormerConvConfig
    from s4former.models.heads.configs.setr_pup import SETRPUPConfig
    from s4former.models.keys import convert_authors_checkpoint, from_authors
    from s4former.models.presets import describe_preset, model_preset, preset_names
    from s4former.models.segmenter import ViTSegmenter, build_segmenter, rebuild_segmenter
    from s4former.models.unfilled import shapes_only
    from s4former.models.weight_files import read_state, require_finite
    from s4former.models.weights import load_backbone_weights
else:
    __getattr__ = lazily(__name__, __file__)

# fmt: off
__all__ = [
    "BACKBONES", "HEADS", "Backbone", "BackboneConfig", "DPTConfig", "Head", "HeadConfig", "MiTConfig",
    "ModelConfig", "SETRPUPConfig", "SegFormerConvConfig", "TimmBackbone", "TimmConfig", "ViTConfig",
    "ViTSegmenter", "build_segmenter", "convert_authors_checkpoint",
    "convert_weights", "describe_preset", "faster_on_cpu", "from_authors", "list_backbones",
    "load_backbone_weights", "load_checkpoint", "model_preset", "preset_names", "read_state",
    "rebuild_segmenter", "require_colors", "require_finite", "segmenter_from_checkpoint",
    "segmenter_from_state", "shapes_only",
]
# fmt: on
