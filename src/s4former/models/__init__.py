"""Networks: backbones and heads, and the weights that they start from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s4former.config.fronts import lazily

if TYPE_CHECKING:
    from s4former.models.config import ModelConfig
    from s4former.models.presets import model_preset
    from s4former.models.segmenter import build_segmenter
else:
    __getattr__ = lazily(
        __name__, {"config": "ModelConfig", "presets": "model_preset", "segmenter": "build_segmenter"}
    )

__all__ = ["ModelConfig", "build_segmenter", "model_preset"]
