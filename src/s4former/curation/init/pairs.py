"""Finds out which masks or annotations belong to images that are not described yet."""

from __future__ import annotations

import os
import posixpath
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path

from s4former.config.errors import DataError, UserError
from s4former.curation.annotations import detect_format
from s4former.curation.init.layouts import proposed, require_one_part
from s4former.data.dataset_yaml import LabeledFiles
from s4former.data.sources.finding import plain
from s4former.data.sources.listing import image_files
from s4former.data.sources.naming import Rule, guess_rule, sounds_like_masks
from s4former.data.split_lists import SUFFIXES, first_few

_NOT_READ = {
    ".nii": ("NIfTI volumes", "save each slice as a PNG or .npy mask that is called as its image"),
    ".nii.gz": ("NIfTI volumes", "save each slice as a PNG or .npy mask that is called as its image"),
    ".geojson": ("shapes of a map", "burn them into a GeoTIFF of the image's size, as gdal_rasterize does"),
    ".csv": ("tables of masks", "write a PNG mask for each image, its run lengths decoded"),
    ".jpg.json": ("Supervisely's files", "export as COCO or as PNG masks"),
    ".png.json": ("Supervisely's files", "export as COCO or as PNG masks"),
    ".json": ("JSON files of this kind", "export as COCO or labelme (VIA: Annotation, Export as COCO)"),
}
"""Labels by the ending of their files: what they are, and what to do."""


def find_masks(images: Sequence[Path], names: Sequence[str]) -> Path:
    """Find masks whose place is not given: in the same folder, named by a rule or as annotations.

    Raises:
        UserError: If they are not there; the message says what to type.
    """
    among: list[Path] = []
    if len(images) == 1:
        require_one_part(images[0])
        rule = guess_rule(names, names, one_folder=True)
        if (rule and _says_masks(rule)) or detect_format(images[0]):
            return images[0]
        among = [images[0]] if rule else []
    beside = [
        folder
        for parent in {*images, *(folder.parent for folder in images)}
        for folder in sorted(parent.iterdir())
        if folder.is_dir() and not folder.name.startswith(".") and sounds_like_masks(folder.name)
    ]
    likely = next(iter([*beside, *among]), None)
    hint = f"for example --masks {likely}" if likely else "--masks DIR, or --masks FILE for annotations"
    if len(images) == 1 and (command := proposed(images[0])):
        hint = f"type: {command}"
    raise UserError(
        f"{listed(images)} holds {len(names)} images and no masks that are told by their names; say where "
        f"the masks are, {hint}. Training needs at least one image with a mask"
    )


def rule_of_masks(names: Sequence[str]) -> Rule | None:
    """Return the rule by which files of one folder say that they are masks of others; none if none do."""
    rule = guess_rule(names, names, one_folder=True)
    return rule if rule and _says_masks(rule) else None


def _says_masks(rule: Rule) -> bool:
    return sounds_like_masks(f"{rule.masks.prefix} {rule.masks.suffix}")


def annotation_format(path: Path) -> str | None:
    """Return the format of annotations; None if they are masks."""
    holds_text = path.is_file() or any(any(path.rglob(f"*{end}")) for end in (".json", ".xml", ".txt"))
    return detect_format(path) if holds_text else None


def masks_by_name(
    folders: tuple[str, ...],
    images: Sequence[Path],
    masks: Sequence[Path],
    where: tuple[str, ...],
    affixes: Mapping[str, str],
) -> tuple[LabeledFiles, Rule | None]:
    """Return the labeled split whose masks are matched by their names, and the rule if one was guessed.

    Args:
        folders: Of images, as the file is to have them.
        images: The same.
        masks: The folder of masks, or one for each folder of images; folders of images without come last.
        where: The same, as the file is to have it.
        affixes: Prefixes and suffixes that a person gave; some: nothing is guessed.

    Raises:
        UserError: If there are no masks.
        DataError: If images have several masks, and nobody said which.
    """
    if 1 < len(masks) != len(images):
        if len(masks) > len(images):
            raise UserError(
                f"there are {len(images)} folders of images and {len(masks)} of masks; give one folder of "
                "masks for all, or one for each folder of images in the same order"
            )
        folders, images = folders[: len(masks)], images[: len(masks)]
    mask_names = [
        [*_mask_files(folder, images, among=place in folders)]
        for folder, place in zip(masks, where, strict=True)
    ]
    names = [[*image_files(folder)] for folder in images]
    rule = None
    if not affixes:
        one_folder = not {*where}.isdisjoint(folders)
        rule = guess_rule([*chain(*names)], [*chain(*mask_names)], one_folder) or Rule()
        pairs = zip(names, mask_names, masks, strict=True)
        for own, those, folder in pairs if len(masks) > 1 else [([*chain(*names)], mask_names[0], masks[0])]:
            kept = [name for name in own if not one_folder or rule.masks.key(name) is None]
            _require_one_mask(kept, those if not one_folder else [], folder, rule)
        affixes = rule.affixes
    split = LabeledFiles.model_validate({"images": folders, "masks": where, **affixes})
    return split, rule if rule and rule.affixes else None


def _mask_files(folder: Path, images: Sequence[Path], among: bool) -> list[str]:
    """Return the masks of a folder.

    Raises:
        UserError: If it is none, or holds none.
    """
    if folder.suffix.lower() == ".zip":
        raise UserError(f"{folder} is an archive; unpack it, and give what is in it: --masks DIR or FILE")
    if folder.is_file() and folder.suffix.lower() in SUFFIXES:
        raise UserError(f"{folder} is one mask; give its folder: --masks {folder.parent}")
    found = list(image_files(folder, pictures=not among))
    if not found:
        command = proposed(images[0]) or proposed(folder.parent)
        how = f"type: {command}" if command else _how_to_export(folder)
        raise UserError(
            f"{folder} holds neither masks (PNG, TIFF ...) nor annotations (COCO, labelme, CVAT, Label "
            f"Studio, YOLO); {how}"
        )
    return found


def _how_to_export(path: Path) -> str:
    """Return what to do with labels in a form that is not read, told by their names alone."""
    files = [path] if path.is_file() else sorted(each for each in path.iterdir() if each.is_file())
    for ending, (what, how) in _NOT_READ.items():
        if any(each.name.lower().endswith(ending) for each in files):
            return f"{what} are not read: {how}"
    return "export them as PNG masks or as COCO from the program that they were drawn with"


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
        f"kind only, {_only(key, own[0], folder, rule)}"
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


def _only(key: str, mask: str, folder: Path, rule: Rule) -> str:
    """Return the options that take one of several masks of an image."""
    below, _, file = mask.rpartition("/")
    stem, ending = os.path.splitext(file)
    name = posixpath.basename(key)
    before, found, after = stem.partition(name)
    if found and (before or after):
        options = {"--image-prefix": rule.images.prefix, "--image-suffix": rule.images.suffix}
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
    one_folder = labeled.masks == labeled.images
    pairs = [
        (val / images[0].name, val / masks.name),
        (val / "images", val / "masks"),
        (val, masks.parent / val.name),
        *([(val, val)] if one_folder else []),
        *([(val, val / masks.name)] if labeled.annotations else []),  # which may lie among the images
    ]
    for own_images, own_masks in pairs:
        together = own_images == own_masks
        if (
            not own_images.is_dir()
            or not own_masks.exists()
            or (together and labeled.masks and not one_folder)
        ):
            continue
        if not together or one_folder or detect_format(own_masks):
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
