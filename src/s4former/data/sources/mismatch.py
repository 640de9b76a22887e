"""Messages and advice where the names of images and masks do not fit each other."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Sequence
from pathlib import PurePath

from s4former.data.dataset_yaml import ImageFiles, LabeledFiles
from s4former.data.sources.layout import Layout
from s4former.data.sources.naming import Naming, Rule, guess_rule, likely_rules, sounds_like_masks
from s4former.data.split_lists import EXPECTED, first_few

_AFFIXES = ("mask_prefix", "mask_suffix", "image_prefix", "image_suffix")
_SHOWN = 4


def no_images(layout: Layout, split: ImageFiles, name: str) -> str:
    """Return the message for the case that a split's folders hold no image of it."""
    folders = _listed(layout, split.images)
    names = layout.names(split, name, "images")
    if not names:
        field = layout.field(name, "images")
        return f"there is no image in {folders}; {EXPECTED} ({field})"
    fields = ", ".join(layout.field(name, affix) for affix in ("image_prefix", "image_suffix"))
    return (
        f"none of the {len(names)} files in {folders} is an image of {name}: their names, such as "
        f"{PurePath(names[0]).name}, do not fit {Naming(split.image_prefix, split.image_suffix)} ({fields}), "
        "or they are masks"
    )


def same_name(layout: Layout, split: ImageFiles, name: str, files: Sequence[str], among_masks: bool) -> str:
    """Return the message about two images that one name means."""
    text = f"{files[0]} and {files[1]} differ in nothing but the ending"
    if isinstance(split, LabeledFiles) and among_masks:
        return f"{text}; if one is the mask of the other, {advice(layout, split, name)}"
    only = layout.setting(name, "image_suffix", os.path.splitext(files[0])[1])
    return f"{text}; remove one, or write {only} to take only these"


def no_masks(layout: Layout, split: LabeledFiles, name: str, images: Sequence[str]) -> str:
    """Return the message for the case that none of a split's images has a mask.

    Args:
        layout: The folders.
        split: The split.
        name: Its name.
        images: Paths of its images.
    """
    folders, field = _listed(layout, split.masks), layout.field(name, "masks")
    masks = layout.names(split, name, "masks")
    if not masks:
        return f"there is no mask in {folders}; {EXPECTED} ({field})"
    naming = Naming(split.mask_prefix, split.mask_suffix)
    if all(naming.key(mask) is None for mask in masks):
        affixes = " and ".join(layout.field(name, affix) for affix in ("mask_prefix", "mask_suffix"))
        return (
            f"no mask in {folders} is called {naming} (there is {masks[0]}); change {affixes}, or what "
            f"{field} says"
        )
    hint = advice(layout, split, name)
    flat_images, flat_masks = ([PurePath(file).name for file in files] for files in (images, masks))
    if _settings(layout, split, name) == "" and (rule := guess_rule(flat_images, flat_masks)):
        deeper = _deeper(layout, split, name, rule)
        hint = "their subfolders differ: give masks the subfolders of their images" + (
            f", or write {deeper}" if deeper else ""
        )
    return (
        f"none of {len(masks)} masks in {folders} belongs to one of {len(images)} images: masks are "
        f"called {first_few(masks, 2)}, images {first_few([*images], 2)}; {hint}"
    )


def own_mask(layout: Layout, split: LabeledFiles, name: str, image: str) -> str:
    """Return the message about an image that is found as its own mask."""
    return (
        f"{image} would be its own mask, as {layout.field(name, 'images')} and {layout.field(name, 'masks')} "
        f"are one folder; {advice(layout, split, name)}"
    )


def several_masks(layout: Layout, name: str, image: str, masks: Sequence[str]) -> str:
    """Return the message about an image with more than one mask."""
    count = {2: "two", 3: "three"}.get(len(masks), str(len(masks)))
    only = layout.setting(name, "mask_suffix", os.path.splitext(masks[0])[1])
    return f"{image} has {count} masks, {' and '.join(masks)}; remove one, or write {only} to take only these"


