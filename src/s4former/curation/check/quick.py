"""The check as training makes it before its first step: the same rules, for a few seconds."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from s4former.config.errors import DataError
from s4former.curation.check.findings import Check, Sample
from s4former.curation.check.survey import FileSource, Place, Survey, is_packed
from s4former.data.config import DataConfig
from s4former.data.sources.base import SPLITS, Source, Split, split_ids
from s4former.data.statistics import spread

_FIRST = 16
_MOST: dict[Split, int] = {"labeled": 500, "val": 500, "test": 500, "unlabeled": 10}


def quick_check(
    source: Source, config: DataConfig, used: Sequence[Split] = SPLITS, seconds: float = 5.0
) -> Check | None:
    """Refuse a data set in which the check finds an error, as far as it is known or can be seen at once.

    Known is what an earlier check saw of files that did not change, and which files are missing. Of others,
    at most 500 images of a split and 10 unlabeled ones are opened, evenly spread, with their masks; after
    ``seconds`` no further ones are. What is not looked at here is looked at when it is used. Of images in
    shards these 10 are all that is looked at.

    Args:
        source: The data set; if it has no files, there is nothing to look at.
        config: Channels and range of its images.
        used: What to look at.
        seconds: How long to go on opening files.

    Returns:
        What was found in what was looked at.

    Raises:
        DataError: If there is an error: all of them in one message, with what to do.
    """
    if not isinstance(source, FileSource):
        return None
    check = _look(Survey(source, config), used, time.monotonic() + seconds)
    errors = check.of("error")
    if errors:
        lines = [str(errors[0])] if len(errors) == 1 else [f"{len(errors)} mistakes in the data:"]
        lines += [f"- {error}" for error in errors if len(errors) > 1]
        raise DataError(
            "\n".join([*lines, "`s4former check` with the same data set looks at all of its files"])
        )
    return check


def _look(survey: Survey, used: Sequence[Split], end: float) -> Check:
    places = {split: [(id, split) for id in _ids(survey.source, split)] for split in used}
    files = [split for split in used if not is_packed(survey.source, split)]
    known = survey.known([place for split in files for place in places[split]])
    samples = survey.look(known, forget=False)
    for some in _rounds([spread(own, _MOST[split]) for split, own in places.items()]):
        samples += _unseen(survey, some, samples)
        if time.monotonic() > end:
            break
    for split, own in places.items():  # what is true of a whole split is not concluded from some of it
        if not any(_usable(one) for one in samples if one.split == split):
            samples += _unseen(survey, own, samples)
    return survey.conclude(samples, used)


def _ids(source: FileSource, split: Split) -> Sequence[str]:
    ids = split_ids(source, split)
    return spread(ids, _MOST[split]) if is_packed(source, split) else ids


def _unseen(survey: Survey, places: Sequence[Place], samples: Sequence[Sample]) -> list[Sample]:
    seen = {(one.id, one.split) for one in samples}
    return survey.look([place for place in places if place not in seen], forget=False)


def _rounds(chosen: Sequence[Sequence[Place]]) -> Iterator[list[Place]]:
    """Return pieces of several lists side by side, each piece twice as long as the one before."""
    start, stop = 0, _FIRST
    while any(len(own) > start for own in chosen):
        yield [place for own in chosen for place in own[start:stop]]
        start, stop = stop, 2 * stop


def _usable(sample: Sample) -> bool:
    """Whether a split with this image is not empty: it can be read, and some pixel of its mask counts."""
    if sample.image.error is not None:
        return False
    return sample.split == "unlabeled" or bool(sample.labels and sample.labels.pixels)
