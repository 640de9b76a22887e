"""Vision transformers of timm as data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s4former.models.backbones.configs.base import ViTOptions

if TYPE_CHECKING:
    from s4former.models.backbones.timm import TimmBackbone


class TimmConfig(ViTOptions):
    """A vision transformer of timm: DeiT, AugReg, DINOv2, DINOv3, EVA-02, SigLIP and their like."""

    name: str
    """A model of timm, with or without the tag of its weights."""
    image_size: tuple[int, int] | None = None
    """Height and width that the position embedding is kept for; null is the model's own. Images may have any
    size: the embedding is resized to their patch grid on the fly."""

    def build(self, channels: int) -> TimmBackbone:
        """Return the backbone with random weights."""
        from s4former.models.backbones.timm import create

        return create(self, channels)

    def hub_name(self) -> str:
        """Return the name."""
        return self.name
