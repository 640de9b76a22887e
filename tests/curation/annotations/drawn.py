"""Tiny annotated data sets, and the masks they mean, painted by plain definitions."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 24, 32
NAMES = ("background", "cell", "vein")
OUTSIDE = 0

CELL = [(3.2, 2.1), (20.7, 4.4), (17.3, 18.6), (5.1, 15.2)]
VEIN = [(12.3, 1.2), (28.8, 9.7), (14.4, 21.9)]
SMALL = [(9.3, 7.4), (13.6, 7.4), (13.6, 11.2), (9.3, 11.2)]


def centers() -> tuple[np.ndarray, np.ndarray]:
    """Return x and y of every pixel's center."""
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    return x, y


def in_polygon(corners: Sequence[tuple[float, float]]) -> np.ndarray:
    """Say which pixels lie inside: a line from their center to the right crosses an odd number of edges."""
    x, y = centers()
    inside = np.zeros((HEIGHT, WIDTH), dtype=bool)
    for (x0, y0), (x1, y1) in zip(corners, [*corners[1:], corners[0]], strict=True):
        spans = (y0 <= y) != (y1 <= y)
        with np.errstate(divide="ignore", invalid="ignore"):
            inside ^= spans & (x0 + (y - y0) * (x1 - x0) / (y1 - y0) > x)
    return inside


def in_ellipse(x0: float, y0: float, a: float, b: float, degrees: float = 0) -> np.ndarray:
    x, y = turned_back(x0, y0, degrees)
    return (x / a) ** 2 + (y / b) ** 2 < 1


