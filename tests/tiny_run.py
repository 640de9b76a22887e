"""A data set of a few small pictures and a run on it that takes a second, for tests of whole runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from s4former.config.override import override
from s4former.engine import Run

NAMES = ["background", "square", "disk"]


def make_data(root: Path, train: int = 5, val: int = 2, labeled: int = 2) -> Path:
    """Write pictures of 40 x 48 pixels with a bright square or disk, and masks with some unknown pixels."""
    generator = np.random.default_rng(0)
    for part, count in (("train", train), ("val", val)):
        for kind in ("images", "masks"):
            (root / kind / part).mkdir(parents=True)
        for index in range(count):
            mask = np.zeros((40, 48), np.uint8)
            top, left = generator.integers(2, 20, 2)
            mask[top : top + 16, left : left + 16] = 1 + index % 2
            mask[:2] = 255
            noise = generator.integers(0, 60, (40, 48, 3))
            pixels = (np.where(mask == 255, 0, mask)[..., None] * 90 + noise).astype(np.uint8)
            Image.fromarray(pixels).save(root / "images" / part / f"{part}{index}.png")
            Image.fromarray(mask).save(root / "masks" / part / f"{part}{index}.png")
    (root / "classes.json").write_text(json.dumps({"names": NAMES}))
    (root / "labeled.txt").write_text("".join(f"train{index}\n" for index in range(labeled)))
    return root


def tiny_run(data: Path, changes: dict[str, Any] | None = None) -> Run:
    """Return a run of six steps with a ViT of two blocks, one thread, evaluation and saving on the way."""
    run = Run.model_validate(
        {
            "steps": 6,
            "evaluate_every": 3,
            "save_every": 2,
            "log_every": 2,
            "threads": 1,
            "device": "cpu",
            "data": {
                "root": str(data),
                "labeled_split": "labeled.txt",
                "crop_size": 32,
                "labeled_batch_size": 2,
                "unlabeled_batch_size": 2,
            },
            "model": {
                "backbone": {
                    "name": "vit",
                    "image_size": [32, 32],
                    "patch_size": 8,
                    "embed_dim": 16,
                    "depth": 2,
                    "num_heads": 2,
                },
                "head": "linear",
            },
            "method": {
                "name": "s4former",
                "confidence_threshold": 0.34,
                "shuffle_block": 2,
                "ema_decay": 0.9,
            },
            "optimizer": {"lr": 1e-3, "max_grad_norm": 1.0, "weight_decay": 0.01},
        }
    )
    return override(run, changes or {})[0]
