"""Finds out which masks or annotations belong to images that are not described yet."""

from __future__ import annotations

import os
import posixpath
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from s4former.config.errors import DataError, UserError
from s4former.curation.annotations import detect_format
from s4former.data.dataset_yaml import LabeledFiles
from s4former.data.sources.finding import plain
from s4former.data.sources.listing import image_files
from s4former.data.sources.naming import MASK_WORDS, Naming, Rule, guess_rule
from s4former.data.split_lists import first_few

_ROBOFLOW = "_annotations.coco.json"
_PARTS = {"train": "train", "valid": "val", "val": "val", "validation": "val", "test": "test"}


def find_masks(images: Sequence[Path], names: Sequence[str]) -> Path:
    """Find masks whose place is not given: in the same folder, named by a rule or as annotations.

    Raises:
        UserError: If they are not there; the message says what to type.
    """
    among: list[Path] = []
    if len(images) == 1:
        _require_one_part(images[0])
        rule = guess_rule(names, names, one_folder=True)
        if rule and any(word in f"{rule.masks.prefix}{rule.masks.suffix}".lower() for word in MASK_WORDS):
            return images[0]
        if detect_format(images[0]):
            return images[0]
        among = [images[0]] if rule else []
    beside = [
        folder
        for parent in {*images, *(folder.parent for folder in images)}
        for folder in sorted(parent.iterdir())
        if not folder.name.startswith(".") and any(word in folder.name.lower() for word in MASK_WORDS)
    ]
    likely = next(iter([*beside, *among]), None)
    hint = f"for example --masks {likely}" if likely else "--masks DIR, or --masks FILE for annotations"
    raise UserError(
        f"{listed(images)} holds {len(names)} images and no masks that are told by their names; say where "
        f"the masks are, {hint}. Training needs at least one image with a mask"
    )


def annotation_format(path: Path) -> str | None:
    """Return the format of annotations; None if they are masks."""
    holds_text = path.is_file() or any(any(path.rglob(f"*{end}")) for end in (".json", ".xml", ".txt"))
    return detect_format(path) if holds_text else None


def masks_by_name(
    folders: tuple[str, ...], names: Sequence[str], masks: Path, where: str, affixes: Mapping[str, str]
) -> tuple[LabeledFiles, Rule | None]:
    """Return the labeled split whose masks are matched by their names, and the rule if one was guessed.

    Args:
        folders: Of images, as the file is to have them.
        names: Of the images, below their folders.
        masks: The folder of masks.
        where: The same, as the file is to have it.
        affixes: Prefixes and suffixes that a person gave; some: nothing is guessed.

    Raises:
        UserError: If there are no masks.
        DataError: If images have several masks, and nobody said which.
    """
    if masks.suffix.lower() == ".zip":
        raise UserError(f"{masks} is an archive; unpack it, and give what is in it: --masks DIR or FILE")
    mask_names = list(image_files(masks, pictures=where not in folders))
    if not mask_names:
        raise UserError(
            f"{masks} holds neither masks (PNG, TIFF ...) nor annotations (COCO, labelme, CVAT, Label "
            "Studio, YOLO)"
        )
    rule = None
    if not affixes:
        one_folder = where in folders
        rule = guess_rule(names, mask_names, one_folder) or Rule(Naming(), Naming())
        images = [name for name in names if not one_folder or rule.masks.key(name) is None]
        _require_one_mask(images, mask_names if not one_folder else [], masks, rule)
        affixes = rule.affixes
    split = LabeledFiles.model_validate({"images": folders, "masks": (where,), **affixes})
    return split, rule if rule and rule.affixes else None


def _require_one_part(folder: Path) -> None:
    """Refuse a folder of splits, each with annotations of its own, as Roboflow writes it.

    Raises:
        UserError: With what to type for it.
    """
    _require_no_folder_each(folder)
    splits = {_PARTS[path.name]: path for path in folder.iterdir() if path.name in _PARTS}
    splits = {split: path for split, path in splits.items() if (path / _ROBOFLOW).is_file()}
    if "train" in splits:
        train, val = splits["train"], splits.get("val")
        held_out = f" --val {val}" if val else ""
        raise UserError(
            f"{folder} holds splits with annotations of their own (COCO, as Roboflow has it); type: s4former "
            f"init {train} --masks {train / _ROBOFLOW}{held_out}"
        )


