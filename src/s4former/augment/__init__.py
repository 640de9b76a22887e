"""Augmentation policies: how one view of a crop changes in color and sharpness, one file each.

Geometry is not theirs: all views of a crop share it, so that pixel (y, x) shows the same place in each.
"""

from s4former.augment.base import POLICIES as POLICIES
from s4former.augment.base import LabeledViews, Picture, Policy, Views
from s4former.augment.jitter import Jitter

__all__ = ["POLICIES", "Jitter", "LabeledViews", "Picture", "Policy", "Views"]
