"""Augmentation policies: how one view of a crop changes in color and sharpness, one file each.

Geometry is not theirs: all views of a crop share it, so that pixel (y, x) shows the same place in each.
"""

from typing import TYPE_CHECKING

from s4former.augment.base import POLICIES as POLICIES
from s4former.augment.base import LabeledViews, Pictures, Policy, Views
from s4former.augment.jitter import Jitter
from s4former.config.fronts import lazily

if TYPE_CHECKING:
    from s4former.augment._color import column
else:
    __getattr__ = lazily(__name__, __file__)  # what needs torch

__all__ = ["POLICIES", "Jitter", "LabeledViews", "Pictures", "Policy", "Views", "column"]
