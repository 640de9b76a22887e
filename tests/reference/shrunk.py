"""Recipes shrunk to tiny networks, crops and pictures: what is left is how their parts work together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from s4former.config.override import override
from s4former.engine import Run, read_lines, train
from s4former.methods import method_names
from s4former.models import MiTConfig, ViTConfig
from s4former.recipes import recipe_families

STEPS = 20
SIDE = 64
VIT = ViTConfig(image_size=(SIDE, SIDE), patch_size=8, embed_dim=16, depth=2, num_heads=2)
MIT = MiTConfig(embed_dims=(4, 8, 12, 16), depths=(1, 1, 1, 1), num_heads=(1, 2, 3, 4), mlp_ratio=2)


def subjects(data: Path) -> dict[str, tuple[Run, list[str]]]:
    """Return each different shrunk run, with the recipes that it is made of, by the first of these.

    Methods that no recipe has take the place of that of recipe ``msrc``.
    """
    found: dict[str, tuple[Run, list[str]]] = {}
    names: dict[str, str] = {}
    made = {name: make() for family in recipe_families().values() for name, make in family.items()}
    for method in sorted(set(method_names()) - {run.method.name for run in made.values()}):
        made[f"msrc method={method}"] = override(made["msrc"], [f"method={method}"])[0]
    for name, recipe in made.items():
        run = shrunk(recipe, data)
        first = names.setdefault(run.model_dump_json(), name)
        found.setdefault(first, (run, []))[1].append(name)
    return found


def shrunk(run: Run, data: Path) -> Run:
    """Return a run with the method, optimizer, schedules and views of another one, on tiny pictures."""
    mit = run.model.backbone.name.startswith("mit")
    backbone = (MIT if mit else VIT).model_copy(
        update={"drop_path": run.model.backbone.model_dump()["drop_path"]}
    )
    head = {**run.model.head.model_dump(), "out_indices": None if mit else (1,)}
    head |= {"channels": 8} if "channels" in head else {}
    auxiliary = {"name": "setr_pup", "channels": 8, "num_convs": 2, "scale": 4, "out_indices": (0,)}
    method = run.method.model_dump()
    # Unlabeled images take part from the first steps, though the network knows nothing yet.
    method |= {key: 0 for key in ("unlabeled_start_step", "unlabeled_ramp_steps") if key in method}
    method |= {key: 0.34 for key in ("confidence_threshold",) if key in method}
    method |= {key: 1 if mit else 4 for key in ("shuffle_block",) if key in method}
    model: dict[str, Any] = {
        "backbone": backbone.model_dump(),
        "pretrained": "none",
        "head": head,
        "auxiliary_heads": [auxiliary] * bool(run.model.auxiliary_heads),
        "frozen_blocks": 0,
    }
    changes: dict[str, Any] = {
        "steps": STEPS,
        "threads": 1,
        "device": "cpu",
        "precision": "float32",
        "log_every": 1,
        "diagnose_every": 0,
        "evaluate_every": 0,
        "save_every": 0,
        "data": {
            **run.data.model_dump(),
            **type(run.data)(root=str(data), labeled_split="labeled.txt").model_dump(
                include={
                    "source",
                    "root",
                    "classes",
                    "train_images",
                    "train_masks",
                    "labeled_split",
                    "unlabeled_split",
                    "val_images",
                    "val_masks",
                    "val_split",
                    "test_images",
                    "image_suffix",
                    "mask_suffix",
                }
            ),
            "crop_size": SIDE,
            "short_side": None,
            "labeled_batch_size": 2,
            "unlabeled_batch_size": 2,
            "num_workers": 0,
        },
        "model": {**run.model.model_dump(), **model},
        "method": method,
        "optimizer": {**run.optimizer.model_dump(), "warmup_steps": min(5, run.optimizer.warmup_steps)},
        "evaluate": {**type(run.evaluate)().model_dump()},
    }
    return override(run, changes)[0]


def losses(run: Run, folder: Path) -> dict[str, list[float]]:
    """Train a run; return every loss and share of each step by name, with seven digits."""
    train(run, folder)
    lines = read_lines(folder / "journal.jsonl")
    return {
        name: [float(f"{line[name]:.7g}") for line in lines]
        for name in lines[0]
        if name.startswith(("loss", "pseudo"))
    }
