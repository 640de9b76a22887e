"""What to say of masks: unreadable ones, sizes, values that are no class, classes that nobody shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from s4former.data.advice import advice
from s4former.data.check.findings import Finding, Labels, Sample
from s4former.data.labels import LabelMap
from s4former.data.palettes import BY_COLOR, Disagreement
from s4former.data.sources.base import Classes, MaskValue, Part, shown
from s4former.data.sources.mask_files import NODATA
from s4former.data.splits.lists import first_few
from s4former.types import IGNORE

_NO_CLASSES = 8
"""So many unknown values in one mask mean that it holds no classes at all."""
_MOSTLY = 0.95
_NOTABLE = 0.01


def mask_findings(samples: Sequence[Sample], maps: Mapping[Part, LabelMap]) -> Iterator[Finding]:
    """Return what is to be said of the masks of a data set.

    Args:
        samples: Images with their masks; those without are left alone.
        maps: What the values in the masks of each part mean.
    """
    masked = [sample for sample in samples if sample.mask is not None]
    yield from _unreadable(masked)
    yield from _size_mismatch(masked)
    yield from _unknown(masked, maps)
    yield from _palettes(masked, maps)
    yield from _nodata(masked, maps)
    for part, label_map in maps.items():
        own = [sample for sample in masked if sample.part == part]
        yield from _empty(part, own)
        yield from _only_ignored(part, own, label_map)
        yield from _balance(part, own, label_map.classes)


def _unreadable(masked: Sequence[Sample]) -> Iterator[Finding]:
    bad = [sample for sample in masked if sample.mask and sample.mask.error is not None]
    if bad:
        first = bad[0].mask.error if bad[0].mask else ""
        yield Finding.of(
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
    if all(sizes[0] == sizes[1][::-1] for _, sizes in wrong):
        fix = (
            "height and width are swapped: the masks were drawn on what the camera stored, before its EXIF "
            "rotation; turn the masks as viewers show the images"
        )
    elif all(image[0] * mask[1] == image[1] * mask[0] for _, (image, mask) in wrong):
        fix = "the shape is the same, so one of both was resized: export the masks in the size of the images"
    else:
        fix = "look whether each mask belongs to its image, and export it in the size of the image"
    yield Finding.of(
        "size_mismatch",
        "error",
        [f"{sample.mask_file} ({sample.image_file})" for sample, _ in wrong],
        f"{len(wrong)} masks have another size than their image; the first: {first.mask_file} has "
        f"{_times(mask)} pixels (height x width), its image {_times(image)}",
        fix,
    )


def _unknown(masked: Sequence[Sample], maps: Mapping[Part, LabelMap]) -> Iterator[Finding]:
    strangers = [(sample, sample.labels) for sample in masked if sample.labels and sample.labels.unknown]
    if not strangers:
        return
    label_map = maps[strangers[0][0].part]
    for many in (False, True):
        own = [(one, labels) for one, labels in strangers if (len(labels.unknown) > _NO_CLASSES) == many]
        if not own:
            continue
        pixels, files = _by_value(labels for _, labels in own)
        values = [value for value, _ in pixels.most_common()]
        present = {index for one in masked if one.labels for index in one.labels.pixels}
        listed = ", ".join(
            f"{shown(value)} ({pixels[value]:,} pixels in {files[value]} masks)" for value in values[:5]
        )
        more = f" and {len(values) - 5} more" if len(values) > 5 else ""
        yield Finding.of(
            "mask_of_no_classes" if many else "unknown_value",
            "error",
            [f"{one.mask_file} ({_listed(labels.unknown)})" for one, labels in own],
            f"{len(own)} of {len(masked)} masks hold values that are no class: {listed}{more}; expected "
            f"{label_map.expected()}",
            advice(label_map.classes, values, present),
        )


def _palettes(masked: Sequence[Sample], maps: Mapping[Part, LabelMap]) -> Iterator[Finding]:
    """Say where masks are read by palette index, and indices may mean different things."""
    indexed = [one for one in masked if one.mask and one.mask.palette and not maps[one.part].colors]
    if not indexed:
        return
    ignored = [value for value, index in maps[indexed[0].part].classes.meanings.items() if index == IGNORE]
    palettes = [(one.mask_file, dict(one.mask.palette)) for one in indexed if one.mask]
    disagreement = Disagreement.among(palettes, [value for value in ignored if isinstance(value, int)])
    if disagreement:
        files = [disagreement.first[0], disagreement.second[0]]
        yield Finding.of(
            "palettes_disagree",
            "error",
            files,
            f"masks are read by palette index, and their palettes differ: {disagreement}",
            BY_COLOR,
        )
    bare = [
        one.mask_file
        for one in masked
        if one.mask
        and not one.mask.palette
        and any(isinstance(value, int) and value != 0 for value, _ in one.mask.counts)
    ]
    if bare:
        yield Finding.of(
            "palettes_missing",
            "note",
            bare,
            f"{len(bare)} of {len(masked)} masks have no palette, the others have one; their numbers are "
            "taken for "
            "indices of the palette",
            "nothing, if that is what they are; a gray level that stands for a color needs a line of its own "
            "in names",
        )


def _nodata(masked: Sequence[Sample], maps: Mapping[Part, LabelMap]) -> Iterator[Finding]:
    """Say where a file's own word that a value is no data is followed, and where classes speak against it."""
    named = [one for one in masked if one.mask and one.mask.nodata in maps[one.part].classes.meanings]
    against = [one for one in named if one.mask and _meaning(one, maps) != IGNORE]
    if against and (mask := against[0].mask):
        name = maps[against[0].part].classes.names[_meaning(against[0], maps)]
        yield Finding.of(
            "declared_nodata",
            "warning",
            [one.mask_file for one in against],
            f"{len(against)} of {len(masked)} masks declare {mask.nodata} to be no data, but it is the class "
            f"{name}",
            f"nothing, if it is that class; if it is unknown, take {mask.nodata} out of the class's values "
            "and write it "
            "under ignore",
        )
    unknown = [one.mask_file for one in masked if one.mask and any(v == NODATA for v, _ in one.mask.counts)]
    if unknown:
        yield Finding.of(
            "declared_nodata",
            "note",
            unknown,
            f"{len(unknown)} of {len(masked)} masks have pixels that hold no data by their own word (a tag, "
            "or not a "
            "number): they are ignored",
            "nothing, if they are unknown; if such a value is a class, write it under names",
        )


