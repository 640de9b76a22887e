"""The part of the check that is fast enough to run before each training and each scoring."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from s4former.config.errors import DataError
from s4former.data.annotations.sizes import displayed_size
from s4former.data.check.survey import FileSource
from s4former.data.sources.base import Part, Source, part_ids
from s4former.data.statistics import spread

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
    problems = [problem for part in parts for problem in _problems(source, part, channels, end)]
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


def _listed(problems: Sequence[str]) -> Iterator[str]:
    """Give each problem a line, and each piece of advice only once."""
    said = set()
    for problem in problems:
        what, _, advice = problem.partition("; ")
        yield f"- {what if advice in said else problem}"
        said.add(advice)


def _problems(source: FileSource, part: Part, channels: int, end: float) -> Iterator[str]:
    ids = part_ids(source, part)
    opened = set(spread(ids, _MOST))
    for id in ids:
        if id in opened and time.monotonic() < end:
            try:
                _open(source, id, part, channels)
            except DataError as error:
                yield str(error)
            continue
        for file in (source.image_file(id, part), source.mask_file(id, part)):
            if file is not None and not file.is_file():
                yield f"there is no file {file}"


def _open(source: FileSource, id: str, part: Part, channels: int) -> None:
    file = source.image_file(id, part)
    mask = source.read_mask(id, part)
    size = displayed_size(file, channels)
    if size != mask.shape:
        raise DataError(
            f"the {part} image {file} has {size[0]} x {size[1]} pixels (height x width) but its mask "
            f"{source.mask_file(id, part)} {mask.shape[0]} x {mask.shape[1]}; they must be equal once EXIF "
            "rotation is applied"
        )
