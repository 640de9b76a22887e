"""Findings about masks: unreadable ones, sizes, values that are no class, classes that no mask shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from s4former.curation.check.findings import Finding, Labels, Sample, about
from s4former.curation.check.habit_rules import ignored_object_findings, nodata_findings, palette_findings
from s4former.data.advice import advice
from s4former.data.classes import Classes, MaskValue, shown
from s4former.data.sources.base import Split
from s4former.data.sources.labels import LabelMap
from s4former.data.split_lists import first_few

_NO_CLASSES = 8
"""So many unknown values in one mask mean that it holds no classes at all."""
_MOSTLY = 0.95


def mask_findings(samples: Sequence[Sample], maps: Mapping[Split, LabelMap]) -> Iterator[Finding]:
    """Return the findings about the masks of a data set.

    Args:
        samples: Images with their masks; those without are left alone.
        maps: What the values in the masks of each split mean.
    """
    masked = [sample for sample in samples if sample.mask is not None]
    yield from _unreadable(masked)
    yield from _size_mismatch(masked)
    yield from _unknown(masked, maps)
    yield from palette_findings(masked, maps)
    yield from nodata_findings(masked, maps)
    for split, label_map in maps.items():
        own = [sample for sample in masked if sample.split == split]
        yield from _empty(split, own)
        yield from ignored_object_findings(split, own, label_map)
        yield from _balance(split, own, label_map.classes)


def _unreadable(masked: Sequence[Sample]) -> Iterator[Finding]:
    bad = [sample for sample in masked if sample.mask and sample.mask.error is not None]
    if bad:
        first = bad[0].mask.error if bad[0].mask else ""
        yield from about(
            "unreadable_mask",
            "error",
            [sample.mask_file for sample in bad],
            f"{len(bad)} of {len(masked)} masks cannot be used; the first: {first}",
            "export these masks again as PNG, or move them out of the folder: their images are then "
            "unlabeled",
        )


def _size_mismatch(masked: Sequence[Sample]) -> Iterator[Finding]:
    wrong = [(one, sizes) for one in masked if (sizes := _sizes(one)) and sizes[0] != sizes[1]]
    if not wrong:
        return
    first, (image, mask) = wrong[0]
    if all(sizes[0] == sizes[1][::-1] for _, sizes in wrong) and not first.image.turned:
        fix = "height and width are swapped: the masks were transposed; export them as the images stand"
    elif all(sizes[0] == sizes[1][::-1] for _, sizes in wrong):
        fix = (
            "height and width are swapped: the masks were drawn on what the camera stored, before its EXIF "
            "rotation; turn the masks as viewers show the images"
        )
    elif all(image[0] * mask[1] == image[1] * mask[0] for _, (image, mask) in wrong):
        fix = "the shape is the same, so one of both was resized: export the masks in the size of the images"
    else:
        fix = "look whether each mask belongs to its image, and export it in the size of the image"
    yield from about(
        "size_mismatch",
        "error",
        [f"{sample.mask_file} ({sample.image_file})" for sample, _ in wrong],
        f"{len(wrong)} masks have another size than their image; the first: {first.mask_file} has "
        f"{_times(mask)} pixels (height x width), its image {_times(image)}",
        fix,
    )


def _unknown(masked: Sequence[Sample], maps: Mapping[Split, LabelMap]) -> Iterator[Finding]:
    strangers = [(sample, sample.labels) for sample in masked if sample.labels and sample.labels.unknown]
    if not strangers:
        return
    label_map = maps[strangers[0][0].split]
    for many in (False, True):
        own = [(one, labels) for one, labels in strangers if (len(labels.unknown) > _NO_CLASSES) == many]
        if not own:
            continue
        pixels, files = _by_value(labels for _, labels in own)
        values = [value for value, _ in pixels.most_common()]
        present = {index for one in masked if one.labels for index in one.labels.pixels}
        listed = [f"{shown(value)} ({pixels[value]:,} pixels in {files[value]} masks)" for value in values]
        yield from about(
            "mask_of_no_classes" if many else "unknown_value",
            "error",
            [f"{one.mask_file} ({_listed(labels.unknown)})" for one, labels in own],
            f"{len(own)} of {len(masked)} masks hold values that are no class: {first_few(listed)}; expected "
            f"{label_map.expected()}",
            advice(label_map.classes, values, present),
        )


def _empty(split: Split, own: Sequence[Sample]) -> Iterator[Finding]:
    known = [(one, one.labels) for one in own if one.labels is not None and not one.labels.unknown]
    ignored = [one.mask_file for one, labels in known if not labels.pixels]
    if ignored:
        nothing = len(ignored) == len(own)
        yield from about(
            "all_ignored",
            "error" if nothing else "warning",
            ignored,
            f"{len(ignored)} of {len(own)} {split} masks are ignored as a whole"
            + (": there is nothing to learn from or to score on" if nothing else ""),
            "if an ignored value is a class, write it under names and take it out of ignore; if these images "
            "are not annotated yet, move their masks out of the folder",
        )
    single = Counter(next(iter(labels.pixels)) for _, labels in known if len(labels.pixels) == 1)
    if single and len(known) > 1:
        files = [one.mask_file for one, labels in known if len(labels.pixels) == 1]
        yield from about(
            "one_class_mask",
            "warning" if len(files) == len(known) else "note",
            files,
            f"{len(files)} of {len(own)} {split} masks show a single class",
            "fine for images in which there is nothing else; if these are not annotated yet, move their "
            "masks out of the folder, or (with an annotation file) write the names of the annotated images "
            f"into a list, {split}.list: an empty mask says that there is nothing",
        )


def _balance(split: Split, own: Sequence[Sample], classes: Classes) -> Iterator[Finding]:
    known = [one.labels for one in own if one.labels is not None]
    if any(labels.unknown for labels in known):
        return  # what is absent or frequent will be seen once all values have a meaning
    pixels: Counter[int] = Counter()
    for labels in known:
        pixels.update(labels.pixels)
    ignored = sum(labels.ignored for labels in known)
    total = pixels.total()
    absent = [name for index, name in enumerate(classes.names) if not pixels[index]]
    if absent and total:
        learned = split == "labeled"
        yield Finding(
            "absent_class",
            "warning" if learned else "note",
            f"{len(absent)} of {len(classes)} classes are in no {split} mask: {first_few(absent, 8)}; "
            + (
                "they cannot be learned"
                if learned
                else f"the {split} score cannot say how well they are found, and one that some pixel is "
                "taken for enters the mean IoU as 0; the score then says so, with the mean over the "
                "present classes"
            ),
            _advice_for_absent(split, classes, ignored),
        )
    if total:
        index, most = pixels.most_common(1)[0]
        if most > _MOSTLY * total and len(classes) > 1:
            yield Finding(
                "mostly_one_class",
                "note",
                f"{most / total:.1%} of the {split} pixels are {classes.names[index]}",
                "normal for small objects; look at the IoU of each class rather than at the mean, and see "
                "that no class is missing in the masks",
            )
    if total and ignored > _MOSTLY * (ignored + total):
        yield Finding(
            "mostly_ignored",
            "note",
            f"{ignored / (ignored + total):.1%} of the {split} pixels are ignored",
            "normal for a few scribbles; else look at ignore in dataset.yaml: the value may be a class",
        )


def _advice_for_absent(split: Split, classes: Classes, ignored: int) -> str:
    if split != "labeled":
        return f"let {split} have an image of each class, if there are enough"
    advice = "annotate images that show them, or take them out of names"
    if ignored and classes.ignore:
        values = ", ".join(map(shown, classes.ignore))
        advice = (
            f"{ignored:,} pixels are ignored ({values}): if these are the class, write it as "
            f"{{name: NAME, values: [{shown(classes.ignore[0])}]}} and ignore: []; else {advice}"
        )
    return advice


def _listed(unknown: Sequence[tuple[MaskValue, int]]) -> str:
    more = f", {len(unknown) - 3} more values" if len(unknown) > 3 else ""
    return ", ".join(f"{shown(value)}: {count:,} pixels" for value, count in unknown[:3]) + more


def _by_value(labels: Iterator[Labels]) -> tuple[Counter[MaskValue], Counter[MaskValue]]:
    """Return the pixels and the masks of each unknown value."""
    pixels: Counter[MaskValue] = Counter()
    files: Counter[MaskValue] = Counter()
    for one in labels:
        for value, count in one.unknown:
            pixels[value] += count
            files[value] += 1
    return pixels, files


def _sizes(sample: Sample) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """Return the sizes of image and mask if both can be read."""
    if sample.mask is None or sample.mask.error is not None or sample.image.error is not None:
        return None
    return (sample.image.height, sample.image.width), (sample.mask.height, sample.mask.width)


def _times(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"