def _meaning(sample: Sample, maps: Mapping[Part, LabelMap]) -> int:
    nodata = sample.mask.nodata if sample.mask else None
    return IGNORE if nodata is None else maps[sample.part].classes.meanings[nodata]


def _only_ignored(part: Part, own: Sequence[Sample], label_map: LabelMap) -> Iterator[Finding]:
    """Name masks of background and the ignored value only, where others hold objects: another habit?"""
    known = [(one, one.labels) for one in own if one.labels is not None and not one.labels.unknown]
    suspect = [
        one.mask_file
        for one, labels in known
        if set(labels.pixels) == {0} and labels.ignored > _NOTABLE * labels.pixels[0] and not _has_nodata(one)
    ]
    if suspect and any(set(labels.pixels) - {0} for _, labels in known):
        values = ", ".join(map(shown, label_map.classes.ignore))
        yield Finding.of(
            "only_background_and_ignored",
            "warning",
            suspect,
            f"{len(suspect)} of {len(own)} {part} masks hold {label_map.classes.names[0]} and ignored pixels "
            f"({values}) "
            "only, others hold objects",
            f"look at them: if {values} is the foreground there, add it to the class's values and take it "
            "out of "
            "ignore, or save these masks like the others",
        )


def _has_nodata(sample: Sample) -> bool:
    return sample.mask is not None and any(value == NODATA for value, _ in sample.mask.counts)


def _empty(part: Part, own: Sequence[Sample]) -> Iterator[Finding]:
    known = [(one, one.labels) for one in own if one.labels is not None and not one.labels.unknown]
    ignored = [one.mask_file for one, labels in known if not labels.pixels]
    if ignored:
        nothing = len(ignored) == len(own)
        yield Finding.of(
            "all_ignored",
            "error" if nothing else "warning",
            ignored,
            f"{len(ignored)} of {len(own)} {part} masks are ignored as a whole"
            + (": there is nothing to learn from or to score on" if nothing else ""),
            "if an ignored value is a class, write it under names and take it out of ignore; if these images "
            "are not annotated yet, move their masks out of the folder",
        )
    single = Counter(next(iter(labels.pixels)) for _, labels in known if len(labels.pixels) == 1)
    if single and len(known) > 1:
        files = [one.mask_file for one, labels in known if len(labels.pixels) == 1]
        yield Finding.of(
            "one_class_mask",
            "warning" if len(files) == len(known) else "note",
            files,
            f"{len(files)} of {len(own)} {part} masks show a single class",
            "fine for images in which there is nothing else; if these are not annotated yet, move their "
            "masks out of the folder, or (with an annotation file) write the names of the annotated images "
            f"into a list, {part}.list: an empty mask says that there is nothing",
        )


def _balance(part: Part, own: Sequence[Sample], classes: Classes) -> Iterator[Finding]:
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
        learned = part == "labeled"
        yield Finding(
            "absent_class",
            "warning" if learned else "note",
            f"{len(absent)} of {len(classes)} classes are in no {part} mask: {first_few(absent, 8)}; "
            + (
                "they cannot be learned"
                if learned
                else f"the {part} score cannot say how well they are found, and one that some pixel is taken "
                "for enters the mean IoU as 0; the score then says so, with the mean over the present classes"
            ),
            _advice_for_absent(part, classes, ignored),
        )
    if total:
        index, most = pixels.most_common(1)[0]
        if most > _MOSTLY * total and len(classes) > 1:
            yield Finding(
                "mostly_one_class",
                "note",
                f"{most / total:.1%} of the {part} pixels are {classes.names[index]}",
                "normal for small objects; look at the IoU of each class rather than at the mean, and see "
                "that no class is missing in the masks",
            )
    if total and ignored > _MOSTLY * (ignored + total):
        yield Finding(
            "mostly_ignored",
            "note",
            f"{ignored / (ignored + total):.1%} of the {part} pixels are ignored",
            "normal for a few scribbles; else look at ignore in dataset.yaml: the value may be a class",
        )


def _advice_for_absent(part: Part, classes: Classes, ignored: int) -> str:
    if part != "labeled":
        return f"let {part} have an image of each class, if there are enough"
    advice = "annotate images that show them, or take them out of names"
    if ignored and classes.ignore:
        values = ", ".join(map(shown, classes.ignore))
        advice = (
            f"{ignored:,} pixels are ignored ({values}): if these are the class, write it as {{name: NAME, "
            f"values: [{shown(classes.ignore[0])}]}} and ignore: []; else {advice}"
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