def shared_mask(layout: Layout, name: str, mask: str, images: Sequence[str]) -> str:
    """Return the message about two images, of different folders, that one mask fits."""
    field = layout.field(name, "masks")
    both = (
        f"{field} ONE {field} OTHER"
        if layout.said_in == "init"
        else layout.setting(name, "masks", "[ONE, OTHER]")
    )
    return (
        f"{mask} would be the mask of both {images[0]} and {images[1]}; give each folder of images its "
        f"folder of masks, in the same order ({both}; one may stand twice)"
    )


def how_paired(unused: list[str], by_number: Sequence[tuple[str, str]]) -> list[str]:
    """Return what a person should know of masks that have an image, or none, by less than their whole name.

    Args:
        unused: Masks that belong to no image.
        by_number: Images, with their masks, whose numbers have other zeros before them.
    """
    said = []
    if by_number:
        image, mask = (PurePath(file).name for file in by_number[0])
        said.append(
            f"{len(by_number)} masks belong to their images by number, with other zeros before it: {mask} "
            f"to {image}"
        )
    if unused:
        said.append(f"{len(unused)} masks belong to no image: {first_few(unused, 3)}")
    return said


def advice(layout: Layout, split: LabeledFiles, name: str) -> str:
    """Return how to say which mask belongs to which image."""
    settings = _settings(layout, split, name) or _likely(layout, split, name)
    if settings:
        return f"their names suggest: {settings}"
    fields = ", ".join(layout.field(name, affix) for affix in _AFFIXES)
    return f"write what their names start or end with ({fields})"


def _settings(layout: Layout, split: LabeledFiles, name: str) -> str:
    """Return the fields that names suggest; nothing if they suggest no rule, or the plain one."""
    images, masks = (layout.names(split, name, kind) for kind in ("images", "masks"))
    rule = guess_rule(images, masks, _in_one_folder(layout, split))
    return layout.settings(name, rule.affixes) if rule else ""


def _in_one_folder(layout: Layout, split: LabeledFiles) -> bool:
    return not {*map(layout.path, split.images)}.isdisjoint(map(layout.path, split.masks))


def _deeper(layout: Layout, split: LabeledFiles, name: str, rule: Rule) -> str:
    """Return the fields with the subfolders in which names fit; nothing if they fit in several."""
    namings = {"images": rule.images, "masks": rule.masks}
    places: dict[str, dict[str, set[str]]] = {}
    for kind, naming in namings.items():
        places[kind] = {}
        for below in layout.names(split, name, kind):
            folder, _, file = below.rpartition("/")
            if (key := naming.key(file)) is not None and not (kind == "images" and sounds_like_masks(folder)):
                places[kind].setdefault(key, set()).add(folder)
    both = places["images"].keys() & places["masks"].keys()
    found = {kind: {place for key in both for place in places[kind][key]} for kind in namings}
    values = {}
    for kind, where in found.items():
        (folder, *more), given = sorted(where) or [""], getattr(split, kind)
        if more or len(given) > 1:
            return ""
        if folder:
            deeper = posixpath.join(given[0], folder)
            values[kind] = str(layout.path(deeper)) if layout.said_in == "init" else deeper
    return layout.settings(name, values)


def _likely(layout: Layout, split: LabeledFiles, name: str) -> str:
    """Return the fields of each rule that some of the names suggest; nothing if they suggest none."""
    if _in_one_folder(layout, split):
        return ""
    rules = likely_rules(*(layout.names(split, name, kind) for kind in ("images", "masks")))
    return ", or ".join(layout.settings(name, rule.affixes) for rule in rules[:_SHOWN])


def _listed(layout: Layout, folders: Sequence[str]) -> str:
    return ", ".join(str(layout.path(folder)) for folder in folders)
