"""Findings where masks of one data set may mean different things by the same value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from s4former.curation.check.findings import Finding, Sample, about
from s4former.data.classes import shown
from s4former.data.palettes import BY_COLOR, Disagreement
from s4former.data.sources.base import Split
from s4former.data.sources.labels import LabelMap
from s4former.data.sources.mask_files import NODATA
from s4former.types import IGNORE

_NOTABLE = 0.01


def palette_findings(masked: Sequence[Sample], maps: Mapping[Split, LabelMap]) -> Iterator[Finding]:
    """Say where masks are read by palette index, and indices may mean different things."""
    indexed = [one for one in masked if one.mask and one.mask.palette and not maps[one.split].colors]
    if not indexed:
        return
    ignored = [value for value, index in maps[indexed[0].split].classes.meanings.items() if index == IGNORE]
    palettes = [(one.mask_file, dict(one.mask.palette)) for one in indexed if one.mask]
    disagreement = Disagreement.among(palettes, [value for value in ignored if isinstance(value, int)])
    if disagreement:
        files = [disagreement.first[0], disagreement.second[0]]
        yield from about(
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
    yield from about(
        "palettes_missing",
        "note",
        bare,
        f"{len(bare)} of {len(masked)} masks have no palette, the others have one; their numbers are "
        "taken for indices of the palette",
        "nothing, if that is what they are; a gray level that stands for a color needs a line of its own "
        "in names",
    )


def nodata_findings(masked: Sequence[Sample], maps: Mapping[Split, LabelMap]) -> Iterator[Finding]:
    """Say where a file's own word that a value is no data is followed, and where classes speak against it."""
    named = [one for one in masked if one.mask and one.mask.nodata in maps[one.split].classes.meanings]
    against = [one for one in named if one.mask and _meaning(one, maps) != IGNORE]
    if against and (mask := against[0].mask):
        name = maps[against[0].split].classes.names[_meaning(against[0], maps)]
        yield from about(
            "declared_nodata",
            "warning",
            [one.mask_file for one in against],
            f"{len(against)} of {len(masked)} masks declare {mask.nodata} to be no data, but it is the class "
            f"{name}",
            f"nothing, if it is that class; if it is unknown, take {mask.nodata} out of the class's values "
            "and write it under ignore",
        )
    unknown = [one.mask_file for one in masked if _has_nodata(one)]
    yield from about(
        "declared_nodata",
        "note",
        unknown,
        f"{len(unknown)} of {len(masked)} masks have pixels that hold no data by their own word (a tag, "
        "or not a number): they are ignored",
        "nothing, if they are unknown; if such a value is a class, write it under names",
    )


def _meaning(sample: Sample, maps: Mapping[Split, LabelMap]) -> int:
    nodata = sample.mask.nodata if sample.mask else None
    return IGNORE if nodata is None else maps[sample.split].classes.meanings[nodata]


def ignored_object_findings(split: Split, own: Sequence[Sample], label_map: LabelMap) -> Iterator[Finding]:
    """Name masks of background and the ignored value only, where others hold objects: another habit?"""
    known = [(one, one.labels) for one in own if one.labels is not None and not one.labels.unknown]
    suspect = [
        one.mask_file
        for one, labels in known
        if set(labels.pixels) == {0} and labels.ignored > _NOTABLE * labels.pixels[0] and not _has_nodata(one)
    ]
    if suspect and any(set(labels.pixels) - {0} for _, labels in known):
        values = ", ".join(map(shown, label_map.classes.ignore))
        yield from about(
            "only_background_and_ignored",
            "warning",
            suspect,
            f"{len(suspect)} of {len(own)} {split} masks hold {label_map.classes.names[0]} and ignored "
            f"pixels ({values}) only, others hold objects",
            f"look at them: if {values} is the foreground there, add it to the class's values and take it "
            "out of ignore, or save these masks like the others",
        )


def _has_nodata(sample: Sample) -> bool:
    return sample.mask is not None and any(value == NODATA for value, _ in sample.mask.counts)
