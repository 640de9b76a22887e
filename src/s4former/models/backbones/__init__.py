"""Backbones, one file each: from images to feature grids.

A name that is neither a file here nor an import path means timm's model of that name.
"""

from s4former.models.backbones.base import BACKBONES as BACKBONES
from s4former.models.backbones.base import Backbone, BackboneConfig, BackboneField

__all__ = ["BACKBONES", "Backbone", "BackboneConfig", "BackboneField"]
