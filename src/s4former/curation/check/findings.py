"""What a check finds, and what it knows of a data set once it has looked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from s4former.curation.check.facts import ImageFacts, MaskFacts
from s4former.data.classes import Classes, MaskValue
from s4former.data.sources.base import Split
from s4former.inference.config import FEW_IMAGES

Severity = Literal["error", "warning", "note"]
Kind = Literal[
    "absent_class",
    "all_ignored",
    "blank_image",
    "contradiction",
    "declared_nodata",
    "duplicate",
    "elongated_image",
    "gray_and_color",
    "huge_image",
    "labeled_and_unlabeled",
    "leak",
    "mask_of_no_classes",
    "matching",
    "mostly_ignored",
    "mostly_one_class",
    "near_duplicate",
    "near_leak",
    "no_unlabeled",
    "no_val",
    "odd_size",
    "one_class",
    "one_class_mask",
    "one_labeled_image",
    "only_background_and_ignored",
    "palettes_disagree",
    "palettes_missing",
    "size_mismatch",
    "tiny_image",
    "transparency",
    "unknown_value",
    "unreadable_image",
    "unreadable_mask",
]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
_EXAMPLES = 5


@dataclass(frozen=True)
class Finding:
    """One thing that a person should know, however many files it concerns.

    Attributes:
        kind: A word that stays the same, as in ``unknown_value``; ``refused``: not the data, but the run
            cannot be trained as it is.
        severity: An ``error`` stops training before its first step, a ``warning`` costs quality as a rule, a
            ``note`` may be as it should be.
        message: What was found.
        fix: What to type or to change.
        count: How many files it concerns; 0: the data set as a whole.
        examples: Up to five of them, as seen from the data set's folder.
    """

    kind: Kind | Literal["refused"]
    severity: Severity
    message: str
    fix: str
    count: int = 0
    examples: tuple[str, ...] = ()

    def __str__(self) -> str:
        more = self.count - len(self.examples)
        files = ", ".join([*self.examples, *([f"and {more} more"] if self.examples and more > 0 else [])])
        return f"{self.message}{f' ({files})' if files else ''}. To do: {self.fix}"


def about(kind: Kind, severity: Severity, files: Sequence[str], message: str, fix: str) -> Iterator[Finding]:
    """Yield a finding about files, if there are any."""
    if files:
        yield Finding(kind, severity, message, fix, len(files), tuple(files[:_EXAMPLES]))


@dataclass(frozen=True)
class Labels:
    """What the values of one mask mean.

    Attributes:
        pixels: Pixels of each class that it shows, by index.
        ignored: Pixels to be ignored.
        unknown: Values without a meaning and their pixels, the most frequent first.
    """

    pixels: Mapping[int, int]
    ignored: int
    unknown: tuple[tuple[MaskValue, int], ...]


@dataclass(frozen=True)
class Sample:
    """One image of a data set with its mask, if it has one that may be opened.

    Attributes:
        id: Its id.
        split: The split that it belongs to.
        image_file: The image as seen from the data set's folder.
        image: What the image holds.
        mask_file: The mask as seen from there.
        mask: What the mask holds.
        labels: What that means.
    """

    id: str
    split: Split
    image_file: str
    image: ImageFacts
    mask_file: str = ""
    mask: MaskFacts | None = None
    labels: Labels | None = None


@dataclass(frozen=True)
class SplitSummary:
    """A split in numbers.

    Attributes:
        images: How many images it has.
        sizes: Height and width of each that can be read.
        modes: How files store pixels, and how many do so.
        class_pixels: Pixels of each class.
        class_images: Images that show each class.
        ignored: Pixels to be ignored.
        usable: Ids of the images without errors, in order.
    """

    images: int
    sizes: tuple[tuple[int, int], ...]
    modes: Mapping[str, int]
    class_pixels: tuple[int, ...]
    class_images: tuple[int, ...]
    ignored: int
    usable: tuple[str, ...]

    @classmethod
    def of(cls, samples: Sequence[Sample], num_classes: int) -> SplitSummary:
        """Count the samples of one split."""
        pixels, images, ignored = [0] * num_classes, [0] * num_classes, 0
        for labels in (sample.labels for sample in samples if sample.labels is not None):
            ignored += labels.ignored
            for index, count in labels.pixels.items():
                pixels[index] += count
                images[index] += 1
        readable = [sample for sample in samples if sample.image.error is None]
        return cls(
            len(samples),
            tuple((sample.image.height, sample.image.width) for sample in readable),
            Counter(sample.image.mode for sample in readable),
            tuple(pixels),
            tuple(images),
            ignored,
            tuple(sample.id for sample in readable if _usable(sample)),
        )


@dataclass(frozen=True)
class Check:
    """The result of a check.

    Attributes:
        findings: Errors first.
        splits: The splits that have images, in numbers.
        classes: The classes.
        files: How many files there are.
        fresh: How many of them had to be opened; the others were known from an earlier check.
    """

    findings: tuple[Finding, ...]
    splits: Mapping[Split, SplitSummary]
    classes: Classes
    files: int = 0
    fresh: int = 0

    def of(self, severity: Severity) -> tuple[Finding, ...]:
        """Return the findings of one severity."""
        return tuple(finding for finding in self.findings if finding.severity == severity)

    def few_scored(self) -> list[str]:
        """Return a sentence on each split whose scores say little, as it has few images."""
        return [
            f"{split} has {summary.images} image{'' if summary.images == 1 else 's'}: "
            + (
                "nothing can say how far to trust its score"
                if summary.images == 1
                else "its scores come with an interval, which will be wide"
            )
            + f"; label {FEW_IMAGES} or more to do without"
            for split, summary in self.splits.items()
            if split in ("val", "test") and summary.images < FEW_IMAGES
        ]


def _usable(sample: Sample) -> bool:
    """Whether image and mask can be shown together."""
    if sample.mask is None or sample.labels is None:
        return sample.split == "unlabeled"
    same_size = (sample.mask.height, sample.mask.width) == (sample.image.height, sample.image.width)
    return sample.mask.error is None and same_size and not sample.labels.unknown
