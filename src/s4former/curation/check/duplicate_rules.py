"""Findings about images that a data set holds more than once, above all those that it is scored on."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from s4former.curation.check.findings import Finding, Sample, Severity
from s4former.curation.check.near import near_groups
from s4former.data.sources.base import SPLITS, Split

Groups = Sequence[Sequence[Sample]]
_FEW = 0.01
"""Up to this share of scored images that are learned from as well, a score is hardly wrong."""
_LEAKS: tuple[tuple[Split, Split, str], ...] = (
    ("labeled", "val", "the val score will be too good"),
    ("labeled", "test", "the test score will be too good"),
    ("unlabeled", "val", "the network learns from what it is scored on, if without the mask"),
    ("unlabeled", "test", "the network learns from what it is scored on, if without the mask"),
    ("val", "test", "a model that was chosen on val is then no surprise on test"),
)


def duplicate_findings(samples: Sequence[Sample]) -> Iterator[Finding]:
    """Return the findings about images that are equal or look the same."""
    by_digest: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        if sample.image.error is None and not sample.image.blank:
            by_digest[sample.image.digest].append(sample)
    each = list(by_digest.values())
    totals = Counter(sample.split for sample in samples)
    equal = [group for group in each if len(group) > 1]
    yield from _leaks(equal, totals, exact=True)
    yield from _repeated(equal, totals, exact=True)
    yield from _contradictions(equal)
    if len(each) > 1:
        pictures = np.stack([group[0].image.picture() for group in each])
        alike = [[sample for place in group for sample in each[place]] for group in near_groups(pictures)]
        yield from _leaks(alike, totals, exact=False)
        yield from _repeated(alike, totals, exact=False)


def _leaks(groups: Groups, totals: Mapping[Split, int], exact: bool) -> Iterator[Finding]:
    for learned, scored, why in _LEAKS:
        pairs = []
        for group in groups:
            if scored not in {one.split for one in group}:
                continue
            twins = {one.image.digest: one.image_file for one in group if one.split == learned}
            for sample in group:
                equal = twins.get(sample.image.digest)
                if sample.split != scored or not twins or (equal is None) == exact:
                    continue
                pairs.append(
                    f"{sample.image_file} {'=' if exact else '~'} {equal or next(iter(twins.values()))}"
                )
        if pairs:
            # A published set with a few copies in it is scored by everybody with them.
            lies = exact and learned == "labeled" and len(pairs) > _FEW * totals[scored]
            severity: Severity = "error" if lies else "warning"
            yield Finding.of(
                "leak" if exact else "near_leak",
                severity,
                pairs,
                f"{len(pairs)} of {totals[scored]} {scored} images {_are(exact)} the same as {learned} ones: "
                f"{why}",
                "take them out of one of both splits: move the files, or write the names of the images to "
                f"use into a list ({learned}.list, {scored}.list)"
                + ("" if exact else "; all frames of a film belong in one split"),
            )


def _repeated(groups: Groups, totals: Mapping[Split, int], exact: bool) -> Iterator[Finding]:
    for split in SPLITS:
        pairs = []
        for group in groups:
            files = [one.image_file for one in group if one.split == split]
            if not exact:
                files = list(
                    {one.image.digest: one.image_file for one in group if one.split == split}.values()
                )
            pairs += [f"{file} {'=' if exact else '~'} {files[0]}" for file in files[1:]]
        if pairs:
            yield Finding.of(
                "duplicate" if exact else "near_duplicate",
                "note",
                pairs,
                f"{len(pairs)} of {totals[split]} {split} images {_are(exact)} the same as others of them",
                "nothing has to be done: what is there twice is seen, or counted, twice",
            )
    both = [group for group in groups if exact and {"labeled", "unlabeled"} <= {one.split for one in group}]
    if both:
        yield Finding.of(
            "labeled_and_unlabeled",
            "note",
            [" = ".join(one.image_file for one in group[:2]) for group in both],
            f"{len(both)} of {totals['labeled']} labeled images are among the unlabeled ones, too",
            "nothing has to be done: they are learned from in both ways",
        )


def _contradictions(equal: Groups) -> Iterator[Finding]:
    pairs = []
    for group in equal:
        masks = {one.mask.digest: one.mask_file for one in group if one.mask and one.mask.error is None}
        if len(masks) > 1:
            pairs.append(" != ".join([*masks.values()][:2]))
    if pairs:
        yield Finding.of(
            "contradiction",
            "warning",
            pairs,
            f"{len(pairs)} images are there more than once, with different masks",
            "look which mask is right, and move the other one and its image out of the folders",
        )


def _are(exact: bool) -> str:
    return "are" if exact else "look"
