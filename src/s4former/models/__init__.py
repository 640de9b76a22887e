"""Networks: backbones and heads, composed from configs, and the weights that they start from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s4former.config.fronts import lazily

if TYPE_CHECKING:
    from s4former.models.backbones import BACKBONES, Backbone, BackboneConfig
    from s4former.models.checkpoints import load_checkpoint, segmenter_from_checkpoint, segmenter_from_state
    from s4former.models.config import ModelConfig
    from s4former.models.convert import convert_weights
    from s4former.models.faster import faster_on_cpu
    from s4former.models.heads import HEADS, Head, HeadConfig
    from s4former.models.presets import describe_preset, model_preset, preset_names
    from s4former.models.segmenter import ViTSegmenter, build_segmenter, rebuild_segmenter
    from s4former.models.weights import load_backbone_weights
else:
    __getattr__ = lazily(
        __name__,
        {
            "backbones": "BACKBONES Backbone BackboneConfig",
            "checkpoints": "load_checkpoint segmenter_from_checkpoint segmenter_from_state",
            "config": "ModelConfig",
            "faster": "faster_on_cpu",
            "heads": "HEADS Head HeadConfig",
            "presets": "describe_preset model_preset preset_names",
            "convert": "convert_weights",
            "segmenter": "ViTSegmenter build_segmenter rebuild_segmenter",
            "weights": "load_backbone_weights",
        },
    )

__all__ = [
    "BACKBONES",
    "HEADS",
    "Backbone",
    "BackboneConfig",
    "Head",
    "HeadConfig",
    "ModelConfig",
    "ViTSegmenter",
    "build_segmenter",
    "convert_weights",
    "describe_preset",
    "faster_on_cpu",
    "load_backbone_weights",
    "load_checkpoint",
    "model_preset",
    "preset_names",
    "rebuild_segmenter",
    "segmenter_from_checkpoint",
    "segmenter_from_state",
]
