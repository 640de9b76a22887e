"""Backbones, one file each: from images to feature grids.

A name that is neither a file here nor an import path means timm's model of that name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from s4former.config.fronts import lazily
from s4former.models.backbones.configs.base import BACKBONES, BackboneConfig, BackboneField

if TYPE_CHECKING:
    from s4former.models.backbones.base import Backbone
else:
    __getattr__ = lazily(__name__, __file__)

__all__ = ["BACKBONES", "Backbone", "BackboneConfig", "BackboneField"]