def turned_back(x0: float, y0: float, degrees: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the pixel centers seen from a point, by axes that are turned clockwise (y points down)."""
    x, y = centers()
    angle = np.radians(degrees)
    dx, dy = x - x0, y - y0
    return dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)


def ring() -> np.ndarray:
    """Return a square with a hole."""
    pixels = np.zeros((HEIGHT, WIDTH), dtype=bool)
    pixels[4:16, 6:20] = True
    pixels[8:12, 10:15] = False
    return pixels


def paint(*layers: tuple[np.ndarray, int], outside: int = OUTSIDE) -> np.ndarray:
    """Return a mask with layers on it, later ones on top."""
    mask = np.full((HEIGHT, WIDTH), outside, dtype=np.uint8)
    for pixels, value in layers:
        mask[pixels] = value
    return mask


def write_images(folder: Path, *names: str, size: tuple[int, int] = (HEIGHT, WIDTH)) -> dict[str, Path]:
    """Write images and return their files by id."""
    files = {}
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((*size, 3), dtype=np.uint8)).save(file)
        files[Path(name).with_suffix("").as_posix()] = file
    return files


def write_json(file: Path, content: Any) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content))
    return file


def read_mask(out: Path, id: str) -> np.ndarray:
    with Image.open(out / f"{id}.png") as picture:
        assert picture.mode == "L"
        return np.array(picture)


def flat(corners: Sequence[tuple[float, float]]) -> list[float]:
    return [value for corner in corners for value in corner]


def runs(pixels: np.ndarray) -> list[int]:
    """Return lengths of runs that are off and on in turn, off first."""
    lengths, last = [0], False
    for value in pixels.ravel().tolist():
        if value != last:
            lengths.append(0)
            last = value
        lengths[-1] += 1
    return lengths


# The data sets: image one has a cell and a vein over it, image two a cell with a hole.


def coco(root: Path, segmentation: Any = None, **changes: Any) -> Path:
    """Write COCO json as tools export it: category ids have gaps, annotations are in no order."""
    hole = segmentation or {"size": [HEIGHT, WIDTH], "counts": runs(ring().T)}
    content = {
        "info": {"year": 2024},
        "images": [
            {"id": 7, "file_name": "one.png", "height": HEIGHT, "width": WIDTH, "license": 1},
            {"id": 3, "file_name": "sub/two.jpg", "height": HEIGHT, "width": WIDTH},
        ],
        "categories": [
            {"id": 18, "name": "vein", "supercategory": "tissue"},
            {"id": 4, "name": "cell", "supercategory": "tissue"},
        ],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 18, "segmentation": [flat(SMALL)], "iscrowd": 0},
            {"id": 2, "image_id": 3, "category_id": 4, "segmentation": hole, "iscrowd": 0},
            {"id": 3, "image_id": 7, "category_id": 4, "segmentation": [flat(CELL)], "iscrowd": 0, "area": 1},
        ],
    }
    return write_json(root / "annotations.json", content | changes)


def labelme(root: Path, name: str, shapes: list[dict[str, Any]], **changes: Any) -> Path:
    """Write a file of labelme 5."""
    content = {
        "version": "5.4.1",
        "flags": {},
        "shapes": [
            {"group_id": None, "description": "", "flags": {}, "mask": None, **shape} for shape in shapes
        ],
        "imagePath": f"..\\photos\\{name}.jpg",
        "imageData": "not a picture",
        "imageHeight": HEIGHT,
        "imageWidth": WIDTH,
    }
    return write_json(root / f"{name}.json", content | changes)


def cvat(file: Path, *images: str, meta: str = "<meta><task><labels/></task></meta>") -> Path:
    """Write a file of CVAT for images 1.1; each image is a name and what its element holds."""
    elements = "".join(
        f'<image id="{index}" name="{name}" width="{WIDTH}" height="{HEIGHT}">{inner}</image>'
        for index, (name, _, inner) in enumerate(image.partition("|") for image in images)
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    body = f"<annotations><version>1.1</version>{meta}{elements}</annotations>"
    file.write_text(f'<?xml version="1.0" encoding="utf-8"?>\n{body}')
    return file


def cvat_points(corners: Sequence[tuple[float, float]]) -> str:
    return ";".join(f"{x:.2f},{y:.2f}" for x, y in corners)


def label_studio_region(kind: str, label: str, id: str = "a1", **value: Any) -> dict[str, Any]:
    return {
        "original_width": WIDTH,
        "original_height": HEIGHT,
        "image_rotation": 0,
        "value": {**value, kind: [label]},
        "id": id,
        "from_name": "label",
        "to_name": "image",
        "type": kind,
        "origin": "manual",
    }


def percent(corners: Sequence[tuple[float, float]]) -> list[list[float]]:
    return [[100 * x / WIDTH, 100 * y / HEIGHT] for x, y in corners]


def label_studio_task(id: int, image: str, *annotations: Any) -> dict[str, Any]:
    """Return a task; an annotation is a list of results."""
    return {
        "id": id,
        "annotations": [
            {"id": 10 * id + index, "was_cancelled": False, "ground_truth": False, "result": results}
            for index, results in enumerate(annotations)
        ],
        "predictions": [],
        "data": {"image": image},
        "file_upload": Path(image).name,
        "project": 1,
    }


def brush(pixels: np.ndarray, literal: bool = False) -> list[int]:
    """Pack a mask as Label Studio does, as repeated words or all of them as they are."""
    words = np.repeat(pixels.ravel().astype(np.uint8) * 255, 4).tolist()
    bits = f"{len(words):032b}" + f"{7:05b}" + "".join(f"{width - 1:04b}" for width in (3, 4, 8, 16))
    if literal:
        bits += "0" + "11" + f"{len(words) - 1:016b}" + "".join(f"{word:08b}" for word in words)
    else:
        for index, count in enumerate(runs(np.array(words) > 0)):
            if count:
                width_class, width = next((k, w) for k, w in enumerate((3, 4, 8, 16)) if count <= 2**w)
                bits += "1" + f"{width_class:02b}" + f"{count - 1:0{width}b}" + f"{255 * (index % 2):08b}"
    bits += "0" * (-len(bits) % 8)
    return [int(bits[at : at + 8], 2) for at in range(0, len(bits), 8)]


def yolo(root: Path, lines: dict[str, list[str]], names: str | None = "names: [cell, vein]\nnc: 2\n") -> Path:
    """Write a folder of text files below ``labels``, and a ``data.yaml``."""
    for name, rows in lines.items():
        file = root / "labels" / f"{name}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(rows) + "\n")
    if names is not None:
        (root / "data.yaml").write_text(names)
    return root


def yolo_line(index: int, corners: Sequence[tuple[float, float]]) -> str:
    return " ".join([str(index), *(f"{x / WIDTH:.6f} {y / HEIGHT:.6f}" for x, y in corners)])


RING_BY_BRIDGE = [(6, 4), (20, 4), (20, 16), (6, 16), (6, 4), (10, 8), (15, 8), (15, 12), (10, 12), (10, 8)]


def tiny(format: str, root: Path) -> Path:
    """Write the data set of `expected` in one format, and return what to give to ``convert``."""
    if format == "coco":
        return coco(root)
    if format == "labelme":
        polygons = [
            {"label": label, "points": corners, "shape_type": "polygon"}
            for label, corners in (("cell", CELL), ("vein", SMALL))
        ]
        labelme(root / "drawn", "one", polygons)
        corners = [[6.0, 4.0], [19.0, 15.0]]
        mask = labelme_mask(ring()[4:16, 6:20])
        shape = {"label": "cell", "points": corners, "shape_type": "mask", "mask": mask}
        labelme(root / "drawn", "two", [shape])
        return root / "drawn"
    if format == "cvat":
        over = f'<polygon label="vein" points="{cvat_points(SMALL)}" z_order="1" occluded="0"/>'
        under = f'<polygon label="cell" points="{cvat_points(CELL)}" z_order="0" occluded="0"/>'
        rle = ", ".join(map(str, runs(ring()[4:16, 6:20])))
        hole = f'<mask label="cell" rle="{rle}" left="6" top="4" width="14" height="12" z_order="0"/>'
        labels = "".join(f"<label><name>{name}</name></label>" for name in ("vein", "cell"))
        meta = f"<meta><task><labels>{labels}</labels></task></meta>"
        return cvat(root / "annotations.xml", f"one.png|{over}{under}", f"sub/two.png|{hole}", meta=meta)
    if format == "label_studio":
        polygons = [
            label_studio_region("polygonlabels", label, points=percent(corners), closed=True)
            for label, corners in (("cell", CELL), ("vein", SMALL))
        ]
        hole = label_studio_region("brushlabels", "cell", format="rle", rle=brush(ring()))
        return write_json(
            root / "project-1.json",
            [
                label_studio_task(1, "/data/upload/1/0a1b2c3d-one.png", polygons),
                label_studio_task(2, "/data/local-files/?d=photos%5Ctwo.png", [hole]),
            ],
        )
    lines = {
        "one": [yolo_line(1, SMALL), yolo_line(0, CELL)],
        "sub/two": [yolo_line(0, RING_BY_BRIDGE)],
    }
    return yolo(root / "drawn", lines)


def expected() -> dict[str, np.ndarray]:
    """Return the masks of `tiny`."""
    return {
        "one": paint((in_polygon(CELL), 1), (in_polygon(SMALL), 2)),
        "sub/two": paint((ring(), 1)),
    }


def labelme_mask(pixels: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode()
