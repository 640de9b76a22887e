"""Looks at folders that nobody has described, and finds what a ``dataset.yaml`` should say of them."""

from __future__ import annotations

import hashlib
import math
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from s4former.config.errors import DataError, UserError
from s4former.data.annotations import Format, class_names, detect_format
from s4former.data.annotations.sizes import displayed_size
from s4former.data.config import DataConfig
from s4former.data.dataset_yaml.mask_survey import survey_masks
from s4former.data.dataset_yaml.schema import ClassEntry, DatasetFile, ImageFiles, LabeledFiles
from s4former.data.dataset_yaml.suggestion import suggest_classes
from s4former.data.progress import Report, silent
from s4former.data.sources.annotated import annotated_masks
from s4former.data.sources.base import Image
from s4former.data.sources.decode import decode_image
from s4former.data.sources.layout import Layout
from s4former.data.sources.listing import image_files
from s4former.data.sources.matching import Matcher
from s4former.data.sources.naming import MASK_WORDS, Naming, Rule, guess_rule
from s4former.data.sources.raster import ValueRange, count_channels, is_plain
from s4former.data.sources.tiff import declared_nodata
from s4former.data.statistics import channel_statistics, measure_value_range, spread

_SAMPLE = 200
_LARGE = 50_000_000


@dataclass(frozen=True)
class Description:
    """A data set as found.

    Attributes:
        file: What ``dataset.yaml`` should say.
        val_ids: Labeled images that were chosen to be held out, for a list beside it; none: no list.
        found: What was seen, one sentence each.
        decided: What was decided and how to change it, one sentence each.
    """

    file: DatasetFile
    val_ids: tuple[str, ...]
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
    val_list: str,
    report: Report = silent,
) -> Description:
    """Look at the files and return what they seem to be.

    Args:
        images: Folders of images.
        masks: A folder of masks, or annotations, a file or a folder; none: looked for among the images.
        val: A folder with ``images`` and ``masks`` to validate on, or the share of the labeled images to hold
            out; none: a fifth if there are at least ten, else nothing.
        root: Folder that the ``dataset.yaml`` will lie in.
        val_list: Name of the list of held-out images, if there is to be one.
        report: Hears how far it is.

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
        raise UserError(f"no image is in {_listed(images)}; expected JPEG, PNG, TIFF, WebP or BMP files")
    masks = masks or _find_masks(images, names)
    if not masks.exists():
        raise UserError(f"there is no folder or file of masks {masks}")
    folders = tuple(_relative(folder, root) for folder in images)
    format = _annotation_format(masks)
    if format:
        where = _relative(masks, root)
        labeled = LabeledFiles(
            images=folders, annotations=where, annotations_format=format, outside="background"
        )
        entries = _annotated_classes(masks, format, notes)
    else:
        labeled = _by_name(folders, names, masks, root, notes)
        entries = (ClassEntry(name="unknown"),)
    unlabeled = ImageFiles(**labeled.model_dump(include={"images", "image_prefix", "image_suffix"}))
    draft = DatasetFile(names=entries, labeled=labeled, unlabeled=unlabeled)
    held_out = _val_folder(val, images, masks, labeled, root) if isinstance(val, Path) else None
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
    val_ids: tuple[str, ...] = ()
    if held_out:
        changes["val"] = held_out
    elif not isinstance(val, Path):
        val_ids = _held_out(tuple(own), val, notes)
        if val_ids:
            changes["val"] = LabeledFiles(list=val_list)
    return Description(draft.model_copy(update=changes), val_ids, tuple(notes.found), tuple(notes.decided))


def _masks(matcher: Matcher, part: LabeledFiles, name: str) -> dict[str, str]:
    found = matcher.images(part, name)
    return matcher.masks(part, name, found, found.files, {})[0]


def _find_masks(images: Sequence[Path], names: Sequence[str]) -> Path:
    """Return where masks are if nobody said it: in the same folder, named by a rule or as annotations."""
    among: list[Path] = []
    if len(images) == 1:
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
        f"{_listed(images)} holds {len(names)} images and no masks that are told by their names; say where "
        f"the masks are, {hint}. Training needs at least one image with a mask"
    )


def _annotation_format(path: Path) -> Format | None:
    holds_text = path.is_file() or any(any(path.rglob(f"*{end}")) for end in (".json", ".xml", ".txt"))
    return detect_format(path) if holds_text else None


def _classes_in(masks: Sequence[Path], notes: _Notes, report: Report) -> dict[str, object]:
    """Return the classes that masks suggest, and the values to ignore."""
    survey = survey_masks(masks, report)
    if len(survey.looks) < survey.of:
        notes.found.append(f"looked at {len(survey.looks)} of {survey.of} masks; others may hold more values")
    notes.found.append(f"masks: {_counted(survey.kinds)}")
    suggestion = suggest_classes(survey)
    notes.decided += suggestion.said
    return {"names": suggestion.names, "ignore": suggestion.ignore}


def _annotated_classes(path: Path, format: Format, notes: _Notes) -> tuple[ClassEntry, ...]:
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


def _by_name(
    folders: tuple[str, ...], names: Sequence[str], masks: Path, root: Path, notes: _Notes
) -> LabeledFiles:
    mask_names = list(image_files(masks))
    if masks.suffix.lower() == ".zip":
        raise UserError(f"{masks} is an archive; unpack it, and give what is in it: --masks DIR or FILE")
    if not mask_names:
        raise UserError(
            f"{masks} holds neither masks (PNG, TIFF, BMP) nor annotations (COCO, labelme, CVAT, Label "
            "Studio, YOLO)"
        )
    one_folder = _relative(masks, root) in folders
    rule = guess_rule(names, mask_names, one_folder) or Rule(Naming(), Naming())
    if str(rule):
        notes.decided.append(f"which mask belongs to which image is told by their names: {rule}")
    return LabeledFiles(
        images=folders,
        masks=(_relative(masks, root),),
        image_prefix=rule.images.prefix,
        image_suffix=rule.images.suffix,
        mask_prefix=rule.masks.prefix,
        mask_suffix=rule.masks.suffix,
    )


@dataclass
class _Looks:
    """Images whose headers were read: files, sizes, how many have which channels, and if any is not plain."""

    files: list[Path] = field(default_factory=list)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    channels: Counter[int] = field(default_factory=Counter)
    deep: bool = False


def _look(files: Sequence[Path], notes: _Notes, report: Report) -> _Looks:
    """Look at some images; what cannot be read is told.

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
            "leaves out 0.1 % at either end) become 0 to 255; to change it, edit value_range"
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


