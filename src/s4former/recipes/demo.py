"""The embedded default: made-up land from the air, 8 scenes with a mask and 600 without, and a small ViT.

Run      s4former demo                        trains supervised-only and S4Former, and compares them
         s4former train demo --out runs/demo  trains S4Former; its baselines are demo.supervised,
                                              demo.mean_teacher and demo.mean_teacher_cutmix
Expect   see benchmarks/results/demo_*.md: scores, time and hardware of the runs that were made
Data     made by the package; data.root=1 is another world with other scenes
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from s4former.data.config import DataConfig
from s4former.models import ModelConfig
from s4former.models.backbones.configs.vit import ViTConfig
from s4former.models.heads.configs.linear import LinearConfig
from s4former.recipes._baselines import Recipe, baselines
from s4former.recipes.derived import Derived

if TYPE_CHECKING:
    from s4former.engine.run import Run

DERIVED = (Derived("model.backbone.image_size", ("data.crop_size",), None),)


def recipe() -> Run:
    """Return the S4Former run of the demo."""
    from s4former.engine.alarms_config import AlarmsConfig
    from s4former.engine.run import OptimizerConfig, Run
    from s4former.inference.config import EvaluateConfig
    from s4former.methods.configs.s4former import S4FormerConfig

    return Run(
        steps=800,
        evaluate_every=200,
        save_every=100,
        log_every=20,
        data=DataConfig(
            source="scenes",
            root="0",
            crop_size=64,
            resize_range=(1.0, 1.0),
            labeled_batch_size=8,
            unlabeled_batch_size=8,
        ),
        model=ModelConfig(
            backbone=ViTConfig(image_size=(64, 64), patch_size=8, embed_dim=96, depth=4, num_heads=3),
            head=LinearConfig(out_indices=(1, 3)),
        ),
        method=S4FormerConfig(
            ema_decay=0.99,  # a memory of 100 steps: the published 0.999 outlives such a short run
            ema_warmup_steps=99,
            shuffle_block=4,
        ),
        optimizer=OptimizerConfig(
            name="adamw", lr=1e-3, head_lr_factor=1, weight_decay=0.02, max_grad_norm=1.0, warmup_steps=30
        ),
        evaluate=EvaluateConfig(part="val", mode="whole"),
        # From random weights it takes 100 steps until the teacher is sure of anything: no alarm yet.
        alarms=AlarmsConfig(patience=120),
    )


def recipes() -> dict[str, Recipe]:
    """Return the baselines of the demo by name."""
    return baselines(recipe)
