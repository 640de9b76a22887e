"""Looks at folders that nobody has described, and finds what a ``dataset.yaml`` should say of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from types import MappingProxyType

from s4former.config.errors import DataError, UserError
from s4former.curation.annotations import FORMATS, class_names
from s4former.curation.annotations.masks import annotated_masks
from s4former.curation.annotations.sizes import displayed_size
from s4former.curation.init.holding_out import choose_val, classes_shown
from s4former.curation.init.mask_survey import survey_masks
from s4former.curation.init.pairs import (
    annotation_format,
    find_masks,
    listed,
    masks_by_name,
    relative,
    val_folder,
)
from s4former.curation.init.suggestion import suggest_classes
from s4former.data.classes import Classes
from s4former.data.config import DataConfig
from s4former.data.dataset_yaml import ClassEntry, DatasetFile, ImageFiles, LabeledFiles
from s4former.data.progress import Report, silent
from s4former.data.sources.base import Image
from s4former.data.sources.decode import decode_image
from s4former.data.sources.labels import LabelMap
from s4former.data.sources.layout import Layout
from s4former.data.sources.listing import image_files
from s4former.data.sources.matching import Matcher
from s4former.data.sources.raster import ValueRange, count_channels, is_plain
from s4former.data.sources.tiff import declared_nodata
from s4former.data.split_lists import EXPECTED
from s4former.data.statistics import channel_statistics, measure_value_range, spread

_SAMPLE = 200
_LARGE = 50_000_000


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


@dataclass
class _Notes:
    found: list[str] = field(default_factory=list)
    decided: list[str] = field(default_factory=list)


def describe(
    images: Sequence[Path],
    masks: Path | None,
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
        masks: A folder of masks, or annotations, a file or a folder; none: looked for among the images.
        val: A folder with ``images`` and ``masks`` to validate on, or the share of the labeled images to hold
            out; none: a fifth if there are at least ten, else nothing.
        root: Folder that the ``dataset.yaml`` will lie in.
        report: Hears how far it is.
        folds: Number of choices of images to hold out; 0: there is one.
        format: Of the annotations; none: found out from the files.
        affixes: Prefixes and suffixes of names, see `LabeledFiles`; none: found out from the names.

    Raises:
        UserError: If a folder is missing or no masks are found.
        DataError: If masks are bad or belong to no image.
    """
    notes = _Notes()
    for folder in images:
        if not folder.is_dir():
            raise UserError(f"there is no folder of images {folder}")
    names = [file for folder in images for file in image_files(folder)]
    if not names:
        raise UserError(f"no image is in {listed(images)}; {EXPECTED}")
    masks = masks or find_masks(images, names)
    if not masks.exists():
        raise UserError(f"there is no folder or file of masks {masks}")
    folders = tuple(relative(folder, root) for folder in images)
    format = _known(format) or annotation_format(masks)
    if format:
        where = relative(masks, root)
        labeled = LabeledFiles(
            images=folders, annotations=where, annotations_format=format, outside="background"
        )
        entries = _annotated_classes(masks, format, notes)
    else:
        labeled, rule = masks_by_name(folders, names, masks, relative(masks, root), affixes)
        if rule:
            notes.decided.append(f"which mask belongs to which image is told by their names: {rule}")
        entries = (ClassEntry(name="unknown"),)
    unlabeled = ImageFiles(**labeled.model_dump(include={"images", "image_prefix", "image_suffix"}))
    draft = DatasetFile(names=entries, labeled=labeled, unlabeled=unlabeled)
    held_out = val_folder(val, images, masks, labeled, root) if isinstance(val, Path) else None
    matcher = Matcher(Layout(DataConfig(source="dataset", root=str(root)), draft, draft.classes, "init"))
    files = matcher.images(labeled, "labeled")
    changes = _pixels([Path(file) for file in files.files.values()], notes, report)
    draft = draft.model_copy(update=changes)
    if format:
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
    else:
        own = _masks(matcher, labeled, "labeled")
        notes.found.append(f"{len(own)} of {len(files.files)} images have a mask")
        more = _masks(matcher, held_out, "val") if held_out else {}
        changes |= _classes_in([Path(file) for file in (*own.values(), *more.values())], notes, report)
    draft = draft.model_copy(update=changes)
    val_lists: list[tuple[str, ...]] = []
    if held_out:
        draft = draft.model_copy(update={"val": held_out})
    elif not isinstance(val, Path):
        classes = Classes(draft.class_names, draft.classes.colors) if format else draft.classes
        shown = classes_shown(own, LabelMap(classes), report)
        val_lists = choose_val(tuple(own), shown, val, folds, notes.decided)
    return Description(draft, tuple(val_lists), tuple(notes.found), tuple(notes.decided))


def _masks(matcher: Matcher, split: LabeledFiles, name: str) -> dict[str, str]:
    found = matcher.images(split, name)
    return matcher.masks(split, name, found, found.files, {})[0]