def _val_folder(
    val: Path, images: Sequence[Path], masks: Path, labeled: LabeledFiles, root: Path
) -> LabeledFiles:
    """Return the part in a folder of images whose masks lie beside the others, or that holds both."""
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
            update: dict[str, object] = {"images": (_relative(own_images, root),)}
            where = _relative(own_masks, root)
            update |= {"annotations": where} if labeled.annotations else {"masks": (where,)}
            return labeled.model_copy(update=update)
    expected = ", or ".join(f"{one} and {other}" for one, other in dict.fromkeys(pairs) if one != other)
    raise UserError(
        f"--val {val} should be a share such as 0.2, or a folder with images and masks of its own: {expected}"
    )


def _held_out(ids: Sequence[str], share: float | None, notes: _Notes) -> tuple[str, ...]:
    """Return the images to hold out: those whose names have the smallest hashes, so without a draw."""
    few = 10
    if share is None:
        if len(ids) < few:
            notes.decided.append(
                f"no validation images, as {len(ids)} labeled ones are few; --val 0.2 holds out a fifth"
            )
            return ()
        share = 0.2
    if not 0 <= share < 1:
        raise UserError(f"--val {share:g}: expected a share from 0 to below 1, or a folder")
    count = min(math.ceil(share * len(ids)), len(ids) - 1)
    if not count:
        if share:
            notes.decided.append("no validation images: the only labeled image is needed to learn from")
        return ()
    ranked = sorted(ids, key=lambda id: hashlib.sha256(id.encode()).digest())
    notes.decided.append(
        f"{count} of {len(ids)} labeled images are held out to validate on; they are listed by name, so that "
        "the choice stays when images are added: edit the list to change it"
    )
    return tuple(sorted(ranked[:count]))


def _relative(path: Path, root: Path) -> str:
    """Return a path as seen from a folder; whole where there is no way, as between two drives."""
    try:
        return Path(os.path.relpath(path, root)).as_posix()
    except ValueError:
        return path.resolve().as_posix()


def _listed(paths: Sequence[Path]) -> str:
    return ", ".join(map(str, paths))


def _counted(counts: Counter[str] | Counter[int]) -> str:
    return ", ".join(f"{count} x {kind}" for kind, count in counts.most_common())
