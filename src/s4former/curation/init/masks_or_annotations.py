"""Decides between masks and annotations where both are there, and says what is not used."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from s4former.curation.annotations import class_names
from s4former.curation.init.image_survey import Notes
from s4former.curation.init.pairs import annotation_format, rule_of_masks
from s4former.data.sources.listing import image_files
from s4former.data.sources.naming import Naming, Rule, guess_rule

_LOSSY = (".jpg", ".jpeg", ".jfif")
"""What cannot hold classes, so that it is no mask, whatever it is called."""


def choose_kind(
    images: Sequence[Path],
    names: Sequence[str],
    masks: Path,
    format: str | None,
    affixes: Mapping[str, str],
    notes: Notes,
) -> tuple[str | None, Mapping[str, str]]:
    """Return the format of the annotations, None for masks, and the prefixes and suffixes of names.

    Annotations come before masks, unless they name no class or a person typed how masks are called. Where
    they do, files among the images that are called masks are neither: their prefix or suffix is returned.

    Args:
        images: Folders of images.
        names: Of the images, below their folders.
        masks: The folder or file that a person gave, or that was found.
        format: Of the annotations, if a person gave it.
        affixes: Prefixes and suffixes that a person gave.
        notes: Hears what is not used.

    Raises:
        DataError: If annotations are broken, or several files annotate all images.
    """
    typed = any(name.startswith("mask_") for name in affixes)
    found = format or (None if typed and masks.is_dir() else annotation_format(masks))
    if found is None or typed:
        return found, affixes
    among, below = _called_masks(names), _masks_below(masks, images, names)
    if format is None and (among or below) and not class_names(masks, found):
        notes.decided.append(f"the {found} files in {masks} name no class, so the masks are taken")
        return None, affixes
    if below and found != "mask_files":
        notes.found.append(
            f"{masks} holds {found} annotations, which are taken, and {len(below)} masks, as {below[0]}, "
            f"which are not; to take the masks, {_how_to_take(below)}"
        )
    if among is None:
        return found, affixes
    rule, own = among
    called = {name: text for name, text in rule.affixes.items() if name.startswith("mask_")}
    options = " ".join(f"--{name.replace('_', '-')} {text}" for name, text in rule.affixes.items())
    where = f"--masks {images[0]} " if len(images) == 1 else ""
    notes.found.append(
        f"{found} annotations are taken, and {len(own)} files among the images, as {own[0]}, are not: they "
        f"are called masks, so they are no images either; to take these masks, {where}{options}"
    )
    return found, {**called, **affixes}


def _called_masks(names: Sequence[str]) -> tuple[Rule, list[str]] | None:
    """Return the rule by which some files among the images are masks of others, and these files."""
    rule = rule_of_masks(names)
    return (rule, [name for name in names if rule.masks.key(name) is not None]) if rule else None


def _masks_below(masks: Path, images: Sequence[Path], names: Sequence[str]) -> list[str]:
    """Return the files in a folder of annotations that are called after images, and are none themselves."""
    if masks.is_file() or any(folder.resolve().is_relative_to(masks.resolve()) for folder in images):
        return []
    held = [name for name in image_files(masks, pictures=True) if not name.lower().endswith(_LOSSY)]
    rule = (guess_rule(names, held) if held else None) or Rule(Naming(), Naming())
    keys = {rule.images.key(name) for name in names} - {None}
    return [name for name in held if rule.masks.key(name) in keys]


def _how_to_take(masks: Sequence[str]) -> str:
    endings = {os.path.splitext(name)[1] for name in masks}
    return f"--mask-suffix {endings.pop()}" if len(endings) == 1 else "give a folder that holds masks alone"
