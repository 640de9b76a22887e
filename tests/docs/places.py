"""A working folder for pages: small data in the true layouts, and links to ``tools`` and ``configs``."""

from __future__ import annotations

import json
import runpy
import shutil
from pathlib import Path
from typing import Any

import timm
import torch
from pages import ROOT

import miniatures
from mini_voc import make_mini_voc

_CELLS = runpy.run_path(str(ROOT / "docs/images/make_cells.py"))


def make_cells(folder: Path, **settings: Any) -> None:
    """Draw the practice data set of the documentation."""
    _CELLS["make_cells"](folder, **settings)


def furnish(place: Path) -> None:
    """Write what pages take for granted: VOC, weights, archives, photographs, annotations."""
    for name in ("tools", "configs", "docs"):
        (place / name).symlink_to(ROOT / name)
    lists = make_mini_voc(place / "data") / "datasplits"
    for other in ("voc_split_U2PL/183", "voc_split_CPS/662"):
        (lists / other).parent.mkdir(exist_ok=True)
        for kind in ("supervised", "unsupervised"):
            shutil.copy(lists / f"voc_split_U2PL/92_train_{kind}.txt", lists / f"{other}_train_{kind}.txt")
    for name in ("voc", "cityscapes", "coco", "ade20k", "camvid"):
        getattr(miniatures, f"{name}_archives")(place / "archives")
    (place / "pretrain").mkdir()
    weights = timm.create_model("test_vit", num_classes=0).state_dict()
    torch.save(
        {"state_dict": {f"backbone.{key}": value for key, value in weights.items()}},
        place / "pretrain/vit.pth",
    )
    make_cells(place, photos=14)
    shutil.copy(place / "photos/dish_01.jpg", place / "photo.jpg")
    annotate(place)


def annotate(place: Path) -> None:
    """Write shapes for two of the photographs, as labelme and as COCO."""
    corners = [[5, 5], [30, 5], [30, 30]]
    (place / "labelme").mkdir()
    images, annotations = [], []
    for number in (1, 2):
        name, (height, width) = f"dish_{number:02}.jpg", _CELLS["SIZE"]
        shape = {"label": "cell", "points": corners, "shape_type": "polygon"}
        labelme = {"imagePath": name, "imageHeight": height, "imageWidth": width, "shapes": [shape]}
        (place / "labelme" / f"dish_{number:02}.json").write_text(json.dumps(labelme))
        images.append({"id": number, "file_name": name, "height": height, "width": width})
        polygon = [float(value) for corner in corners for value in corner]
        annotations.append({"id": number, "image_id": number, "category_id": 1, "segmentation": [polygon]})
    coco = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "cell"}]}
    (place / "coco.json").write_text(json.dumps(coco))