def _classes_in(masks: Sequence[Path], notes: _Notes, report: Report) -> dict[str, object]:
    """Return the classes that masks suggest, and the values to ignore."""
    survey = survey_masks(masks, report)
    if len(survey.looks) < survey.of:
        notes.found.append(f"looked at {len(survey.looks)} of {survey.of} masks; others may hold more values")
    notes.found.append(f"masks: {_counted(survey.kinds)}")
    suggestion = suggest_classes(survey)
    notes.decided += suggestion.said
    return {"names": suggestion.names, "ignore": suggestion.ignore}


def _known(format: str | None) -> str | None:
    try:
        if format:
            FORMATS.config_class(format)
    except ValueError as error:
        raise UserError(f"--annotations-format: {error}") from None
    return format


def _annotated_classes(path: Path, format: str, notes: _Notes) -> tuple[ClassEntry, ...]:
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
    if "background" in names:
        names.remove("background")
    notes.decided.append(
        "pixels in no shape are taken for background, the first class; write outside: ignore if they are "
        "unknown"
    )
    return tuple(ClassEntry(name=name) for name in ("background", *names))


@dataclass
class _Looks:
    """Images whose headers were read: files, sizes, how many have which channels, and if any is not plain."""

    files: list[Path] = field(default_factory=list)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    channels: Counter[int] = field(default_factory=Counter)
    deep: bool = False


def _look(files: Sequence[Path], notes: _Notes, report: Report) -> _Looks:
    """Look at some images; what cannot be read is reported.

    Raises:
        DataError: If none can be read.
    """
    chosen = spread(files, _SAMPLE)
    seen, bad = _Looks(), []
    for number, file in enumerate(chosen, 1):
        report("looking at images", number, len(chosen))
        try:
            plain = is_plain(file, 3)
            count = 3 if plain else count_channels(file)
            seen.sizes.append(displayed_size(file, count))
        except DataError as error:
            bad.append(str(error))
            continue
        seen.files.append(file)
        seen.channels[count] += 1
        seen.deep |= not plain
    if not seen.files:
        raise DataError(f"none of {len(chosen)} images can be read: {bad[0]}")
    if bad:
        notes.found.append(f"{len(bad)} of {len(chosen)} images that were looked at are broken: {bad[0]}")
    notes.found.append(f"{len(files)} image{'s' * (len(files) > 1)}, {_sizes(seen.sizes)}")
    pixels = max(height * width for height, width in seen.sizes)
    if pixels > _LARGE:
        notes.found.append(
            f"the largest image has {pixels / 1e6:.0f} million pixels: whenever it is read, it takes "
            f"{3 * pixels / 2**30:.1f} GiB and seconds; tiles of some 2000 x 2000 pixels train much faster"
        )
    return seen


def _sizes(sizes: Sequence[tuple[int, int]]) -> str:
    """Return how large images are, in words."""
    heights, widths = zip(*sizes, strict=True)
    usual = f"{median(heights):g} x {median(widths):g}"
    if len(set(sizes)) == 1:
        return f"{usual} pixels (height x width)"
    return (
        f"{min(heights)} to {max(heights)} pixels high and {min(widths)} to {max(widths)} wide, {usual} as "
        "a rule"
    )


def _pixels(files: Sequence[Path], notes: _Notes, report: Report) -> dict[str, object]:
    """Return channels, range and statistics of images that are not plain 8-bit color or gray.

    Raises:
        DataError: If images differ in their number of channels.
    """
    seen = _look(files, notes, report)
    channels = seen.channels
    held = {count for count in channels if count not in (1, 3)}
    if len(held) > 1 or (held and channels.keys() & {1, 3}):
        raise DataError(f"images differ in their number of channels: {_counted(channels)}; train on one kind")
    count = held.pop() if held else 3
    value_range: ValueRange | None = measure_value_range(seen.files, count) if seen.deep else None
    found: dict[str, object] = {"channels": count, "value_range": value_range}
    if value_range:
        notes.decided.append(
            f"images have more than 8 bits: values from {value_range[0]:g} to {value_range[1]:g} (which "
            "drops 0.1 % at either end) become 0 to 255; to change it, edit value_range"
        )
        nodata = sorted({value for file in seen.files if (value := declared_nodata(file)) is not None})
        if nodata:
            notes.decided.append(
                f"pixels of {', '.join(f'{value:g}' for value in nodata)}, which images declare to be no "
                "data, are left "
                "out of this range and become 0 (black)"
            )
    if count != 3:
        mean, std = channel_statistics(_readable(seen.files, count, value_range))
        found |= {"mean": tuple(round(v, 4) for v in mean), "std": tuple(round(v, 4) for v in std)}
        found["display"] = tuple(min(i, count - 1) for i in range(3))
        notes.decided.append(f"images have {count} channels; display names those shown as red, green, blue")
    return found


def _readable(files: Sequence[Path], channels: int, value_range: ValueRange | None) -> Iterator[Image]:
    """Decode images, and pass over those that are broken: one bad file stops nothing."""
    for file in files:
        with suppress(DataError):
            yield decode_image(file, channels, value_range)


def _counted(counts: Counter[str] | Counter[int]) -> str:
    return ", ".join(f"{count} x {kind}" for kind, count in counts.most_common())
