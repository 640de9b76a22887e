"""The part of the check that is fast enough to run before each training and each scoring."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from s4former.config.errors import DataError
from s4former.data.annotations.sizes import displayed_size
from s4former.data.check.survey import FileSource
from s4former.data.palettes import BY_COLOR, Disagreement
from s4former.data.sources.base import Color, Part, Source, part_ids
from s4former.data.sources.mask_files import open_mask
from s4former.data.statistics import spread
from s4former.types import IGNORE

_PARTS: tuple[Part, ...] = ("labeled", "val")
_MOST = 500
_SHOWN = 5


def require_sound(
    source: Source, channels: int = 3, parts: Sequence[Part] = _PARTS, seconds: float = 5.0
) -> None:
    """Make sure that masks can be read, hold nothing but known values, and fit their images.

    At most 500 masks of a part are opened, evenly spread; of their images the size is looked at. After
    ``seconds`` no further mask is opened; the files themselves must all exist. What is not looked at here is
    looked at when it is used. Sources without files are left alone, and so are unlabeled images.

    Args:
        source: The data set.
        channels: How many channels its images have.
        parts: What to look at, labeled and val as a rule.
        seconds: How long to go on opening masks.

    Raises:
        DataError: If any is bad: all of them in one message, the first few in full.
    """
    if not isinstance(source, FileSource):
        return
    end = time.monotonic() + seconds
    palettes: list[tuple[str, dict[int, Color]]] = []
    problems = [problem for part in parts for problem in _problems(source, part, channels, end, palettes)]
    problems += [problem for part in parts if part != "labeled" for problem in _shared(source, part)]
    disagreement = Disagreement.among(palettes)
    if disagreement:
        problems.append(
            f"masks are read by palette index, and their palettes differ: {disagreement}; {BY_COLOR}"
        )
    if len(problems) == 1:
        raise DataError(problems[0])
    if problems:
        more = len(problems) - _SHOWN
        raise DataError(
            "\n".join(
                [
                    f"{len(problems)} {' or '.join(parts)} images cannot be used as they are:",
                    *_listed(problems[:_SHOWN]),
                    *([f"- and {more} more"] if more > 0 else []),
                    "`s4former check` with the same data set says what to do about all of them",
                ]
            )
        )


def _shared(source: FileSource, part: Part) -> Iterator[str]:
    """Name images to learn from that are, through a link, the files that are scored."""
    learned = {_identity(source, id, "labeled"): id for id in part_ids(source, "labeled")}
    for id in part_ids(source, part):
        identity = _identity(source, id, part)
        if identity is not None and identity in learned:
            other = source.image_file(learned[identity], "labeled")
            yield (
                f"{source.image_file(id, part)} is {other} by a link, and so learned from as well as scored; "
                f"take one of them out of labeled or {part}"
            )


def _identity(source: FileSource, id: str, part: Part) -> tuple[int, int] | None:
    try:
        stat = source.image_file(id, part).stat()
    except OSError:  # a missing file is named on its own
        return None
    return (stat.st_dev, stat.st_ino) if stat.st_ino else None


def _listed(problems: Sequence[str]) -> Iterator[str]:
    """Give each problem a line, and each piece of advice only once."""
    said = set()
    for problem in problems:
        what, _, advice = problem.partition("; ")
        yield f"- {what if advice in said else problem}"
        said.add(advice)


def _problems(
    source: FileSource, part: Part, channels: int, end: float, palettes: list[tuple[str, dict[int, Color]]]
) -> Iterator[str]:
    """Say what is wrong with the files of a part, and add the palettes by whose index masks are read."""
    ids = part_ids(source, part)
    opened = set(spread(ids, _MOST))
    for id in ids:
        if id in opened and time.monotonic() < end:
            try:
                palettes.append((str(source.mask_file(id, part)), _open(source, id, part, channels)))
            except DataError as error:
                yield str(error)
            continue
        for file in (source.image_file(id, part), source.mask_file(id, part)):
            if file is not None and not file.is_file():
                yield f"there is no file {file}"


def _open(source: FileSource, id: str, part: Part, channels: int) -> dict[int, Color]:
    """Open a mask and the head of its image, and return the palette by whose index it is read."""
    file, mask_file = source.image_file(id, part), source.mask_file(id, part)
    if mask_file is None:
        raise DataError(f"the {part} image {file} has no mask")
    label_map = source.label_map(part)
    mask = open_mask(mask_file, label_map.reading)
    label_map(mask.pixels, str(mask_file))
    size, own = displayed_size(file, channels), mask.pixels.shape[:2]
    if size != own:
        raise DataError(
            f"the {part} image {file} has {size[0]} x {size[1]} pixels (height x width) but its mask "
            f"{mask_file} {own[0]} x {own[1]}; they must be equal once EXIF rotation is applied"
        )
    meanings = label_map.classes.meanings
    return {index: color for index, color in mask.palette.items() if meanings.get(index) != IGNORE}
