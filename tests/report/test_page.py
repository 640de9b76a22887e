"""The page of a check: whole HTML, nothing from elsewhere, everything on it that was found."""

from __future__ import annotations

import base64
import io
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from s4former.curation import Check, check_source, open_source
from s4former.data import DataConfig, Source
from s4former.report import check_page, colorize, sheet
from s4former.report.page import class_rows
from s4former.report.sheets import overlay
from tiny_run import make_data

_VOID = {"meta", "img", "rect", "circle", "br", "line", "polyline"}


class Page(HTMLParser):
    """Reads a page and makes sure that its tags are closed in the right order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in _VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words += " " + " ".join(data.split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def checked(root: Path) -> tuple[Source, Check]:
    config = DataConfig(root=str(root))
    source = open_source(config)
    return source, check_source(source, config)


def write(source: Source, check: Check, path: Path, name: str = "data") -> Page:
    sheets = {split: sheet(source, split, summary.usable) for split, summary in check.splits.items()}
    settings = ["data.crop_size=32: as large as fits", "steps=9, method=supervised: to be quick"]
    text = check_page(check, sheets, settings, name, "s4former train data", (32, 32))
    path.write_text(text, encoding="utf-8")
    return Page(text)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_data(tmp_path / "data", train=5)


def test_page_shows_everything_and_needs_nothing(root: Path, tmp_path: Path) -> None:
    Image.fromarray(np.full((30, 60, 3), 9, np.uint8)).save(root / "images/train/dark.png")
    source, check = checked(root)
    page = write(source, check, tmp_path / "check.html")
    assert {finding.kind for finding in check.findings} >= {"blank_image", "no_unlabeled"} - {"no_unlabeled"}
    for finding in check.findings:
        assert finding.message in page.words
        assert finding.fix in page.words
        assert all(example in page.words for example in finding.examples)
    assert "data.crop_size=32" in page.words
    assert "as large as fits" in page.words
    assert "s4former train data" in page.words
    assert all(name in page.words for name in source.classes.names)
    tags = {tag for tag, _ in page.tags}
    assert tags.isdisjoint({"script", "link", "iframe"})
    assert all(str(image["src"]).startswith("data:image/png;base64,") for image in page.all("img"))
    assert all(image["alt"] for image in page.all("img"))
    style = (tmp_path / "check.html").read_text()
    assert "prefers-color-scheme: dark" in style
    assert "url(" not in style
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in page.all("meta")


def test_names_cannot_break_the_page(root: Path, tmp_path: Path) -> None:
    (root / "classes.json").write_text('{"names": ["<b>sky", "a&b", "\\"c\\""]}')
    source, check = checked(root)
    page = write(source, check, tmp_path / "check.html", "<script>alert(1)</script>")
    assert "script" not in {tag for tag, _ in page.tags}
    assert not page.all("b")[4:][:0]
    assert "<b>sky" in page.words
    assert "<script>alert(1)</script>" in page.words


def test_a_page_for_a_set_without_complaints_and_one_for_a_bad_one(root: Path, tmp_path: Path) -> None:
    source, check = checked(root)
    clean = Check((), check.splits, check.classes, check.files, 0)
    assert "Nothing to complain about." in write(source, clean, tmp_path / "clean.html").words
    for file in (root / "masks/train").iterdir():
        file.write_bytes(b"")
    source, check = checked(root)
    page = write(source, check, tmp_path / "bad.html")
    assert "unreadable_mask" in page.words
    assert "Mend the errors first" in page.words


def test_shares_of_the_table_are_those_of_the_masks(root: Path) -> None:
    source, check = checked(root)
    pixels = np.stack([source.read_mask(id, "labeled") for id in source.labeled])
    rows = list(class_rows(check, ["labeled"]))
    for index, row in enumerate(rows):
        share, images = row.splits[0]
        assert share == pytest.approx((pixels == index).sum() / (pixels != 255).sum())
        assert images == sum(bool((mask == index).any()) for mask in pixels)
    assert sum(row.splits[0][0] for row in rows) == pytest.approx(1)


def test_overlay_is_half_image_half_color() -> None:
    image = np.full((2, 2, 3), 100, np.uint8)
    mask = np.array([[0, 1], [255, 1]], np.uint8)
    colors = [(0, 0, 0), (200, 30, 40)]
    np.testing.assert_array_equal(overlay(image, mask, colors), (image // 2 + colorize(mask, colors) // 2))


def test_sheets_keep_pictures_small_and_pass_over_broken_files(root: Path) -> None:
    Image.fromarray(np.zeros((900, 400, 3), np.uint8)).save(root / "images/train/train0.png")
    Image.fromarray(np.zeros((900, 400), np.uint8)).save(root / "masks/train/train0.png")
    source = open_source(DataConfig(root=str(root)))
    (root / "images/train/train1.png").write_bytes(b"")
    pictures = sheet(source, "labeled", [f"images/train/train{index}" for index in range(3)])
    assert [picture.name for picture in pictures] == ["images/train/train0", "images/train/train2"]
    for picture in pictures:
        content = base64.b64decode(picture.data.removeprefix("data:image/png;base64,"))
        assert Image.open(io.BytesIO(content)).size == (picture.width, picture.height)
    assert (pictures[0].height, pictures[0].width) == (320, 2 * 142 + 6)
    assert (pictures[1].height, pictures[1].width) == (240, 2 * 288 + 6)  # 40 x 48, six times as large


def test_unlabeled_images_are_shown_without_masks(root: Path) -> None:
    (root / "labeled.txt").write_text("train0\n")
    source = open_source(DataConfig(root=str(root), labeled_split="labeled.txt"))
    (picture,) = sheet(source, "unlabeled", source.unlabeled, count=1)
    assert (picture.height, picture.width) == (240, 288)
