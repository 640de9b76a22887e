"""Pure functions of tensors: the parts of which methods are made, without modules, state or files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s4former.config.fronts import lazily

if TYPE_CHECKING:
    from s4former.ops.attention import adaptive_bias, uncertain_share
    from s4former.ops.confusion import (
        CONFIDENCE,
        Scores,
        areas,
        bootstrap,
        bootstrap_difference,
        confusion_matrix,
        require_classes,
    )
    from s4former.ops.ema import update_teacher, warmed_decay
    from s4former.ops.losses import (
        NormalizeBy,
        class_counts,
        class_weights,
        count_pixels,
        cross_entropy,
        negative_class_ranking,
    )
    from s4former.ops.mixing import cutmix_masks, mix, sample_box, sample_small_box
    from s4former.ops.pseudo import pseudo_labels, share_of
    from s4former.ops.randomness import keyed_generator
    from s4former.ops.resize import resize_bilinear, resize_position_embedding
    from s4former.ops.schedules import poly, ramp
    from s4former.ops.shuffle import Shuffle, blocks_for, restore_blocks, sample_shuffle, shuffle_blocks
else:
    __getattr__ = lazily(__name__, __file__)

# fmt: off
__all__ = [
    "CONFIDENCE", "NormalizeBy", "Scores", "Shuffle", "adaptive_bias", "areas", "blocks_for", "bootstrap",
    "bootstrap_difference", "class_counts", "class_weights", "confusion_matrix", "count_pixels",
    "cross_entropy", "cutmix_masks", "keyed_generator", "mix", "negative_class_ranking", "poly",
    "pseudo_labels", "ramp", "require_classes", "resize_bilinear", "resize_position_embedding",
    "restore_blocks", "sample_box", "sample_shuffle", "sample_small_box", "share_of", "shuffle_blocks",
    "uncertain_share", "update_teacher", "warmed_decay",
]
# fmt: on
