"""Looks at a prepared data set: how many images, which values their masks hold, and a few pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from s4former.config.errors import DataError
from s4former.curation.prepare.masks import for_each
from s4former.curation.sources import open_source
from s4former.data.classes import Classes
from s4former.data.config import DataConfig
from s4former.data.progress import Report, silent
from s4former.data.sources.base import Image, LabelImage, Split, require_same_size, split_ids
from s4former.data.split_lists import first_few
from s4former.types import IGNORE

_MAX_MASKS = 2_000
"""Masks of a split that are read; of more, this many are taken evenly."""
_SAMPLES = 6


@dataclass(frozen=True)
class Verification:
    """What was seen.

    Attributes:
        classes: The classes.
        counts: Images found and images published, by split.
        masks_read: How many masks were read, all with known values.
        pixels: Pixels of each class in them, and of `IGNORE` last.
        samples: A few images with their masks: id, image, class indices.
    """

    classes: Classes
    counts: Mapping[Split, tuple[int, int]]
    masks_read: int
    pixels: Int64[np.ndarray, " values"]
    samples: Sequence[tuple[str, Image, LabelImage]]

    @property
    def differences(self) -> list[str]:
        """What is not as published, in sentences; such a set trains, but its scores compare with no other."""
        counts = [
            f"{found:,} {split} images; the published data set has {published:,}"
            for split, (found, published) in self.counts.items()
            if found != published
        ]
        absent = [
            name for name, pixels in zip(self.classes.names, self.pixels[:-1], strict=True) if not pixels
        ]
        return [*counts, *([f"no mask that was read shows {first_few(absent)}"] if absent else [])]


def verify(config: DataConfig, published: Mapping[Split, int], report: Report = silent) -> Verification:
    """Open a prepared data set as training does, and read masks and a few images.

    Args:
        config: Where it lies.
        published: How many images each split should have.
        report: Hears how many masks are read.

    Raises:
        DataError: If files are missing, cannot be read, or do not fit together; the message names up to five
            masks and says how many there are.
    """
    source = open_source(config)
    chosen: list[tuple[Split, str]] = []
    for split in published:
        ids = split_ids(source, split)
        places = np.linspace(0, len(ids) - 1, min(len(ids), _MAX_MASKS)).round().astype(int)
        chosen += [(split, ids[place]) for place in places]
    pixels = np.zeros((len(chosen), len(source.classes) + 1), dtype=np.int64)
    problems: dict[str, str] = {}

    def look(row: int) -> None:
        split, id = chosen[row]
        try:
            histogram = np.bincount(source.read_mask(id, split).ravel(), minlength=IGNORE + 1)
        except DataError as error:
            problems[id] = str(error)
        else:
            pixels[row] = [*histogram[: len(source.classes)], histogram[IGNORE]]

    for_each(range(len(chosen)), look, "checking masks", report)
    if problems:
        first = "\n".join(list(problems.values())[:5])
        raise DataError(f"{len(problems)} of {len(chosen)} masks cannot be used:\n{first}")
    samples = []
    for place in np.linspace(0, len(chosen) - 1, min(len(chosen), _SAMPLES)).round().astype(int):
        split, id = chosen[place]
        image, mask = source.read_image(id, split), source.read_mask(id, split)
        require_same_size(image, mask, id, split)
        samples.append((id, image, mask))
    return Verification(
        source.classes,
        {split: (len(split_ids(source, split)), count) for split, count in published.items()},
        len(chosen),
        pixels.sum(axis=0),
        samples,
    )
