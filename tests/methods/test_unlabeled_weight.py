"""From when on, and how much, unlabeled images count."""

from __future__ import annotations

from s4former.methods.mean_teacher import MeanTeacherConfig
from s4former.models.config import CustomViT, ModelConfig
from s4former.models.segmenter import build_segmenter


def test_the_ramp_starts_where_unlabeled_images_do() -> None:
    sizes = CustomViT(embed_dim=8, depth=1, num_heads=1, patch_size=4, image_size=(8, 8))
    network = build_segmenter(ModelConfig(backbone="vit", custom=sizes, head="linear"), 3, seed=0)
    method = MeanTeacherConfig(unlabeled_weight=2, unlabeled_start_step=10, unlabeled_ramp_steps=4).build(
        network
    )
    assert [method.too_early(step) for step in (0, 9, 10)] == [True, True, False]
    assert [method.unlabeled_weight(step) for step in (10, 11, 14, 99)] == [0, 0.5, 2, 2]
