"""From which size and shape on an image is worth a word."""

from __future__ import annotations

import pytest

from s4former.data.check.facts import ImageFacts
from s4former.data.check.findings import Sample
from s4former.data.check.image_rules import image_findings


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
