"""Looks at folders that are not described yet, and finds what a ``dataset.yaml`` should say of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from s4former.config.errors import DataError, UserError
from s4former.curation.annotations import FORMATS, class_names
from s4former.curation.init.holding_out import choose_val, classes_shown, share_count
from s4former.curation.init.image_survey import Notes, counted, pixel_fields
from s4former.curation.init.layouts import parts_pooled
from s4former.curation.init.mask_survey import survey_masks
from s4former.curation.init.masks_or_annotations import choose_kind
from s4former.curation.init.naming import with_names
from s4former.curation.init.other_files import masks_beside, not_read, unlabeled_files
from s4former.curation.init.pairs import (
    find_masks,
    listed,
    masks_by_name,
    relative,
    val_folder,
)
from s4former.curation.init.suggestion import suggest_classes
from s4former.curation.sources import annotated_masks
from s4former.data.classes import Classes
from s4former.data.config import DataConfig
from s4former.data.dataset_yaml import ClassEntry, DatasetFile, LabeledFiles
from s4former.data.progress import Report, silent
from s4former.data.sources.labels import LabelMap
from s4former.data.sources.layout import Layout
from s4former.data.sources.listing import image_files
from s4former.data.sources.matching import Found, Matcher
from s4former.data.split_lists import EXPECTED, require_utf8


@dataclass(frozen=True)
class Description:
    """A data set as found.

    Attributes:
        file: What ``dataset.yaml`` should say.
        val_lists: Labeled images that were chosen to be held out, for the list of each data set that is to
            be written; none: no list.
        found: What was seen, one sentence each.
        decided: What was decided and how to change it, one sentence each.
    """

    file: DatasetFile
    val_lists: tuple[tuple[str, ...], ...]
    found: tuple[str, ...]
    decided: tuple[str, ...]


def describe(
    images: Sequence[Path],
    masks: Path | Sequence[Path] | None,
    val: Path | float | None,
    root: Path,
    report: Report = silent,
    *,
    folds: int = 0,
    format: str | None = None,
    affixes: Mapping[str, str] = MappingProxyType({}),
) -> Description:
    """Look at the files and return what they seem to be.

    Args:
        images: Folders of images.
        masks: A folder of masks, or one for each folder of images, in the same order; or annotations, a
            file or a folder; none: looked for among the images.
        val: A folder with ``images`` and ``masks`` to validate on, or the share of the labeled images to hold
            out; none: a fifth if there are at least ten, else nothing.
        root: Folder that the ``dataset.yaml`` will lie in.
        report: Called with how far it is.
        folds: Number of choices of images to hold out; 0: there is one.
        format: Of the annotations; none: found out from the files.
        affixes: Prefixes and suffixes of names, see `LabeledFiles`; none: found out from the names.

    Raises:
        UserError: If a folder is missing or no masks are found.
        DataError: If masks are bad or belong to no image.
    """
    notes, names = Notes(), _names_of(images)
    several = [masks] if isinstance(masks, Path) else [*(masks or [find_masks(images, names)])]
    masks, guessed = several[0], not affixes
    for each in several:
        if not each.exists():
            raise UserError(f"there is no folder or file of masks {each}")
    format, affixes = choose_kind(images, names, masks, _known(format), affixes, notes)
    labeled, entries = _labeled(images, names, several, root, format, affixes, notes)
    draft = DatasetFile(names=entries, labeled=labeled)
    held_out = val_folder(val, images, masks, labeled, root) if isinstance(val, Path) else None
    matcher = Matcher(Layout(DataConfig(source="dataset", root=str(root)), draft, draft.classes, "init"))
    files = matcher.images(labeled, "labeled")
    folders = tuple(relative(folder, root) for folder in images)
    unlabeled = unlabeled_files(matcher, labeled, folders, guessed, notes)
    pooled = None if isinstance(val, Path) else parts_pooled(images)
    notes.decided += [pooled] if pooled else []
    notes.found += not_read([*images, *several])
    draft = draft.model_copy(update={"unlabeled": unlabeled})
    pictures = matcher.images(unlabeled, "unlabeled").files.values()
    changes = pixel_fields([Path(file) for file in pictures], notes, report)
    draft = draft.model_copy(update=changes)
    if format:
        own = _drawn(draft, labeled, files, root, notes, report)
    else:
        own, said = _masks(matcher, labeled, "labeled")
        notes.found += [f"{len(own)} of {len(pictures)} images have a mask", *said]
        more, _ = _masks(matcher, held_out, "val") if held_out else ({}, [])
        classes = _classes_in(masks, [Path(file) for file in (*own.values(), *more.values())], notes, report)
        draft = draft.model_copy(update=classes)
    val_lists: list[tuple[str, ...]] = []
    if held_out:
        draft = draft.model_copy(update={"val": held_out})
    elif not isinstance(val, Path):
        indexed = Classes(draft.class_names, draft.classes.colors) if format else draft.classes
        first = len(own) if folds else share_count(len(own), val)
        shown = classes_shown(own, LabelMap(indexed), first, report)
        val_lists = choose_val(tuple(own), shown, val, folds, notes.decided)
    return Description(draft, tuple(val_lists), tuple(notes.found), tuple(notes.decided))


def _names_of(images: Sequence[Path]) -> list[str]:
    """Return the paths of the images in their folders."""
    for folder in images:
        if not folder.is_dir():
            raise UserError(f"there is no folder of images {folder}")
    names = [file for folder in images for file in image_files(folder)]
    if not names:
        raise UserError(f"no image is in {listed(images)}; {EXPECTED}")
    require_utf8(names)
    return names


def _labeled(
    images: Sequence[Path],
    names: Sequence[str],
    masks: Sequence[Path],
    root: Path,
    format: str | None,
    affixes: Mapping[str, str],
    notes: Notes,
) -> tuple[LabeledFiles, tuple[ClassEntry, ...]]:
    """Return where the labeled images are, and the classes that annotations name, if there are some."""
    folders, where = (tuple(relative(path, root) for path in paths) for paths in (images, masks))
    if format and len(masks) > 1:
        raise UserError(f"{masks[0]} holds annotations ({format}), and there can be one of them; give one")
    if format:
        classes = _annotated_classes(masks[0], format, notes)
        said = {"annotations_format": format, "outside": classes[0].name}
        files = {"images": folders, "annotations": where[0], **said, **affixes}
        return LabeledFiles.model_validate(files), classes
    labeled, rule = masks_by_name(folders, images, masks, where, affixes)
    if {*where}.isdisjoint(folders):
        masks_beside(names, notes)
    if rule:
        notes.decided.append(f"which mask belongs to which image is told by their names: {rule}")
    return labeled, (ClassEntry(name="unknown"),)


def _drawn(
    draft: DatasetFile, labeled: LabeledFiles, files: Found, root: Path, notes: Notes, report: Report
) -> dict[str, str]:
    """Return the masks that are made of the annotations."""
    own, said = annotated_masks(
        root,
        "labeled",
        labeled,
        files,
        draft.class_names,
        draft.outside_index(labeled),
        draft.channels,
        lambda done, of: report("drawing masks", done, of),
    )
    notes.found += [f"{len(own)} of {len(files.files)} images are annotated", *said]
    return own


def _masks(matcher: Matcher, split: LabeledFiles, name: str) -> tuple[dict[str, str], list[str]]:
    found = matcher.images(split, name)
    return matcher.masks(split, name, found, found.files, {})


def _classes_in(folder: Path, masks: Sequence[Path], notes: Notes, report: Report) -> dict[str, object]:
    """Return the classes that masks suggest, by the names that lie beside them, and the values to ignore."""
    survey = survey_masks(masks, report)
    if len(survey.looks) < survey.of:
        notes.found.append(f"looked at {len(survey.looks)} of {survey.of} masks; others may hold more values")
    notes.found.append(f"masks: {counted(survey.kinds)}")
    suggestion = with_names(suggest_classes(survey), survey, folder)
    notes.decided += suggestion.said
    return {"names": suggestion.names, "ignore": suggestion.ignore}


def _known(format: str | None) -> str | None:
    try:
        if format:
            FORMATS.config_class(format)
    except ValueError as error:
        raise UserError(f"--annotations-format: {error}") from None
    return format


def _annotated_classes(path: Path, format: str, notes: Notes) -> tuple[ClassEntry, ...]:
    names = class_names(path, format)
    if not names:
        raise DataError(f"{path} ({format}) names no class; nothing can be learned from it")
    notes.found.append(f"annotations: {format}, with {len(names)} class{'es' * (len(names) > 1)}")
    spelled = Counter(name.strip().casefold() for name in names)
    alike = [name for name in names if spelled[name.strip().casefold()] > 1]
    if alike:
        notes.decided.append(
            f"{', '.join(alike)} are taken for different classes; if they are one, spell them alike in the "
            "annotations"
        )
    alike = sorted((name for name in names if name.casefold() == "background"), reverse=True)
    drawn = alike[0] if alike else None  # in lower case if it is there
    background = drawn or "background"
    notes.decided.append(
        f"pixels in no shape are taken for {background}, the first class; write outside: ignore if they are "
        "unknown"
    )
    return tuple(ClassEntry(name=name) for name in (background, *(name for name in names if name != drawn)))
