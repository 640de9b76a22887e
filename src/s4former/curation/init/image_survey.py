"""Looks at some images, and finds what a ``dataset.yaml`` should say of their pixels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from s4former.config.errors import DataError
from s4former.curation.annotations.matching import displayed_size
from s4former.data.progress import Report
from s4former.data.sources.base import Image
from s4former.data.sources.decode import decode_image
from s4former.data.sources.decoding import is_turned
from s4former.data.sources.raster import count_channels, is_plain
from s4former.data.sources.tiff import declared_nodata
from s4former.data.sources.values import ValueRange
from s4former.data.statistics import channel_statistics, measure_value_range, spread

_SAMPLE = 200
_LARGE = 50_000_000


@dataclass
class Notes:
    """What was seen and decided, one sentence each."""

    found: list[str] = field(default_factory=list)
    decided: list[str] = field(default_factory=list)


def pixel_fields(files: Sequence[Path], notes: Notes, report: Report) -> dict[str, object]:
    """Return channels, range and statistics of images that are not plain 8-bit color or gray.

    Raises:
        DataError: If images differ in their number of channels.
    """
    seen = _look(files, notes, report)
    channels = seen.channels
    held = {count for count in channels if count not in (1, 3)}
    if len(held) > 1 or (held and channels.keys() & {1, 3}):
        raise DataError(f"images differ in their number of channels: {counted(channels)}; train on one kind")
    count = held.pop() if held else 3
    value_range: ValueRange | None = measure_value_range(seen.files, count) if seen.deep else None
    found: dict[str, object] = {"channels": count, "value_range": value_range}
    if value_range:
        notes.decided.append(
            f"images have more than 8 bits: values from {value_range[0]:g} to {value_range[1]:g} (which "
            "drops 0.1 % at either end) become 0 to 255; to change it, edit value_range"
        )
        if seen.plain:
            notes.decided.append(
                f"{seen.plain} of {len(seen.files)} images that were looked at have 8 bits: they stay as "
                "they are, and the range is that of the others; look whether both come out as bright, or "
                "train on one kind"
            )
        nodata = sorted({value for file in seen.files if (value := declared_nodata(file)) is not None})
        if nodata:
            notes.decided.append(
                f"pixels of {', '.join(f'{value:g}' for value in nodata)}, which images declare to be no "
                "data, are kept out of this range and become 0 (black)"
            )
    if count != 3:
        mean, std = channel_statistics(_readable(seen.files, count, value_range))
        found |= {"mean": tuple(round(v, 4) for v in mean), "std": tuple(round(v, 4) for v in std)}
        found["display"] = tuple(min(i, count - 1) for i in range(3))
        notes.decided.append(f"images have {count} channels; display names those shown as red, green, blue")
    return found


@dataclass
class _Looks:
    """Images whose headers were read: files, sizes, how many have which channels, are plain, are turned."""

    files: list[Path] = field(default_factory=list)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    channels: Counter[int] = field(default_factory=Counter)
    plain: int = 0
    turned: int = 0

    @property
    def deep(self) -> bool:
        """Whether any is not plain."""
        return self.plain < len(self.files)


def _look(files: Sequence[Path], notes: Notes, report: Report) -> _Looks:
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
        seen.plain += plain
        seen.turned += is_turned(file)
    if not seen.files:
        raise DataError(f"none of {len(chosen)} images can be read: {bad[0]}")
    if bad:
        notes.found.append(f"{len(bad)} of {len(chosen)} images that were looked at are broken: {bad[0]}")
    notes.found.append(f"{len(files)} image{'s' * (len(files) > 1)}, {_sizes(seen.sizes)}")
    if seen.turned:
        notes.found.append(
            f"{seen.turned} of {len(chosen)} images that were looked at are turned by an EXIF tag: masks and "
            "annotations are taken to be drawn on what viewers show; if a program that ignores the tag drew "
            "them, turn them or take the tags out of the images"
        )
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


def _readable(files: Sequence[Path], channels: int, value_range: ValueRange | None) -> Iterator[Image]:
    """Decode images, and pass over those that are broken: one bad file stops nothing."""
    for file in files:
        with suppress(DataError):
            yield decode_image(file, channels, value_range)


def counted(counts: Counter[str] | Counter[int]) -> str:
    """Return how often there is what, the most frequent first."""
    return ", ".join(f"{count} x {kind}" for kind, count in counts.most_common())
