"""From when on an image or the balance of masks is worth a word."""

from __future__ import annotations

import pytest

from s4former.curation import ImageFacts
from s4former.curation.check.facts import MaskFacts
from s4former.curation.check.findings import Labels, Sample
from s4former.curation.check.image_rules import image_findings
from s4former.curation.check.mask_rules import mask_findings
from s4former.data import Classes, LabelMap


@pytest.mark.parametrize(
    ("size", "kinds"),
    [
        ((100, 600), set()),
        ((100, 601), {"elongated_image"}),
        ((32, 100), set()),
        ((31, 100), {"tiny_image"}),
        ((10_000, 2_000), set()),
        ((10_001, 2_000), {"huge_image"}),
    ],
)
def test_limits_of_sizes(size: tuple[int, int], kinds: set[str]) -> None:
    sample = Sample("a", "labeled", "a.png", ImageFacts(*size, mode="RGB"))
    assert {finding.kind for finding in image_findings([sample])} == kinds


@pytest.mark.parametrize(
    ("pixels", "ignored", "kinds"),
    [
        ({0: 95, 1: 5}, 0, set()),
        ({0: 96, 1: 4}, 0, {"mostly_one_class"}),
        ({0: 3, 1: 2}, 95, set()),
        ({0: 2, 1: 2}, 96, {"mostly_ignored"}),
    ],
)
def test_limits_of_balance(pixels: dict[int, int], ignored: int, kinds: set[str]) -> None:
    mask = MaskFacts(10, 10)
    sample = Sample("a", "val", "a.png", ImageFacts(10, 10), "m.png", mask, Labels(pixels, ignored, ()))
    label_map = LabelMap(Classes(("ground", "thing"), ((0, 0, 0), (255, 0, 0))))
    assert {finding.kind for finding in mask_findings([sample], {"val": label_map})} == kinds
