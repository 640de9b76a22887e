"""UniMatch V2: two strong views of each image, of which each loses the features that the other keeps.

An averaged teacher labels the weak view. Each strong view gets boxes of other images; before the head their
features lose complementary channels, in half of the images; the student learns the mixed labels on both.

Source: the released code of Yang, Zhao, Zhao, TPAMI 2025, "UniMatch V2: Pushing the Limit of Semi-Supervised
Semantic Segmentation": losses, gradients, averaged weights and updates of whole steps are equal, to the
tolerances of ``tests/golden/test_unimatch_v2_step.py``. **We differ:** batches that are all padding or have
no label give a loss of 0, not NaN; partners are those of the global batch.
"""

from __future__ import annotations

from s4former.methods._with_teacher import WeakToStrong
from s4former.methods.configs.unimatch_v2 import UniMatchV2Config


class UniMatchV2(WeakToStrong):
    """A student that learns two strong views, and the moving average of its weights."""

    config: UniMatchV2Config
