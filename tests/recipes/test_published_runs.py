"""Recipes of published data sets train and score on miniatures that `prepare` has laid out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import miniatures
from mini_voc import make_mini_voc
from s4former.config import Interrupted, read_json
from s4former.curation import open_source
from s4former.curation.prepare import DATASETS, carry_out, plan
from s4former.data.split_lists import write_split
from s4former.engine import read_lines, train
from s4former.methods.s4former import S4Former
from s4former.recipes import load_run

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")  # pycocotools on NumPy 2

# A tiny network, small crops and few steps; that the data lies where it lies, and how it is scored, stays.
SETR: dict[str, Any] = {
    "model.backbone": "vit_tiny_patch16_224",
    "model.pretrained": "none",
    "model.backbone.image_size": [32, 32],
    "model.head.channels": 8,
    "data.crop_size": 32,
    "method.shuffle_block": 1,
}
SEGFORMER: dict[str, Any] = {
    "model.backbone": "mit",
    "model.backbone.embed_dims": [4, 8, 12, 16],
    "model.backbone.depths": [1, 1, 1, 1],
    "model.backbone.num_heads": [1, 2, 3, 4],
    "model.pretrained": "none",
    "model.head.channels": 8,
    "data.crop_size": 64,
    "method.shuffle_block": 1,
    "optimizer.warmup_steps": 0,
}
BRIEF: dict[str, Any] = {
    "steps": 2,
    "device": "cpu",
    "threads": 1,
    "data.num_workers": 0,
    "data.labeled_batch_size": 2,
    "data.unlabeled_batch_size": 2,
    "log_every": 1,
    "method.confidence_threshold": 0.01,  # below chance: everything is confident
}
LOSSES = {"loss/supervised", "loss/pasa", "loss/mixed", "loss/ncr"}
SHORT_SIDES = {"data.short_side": 32, "evaluate.short_side": 32}


def prepared(name: str, root: Path) -> Path:
    """Prepare a data set from miniature archives, as the command does."""
    archives = root / "archives"
    archives.mkdir()
    getattr(miniatures, f"{name}_archives")(archives)
    dataset = DATASETS[name]()
    carry_out(plan(dataset, root / "data", archives), root / "data")
    return root / "data" / dataset.folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "protocol"),
    [
        ("voc.blended_662.s4former", SHORT_SIDES),
        ("cityscapes.186.s4former", {"evaluate.crop_size": 16, "evaluate.stride": 8}),
        ("coco.1_512.s4former", SHORT_SIDES),
        ("ade20k.1_64.s4former", SHORT_SIDES),
    ],
)
def test_a_recipe_trains_on_what_prepare_makes(recipe: str, protocol: dict[str, Any], tmp_path: Path) -> None:
    name = recipe.partition(".")[0]
    folder = prepared(name, tmp_path)
    everything = open_source(DATASETS[name]().config(tmp_path / "data")).labeled
    asked = load_run(recipe)[0].data
    assert asked.labeled_split
    assert asked.unlabeled_split
    write_split(folder / asked.labeled_split, everything[:2])
    write_split(folder / asked.unlabeled_split, everything[2:])

    run, _ = load_run(recipe, SETR | BRIEF | protocol | {"data.root": str(folder)})
    outcome = train(run, tmp_path / "run")
    assert read_lines(tmp_path / "run" / "journal.jsonl")[-1].keys() >= LOSSES
    student, teacher = outcome.last.values()
    assert student["images"] == teacher["images"] == len(open_source(run.data).val)
    assert student["protocol"]["mode"] == ("slide" if name == "cityscapes" else "whole")
    model = outcome.load()
    assert model.card.names == open_source(run.data).classes.names
    image = next((folder / asked.train_images).rglob("*.*g"))
    assert model.predict(image).mask.shape == miniatures.SIZE


@pytest.mark.slow
def test_segformers_recipe_uses_every_part_and_resumes_to_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    voc = make_mini_voc(tmp_path / "data")
    assert not (voc / "classes.json").exists()
    changes = SEGFORMER | BRIEF | SHORT_SIDES | {"data.root": str(voc), "steps": 4, "save_every": 2}
    run, _ = load_run("voc.classic_92.segformer.s4former", changes)
    train(run, tmp_path / "straight")
    lines = read_lines(tmp_path / "straight" / "journal.jsonl")
    assert all(line[loss] > 0 for line in lines for loss in LOSSES)

    after_update = S4Former.after_update

    def stop(self: S4Former, step: int) -> None:
        after_update(self, step)
        if step == 2:
            raise Interrupted("cut off")

    with monkeypatch.context() as cut:
        cut.setattr(S4Former, "after_update", stop)
        with pytest.raises(Interrupted):
            train(run, tmp_path / "cut")
    train(run, tmp_path / "cut", resume=True)
    ends = [
        torch.load(tmp_path / name / "checkpoint" / "step_00000004.pt", weights_only=True)["method"]
        for name in ("straight", "cut")
    ]
    assert ends[0].keys() == ends[1].keys()
    assert all(torch.equal(value, ends[1][key]) for key, value in ends[0].items())
    card = read_json(tmp_path / "cut" / "model" / "model.json")
    assert card["names"][:2] == ["background", "aeroplane"]