def _require_no_folder_each(folder: Path) -> None:
    """Refuse a folder for each image, with its picture and its masks, as the Data Science Bowl has it.

    Raises:
        UserError: With what to type for it.
    """
    each = [path for path in folder.iterdir() if (path / "images").is_dir() and (path / "masks").is_dir()]
    if len(each) > 1:
        raise UserError(
            f"{folder} holds a folder for each image, with masks of its objects; gather the pictures, "
            f"type: mkdir images && cp {folder}/*/images/* images/ && s4former init images --masks {folder} "
            "--annotations-format mask_files"
        )


def _require_one_mask(images: Sequence[str], masks: Sequence[str], folder: Path, rule: Rule) -> None:
    """Refuse masks of which several belong to one image, instead of taking one of them.

    Raises:
        DataError: With the masks, and what to type.
    """
    keys = {key: name for name in images if (key := rule.images.key(name)) is not None}
    of_image: dict[str, list[str]] = defaultdict(list)
    for mask in masks:
        for key in _meant(mask, rule):
            if key in keys or posixpath.basename(key) in keys:
                of_image[key if key in keys else posixpath.basename(key)].append(mask)
                break
    # Of one name but for endings: `Matcher` tells these apart, or says that it cannot.
    several = {key: own for key, own in of_image.items() if len(set(map(plain, own))) > 1}
    if not several:
        return
    key, own = next(iter(several.items()))
    raise DataError(
        f"{len(several)} of {len(keys)} images have several masks, as {keys[key]} has {first_few(own, 4)} in "
        f"{folder}; if each shows one class or object, add --annotations-format mask_files, or to take one "
        f"kind only, {_only(key, own[0], folder, rule.images)}"
    )


def _meant(mask: str, rule: Rule) -> list[str]:
    """Return what the image of a mask may be called: the mask's name, up to or from a sign in it."""
    folder, _, file = mask.rpartition("/")
    stem = os.path.splitext(file)[0]
    cuts = [match.start() for match in re.finditer(r"[^A-Za-z0-9]", stem)]
    stems = [stem, *(stem[:cut] for cut in reversed(cuts)), *(stem[cut + 1 :] for cut in cuts)]
    own = rule.masks.key(mask)
    above = folder.removesuffix("/masks").rpartition("/")[2]  # a folder for each image, its masks below
    names = [f"{folder}/{each}" if folder else each for each in stems]
    return [*([own] if own is not None else []), *names, *([above] if above else [])]


def _only(key: str, mask: str, folder: Path, images: Naming) -> str:
    """Return the options that take one of several masks of an image."""
    below, _, file = mask.rpartition("/")
    stem, ending = os.path.splitext(file)
    name = posixpath.basename(key)
    before, found, after = stem.partition(name)
    if found and (before or after):
        options = {"--image-prefix": images.prefix, "--image-suffix": images.suffix}
        options |= {"--mask-prefix": before, "--mask-suffix": after}
        return " ".join(f"{option} {value}" for option, value in options.items() if value)
    return f"--masks {folder / below}" if below and not key.startswith(below) else f"--mask-suffix {ending}"


def val_folder(
    val: Path, images: Sequence[Path], masks: Path, labeled: LabeledFiles, root: Path
) -> LabeledFiles:
    """Return the split in a folder of images whose masks lie beside the others, or that holds both.

    Raises:
        UserError: If it is neither.
    """
    pairs = [
        (val / images[0].name, val / masks.name),
        (val / "images", val / "masks"),
        (val, masks.parent / val.name),
        *([(val, val / masks.name)] if labeled.annotations else []),  # which may lie among the images
    ]
    for own_images, own_masks in pairs:
        together = own_images == own_masks
        if not own_images.is_dir() or not own_masks.exists() or (together and not labeled.annotations):
            continue
        if not together or detect_format(own_masks):
            update: dict[str, object] = {"images": (relative(own_images, root),)}
            where = relative(own_masks, root)
            update |= {"annotations": where} if labeled.annotations else {"masks": (where,)}
            return labeled.model_copy(update=update)
    expected = ", or ".join(f"{one} and {other}" for one, other in dict.fromkeys(pairs) if one != other)
    raise UserError(
        f"--val {val} should be a share such as 0.2, or a folder with images and masks of its own: {expected}"
    )


def relative(path: Path, root: Path) -> str:
    """Return a path as seen from a folder; whole where there is no way, as between two drives."""
    try:
        return Path(os.path.relpath(path, root)).as_posix()
    except ValueError:
        return path.resolve().as_posix()


def listed(paths: Sequence[Path]) -> str:
    """Return paths for a message."""
    return ", ".join(map(str, paths))
