"""Relative links and anchors of all pages lead somewhere; pictures are small."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pages import PAGES, ROOT, anchors, links


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        if "://" in link or link.startswith("mailto:"):
            continue
        name, _, anchor = link.partition("#")
        target = Path(os.path.normpath(page.parent / name)) if name else page
        assert target.exists(), f"{page.name}: {link}"
        assert target.is_relative_to(ROOT), f"{page.name}: {link} leads out of the repository"
        if anchor:
            assert anchor in anchors(target), f"{page.name}: {link}; there are {sorted(anchors(target))}"


def test_every_page_is_linked_from_the_index() -> None:
    index = ROOT / "docs/index.md"
    linked = {Path(os.path.normpath(index.parent / link.partition("#")[0])) for link in links(index)}
    pages = {page for page in PAGES if page.is_relative_to(ROOT / "docs")}
    decisions = ROOT / "docs/decisions"
    assert {page for page in pages if page.parent != decisions} - {index} <= linked
    assert decisions in linked


def test_pictures_of_the_pages_are_small() -> None:
    sizes = {path.name: path.stat().st_size for path in (ROOT / "docs/images").glob("cells_*.png")}
    assert len(sizes) >= 2
    assert sum(sizes.values()) < 200_000, sizes
