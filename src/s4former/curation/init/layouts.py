"""Folders as data sets and programs lay them out, and what to type for them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from s4former.config.errors import UserError
from s4former.data.sources.listing import image_files
from s4former.data.sources.naming import sounds_like_masks

_ROBOFLOW, _ROBOFLOW_MASKS = "_annotations.coco.json", "_classes.csv"
_PARTS = {"train": "train", "valid": "val", "val": "val", "validation": "val", "test": "test"}
_VOC = ("JPEGImages", "SegmentationClass")


def require_one_part(folder: Path) -> None:
    """Refuse folders of which each has images and masks of its own: splits as of Roboflow, sites, images.

    Raises:
        UserError: With what to type for it.
    """
    _require_no_folder_each(folder)
    annotated, masked = (
        {split: path for split, path in _parts(folder).items() if (path / file).is_file()}
        for file in (_ROBOFLOW, _ROBOFLOW_MASKS)
    )
    if train := annotated.get("train"):
        raise UserError(
            f"{folder} holds splits with annotations of their own (COCO, as Roboflow has it); type: "
            f"{_init([train], [train / _ROBOFLOW], annotated.get('val'))}"
        )
    if len(masked) > 1 and (train := masked.get("train")):
        raise UserError(
            f"{folder} holds splits with masks of their own (as Roboflow has it); type: "
            f"{_init([train], [], masked.get('val'))}"
        )


def parts_pooled(images: Sequence[Path]) -> str | None:
    """Return what to say of a folder whose subfolders are called as parts of a data set are."""
    parts = _parts(images[0]) if len(images) == 1 else {}
    if not {"train", "val"} <= parts.keys():
        return None
    named = " and ".join(path.name for path in parts.values())
    return (
        f"{images[0]} holds {named}: all of them are learned from; to keep one for validation, give them "
        f"apart, as {images[0] / parts['train'].name} with --val {images[0] / parts['val'].name}"
    )


def proposed(folder: Path) -> str | None:
    """Return the command for a folder with images and masks in folders of their own; none if it has none."""
    images, masks = (folder / name for name in _VOC)
    pair = (images, masks) if images.is_dir() and masks.is_dir() else _pair(folder)
    if pair is None:
        pairs = [pair for child in _folders(folder) if (pair := _pair(child))]
        return _init_sites(folder, pairs) if len(pairs) > 1 else None
    parts, of_masks = (_parts(each) for each in pair)
    if "train" in parts and parts.keys() <= of_masks.keys():
        return _init([parts["train"]], [of_masks["train"]], parts.get("val"))
    return _init([pair[0]], [pair[1]])


def _require_no_folder_each(folder: Path) -> None:
    """Refuse a folder for each image or for each site, with pictures and masks below.

    The Data Science Bowl has one picture in each, and a mask for each of its objects.

    Raises:
        UserError: With what to type for it.
    """
    each = [path for path in _folders(folder) if (path / "images").is_dir() and (path / "masks").is_dir()]
    if len(each) < 2:
        return
    if all(len([*image_files(path / "images")]) == 1 for path in each):
        raise UserError(
            f"{folder} holds a folder for each image, with masks of its objects; gather the pictures, "
            f"type: mkdir images && cp {folder}/*/images/* images/ && s4former init images --masks {folder} "
            "--annotations-format mask_files"
        )
    pairs = [(path / "images", path / "masks") for path in each]
    raise UserError(
        f"{folder} holds {len(each)} folders with images and masks of their own; type: "
        f"{_init_sites(folder, pairs)}"
    )


def _pair(folder: Path) -> tuple[Path, Path] | None:
    """Return the folder of images and that of masks, if there is just one of each."""
    holding = [child for child in _folders(folder) if next(image_files(child), None)]
    masks = [child for child in holding if sounds_like_masks(child.name)]
    return (
        (next(c for c in holding if c != masks[0]), masks[0])
        if len(masks) == 1 and len(holding) == 2
        else None
    )


def _parts(folder: Path) -> dict[str, Path]:
    return {_PARTS[path.name]: path for path in _folders(folder) if path.name in _PARTS}


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _init_sites(folder: Path, pairs: Sequence[tuple[Path, Path]]) -> str:
    """Return the command for sites, of which those without masks come last."""
    images = [images for images, _ in pairs]
    alike = [child / name for child in _folders(folder) for name in sorted({path.name for path in images})]
    others = [path for path in alike if path not in images and path.is_dir()]
    return _init([*images, *others], [masks for _, masks in pairs])


def _init(images: Sequence[Path], masks: Sequence[Path], val: Path | None = None) -> str:
    words = [*map(str, images), *(word for path in masks for word in ("--masks", str(path)))]
    return shlex.join(["s4former", "init", *words, *(["--val", str(val)] if val else [])])
