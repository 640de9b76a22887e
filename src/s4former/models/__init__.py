"""Networks: backbones and heads, composed from configs, and the weights that they start from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s4former.config.fronts import lazily

if TYPE_CHECKING:
    from s4former.models.backbones import BACKBONES, Backbone, BackboneConfig
    from s4former.models.checkpoints import load_checkpoint, segmenter_from_checkpoint, segmenter_from_state
    from s4former.models.config import ModelConfig
    from s4former.models.faster import faster_on_cpu
    from s4former.models.heads import HEADS, Head, HeadConfig
    from s4former.models.presets import describe_preset, model_preset, preset_names
    from s4former.models.segmenter import build_segmenter, rebuild_segmenter
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
            "segmenter": "build_segmenter rebuild_segmenter",
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
    "build_segmenter",
    "describe_preset",
    "faster_on_cpu",
    "load_checkpoint",
    "model_preset",
    "preset_names",
    "rebuild_segmenter",
    "segmenter_from_checkpoint",
    "segmenter_from_state",
]
