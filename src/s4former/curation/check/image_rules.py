"""Findings about images: unreadable ones, odd sizes, mixtures of gray and color."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from statistics import median

from s4former.curation.check.findings import Finding, Sample, about

TINY, HUGE = 32, 10_000
_ELONGATED = 6
_TIMES_MEDIAN = 16
_WITH_ALPHA = ("RGBA", "LA", "PA", "RGBa", "La")


def image_findings(samples: Sequence[Sample], channels: int = 3) -> Iterator[Finding]:
    """Return the findings about the images of a data set, read as ones of ``channels`` channels."""
    yield from _unreadable(samples)
    readable = [sample for sample in samples if sample.image.error is None]
    blank = [sample.image_file for sample in readable if sample.image.blank]
    yield from about(
        "blank_image",
        "warning",
        blank,
        f"{len(blank)} of {len(readable)} images have a single color",
        "look at them; images in which nothing can be seen teach nothing: move them out of the folder",
    )
    yield from _sizes(readable)
    if channels in (1, 3):
        yield from _colors([sample for sample in readable if not sample.image.blank])


def _unreadable(samples: Sequence[Sample]) -> Iterator[Finding]:
    for unlabeled in (False, True):
        own = [sample for sample in samples if (sample.split == "unlabeled") == unlabeled]
        bad = [sample for sample in own if sample.image.error is not None]
        if not bad:
            continue
        files = [sample.image_file for sample in bad]
        first = f"the first: {bad[0].image.error}"
        if not unlabeled or len(bad) == len(own):
            what = "unlabeled" if unlabeled else "labeled, val or test"
            yield from about(
                "unreadable_image",
                "error",
                files,
                f"{len(bad)} of {len(own)} {what} images cannot be read; {first}",
                "what the message says; if it says nothing, copy or export these files again, or move them "
                "out of the folder (and out of the lists)",
            )
        else:
            yield from about(
                "unreadable_image",
                "warning",
                files,
                f"{len(bad)} of {len(own)} unlabeled images cannot be read, and training will use others in "
                f"their place; {first}",
                "copy or export these files again, or move them out of the folder",
            )


def _sizes(readable: Sequence[Sample]) -> Iterator[Finding]:
    sides = {sample.image_file: (sample.image.height, sample.image.width) for sample in readable}
    if not sides:
        return
    tiny = [file for file, size in sides.items() if min(size) < TINY]
    yield from about(
        "tiny_image",
        "note",
        tiny,
        f"{len(tiny)} of {len(sides)} images have a side below {TINY} pixels: they hold two or three "
        "patches of a vision transformer",
        "train on enlarged images, as in data.short_side=112; s4former train dataset.yaml does so if "
        "images are small as a rule",
    )
    huge = [file for file, size in sides.items() if max(size) > HUGE]
    yield from about(
        "huge_image",
        "note",
        huge,
        f"{len(huge)} of {len(sides)} images have a side above {HUGE} pixels: each crop decodes a whole one",
        "cut them (and their masks) into tiles of 1,000 to 4,000 pixels, so that reading does not take "
        "longer than training",
    )
    long = [file for file, size in sides.items() if max(size) > _ELONGATED * min(size)]
    yield from about(
        "elongated_image",
        "note",
        long,
        f"{len(long)} of {len(sides)} images are more than {_ELONGATED} times as long as wide: square "
        "crops are mostly padding, or see a small part",
        "give crops the images' shape, as in data.crop_size=[112,448], or cut the images",
    )
    middle = median(height * width for height, width in sides.values())
    odd = [
        file
        for file, (height, width) in sides.items()
        if not middle / _TIMES_MEDIAN <= height * width <= middle * _TIMES_MEDIAN
    ]
    yield from about(
        "odd_size",
        "note",
        odd,
        f"{len(odd)} of {len(sides)} images have more than {_TIMES_MEDIAN} times, or less than a "
        f"{_TIMES_MEDIAN}th of, the usual number of pixels",
        "look whether they belong here (thumbnails, overviews, screenshots)",
    )


def _colors(readable: Sequence[Sample]) -> Iterator[Finding]:
    by_split: dict[str, list[Sample]] = defaultdict(list)
    for sample in readable:
        by_split[sample.split].append(sample)
    gray = [sample.image_file for sample in readable if sample.image.gray]
    if 0 < len(gray) < len(readable):
        shares = {
            split: sum(one.image.gray for one in own) / len(own) for split, own in by_split.items() if own
        }
        apart = max(shares.values()) - min(shares.values()) > 0.5
        listed = ", ".join(f"{share:.0%} of {split}" for split, share in shares.items())
        yield from about(
            "gray_and_color",
            "warning" if apart else "note",
            gray,
            f"{len(gray)} of {len(readable)} images are gray, the others in color ({listed}); gray is read "
            "as color with three equal channels",
            "if color carries no meaning, make all of them gray; else let each split have both kinds",
        )
    alpha = [sample.image_file for sample in readable if sample.image.mode in _WITH_ALPHA]
    yield from about(
        "transparency",
        "note",
        alpha,
        f"{len(alpha)} of {len(readable)} images have a transparency channel, which is dropped: what it "
        "hid will be seen",
        "if something is hidden there, save the images without transparency",
    )
