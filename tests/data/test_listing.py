"""Listing folders: each once, no file by itself; links, hidden files and letters in two forms."""

from __future__ import annotations

import os
import time
import unicodedata
from pathlib import Path

import pytest

from folders import make_folder, write_image, write_mask
from s4former.config import claim
from s4former.data import DataConfig, image_files, open_source
from s4former.data.sources import listing


def files(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_hidden_files_and_others_are_left_out(tmp_path: Path) -> None:
    files(tmp_path, "b.PNG", "a.b.jpg", ".c.png", "._b.png", ".d/e.png", "s.t/x.tif", "notes.txt")
    assert list(image_files(tmp_path)) == ["a.b.jpg", "b.PNG", "s.t/x.tif"]


def test_links_to_folders_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    files(tmp_path, "far/x.png", "near/y.png")
    (tmp_path / "near/far").symlink_to(tmp_path / "far")
    (tmp_path / "near/up").symlink_to(tmp_path)
    (tmp_path / "far/self").symlink_to(tmp_path / "far")
    assert list(image_files(tmp_path / "near")) == ["y.png", "far/x.png"]


def test_each_folder_is_listed_once_and_no_image_asked_for_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_folder(tmp_path, unlabeled=3)
    then = time.time() - 60
    for folder, _, _ in os.walk(root):
        os.utime(folder, (then, then))
    listed: list[str] = []
    scandir, stat = os.scandir, os.stat
    monkeypatch.setattr(listing.os, "scandir", lambda path: listed.append(str(path)) or scandir(path))
    asked: list[str] = []

    def counting(path: object, **options: bool) -> os.stat_result:
        asked.append(str(path))
        return stat(path, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "stat", counting)
    for _ in range(2):
        open_source(DataConfig(root=str(root))).fingerprint()
    assert sorted(listed) == sorted(set(listed))
    assert len(listed) == 4
    assert not [path for path in asked if "u0" in path]
    write_image(root / "images/train/new.png", 5)
    assert "images/train/new" in open_source(DataConfig(root=str(root))).unlabeled


def test_letters_composed_in_another_way_are_the_same(tmp_path: Path) -> None:
    composed, apart = (unicodedata.normalize(form, "caf\u00e9 \u00fc") for form in ("NFC", "NFD"))
    root = make_folder(tmp_path, 1, 1, 1)
    write_image(root / f"images/train/{apart}.png", 1)
    write_mask(root / f"masks/train/{composed}.png", 1)
    (root / "l.txt").write_text(f"{composed}.PNG\n")
    (root / "u.txt").write_text(f"/images/train/{apart}\n")
    source = open_source(DataConfig(root=str(root), labeled_split="l.txt", unlabeled_split="u.txt"))
    assert source.labeled == source.unlabeled == (f"images/train/{composed}",)
    assert source.read_mask(source.labeled[0], "labeled").shape == (40, 48)


def test_predictions_among_the_images_are_none_and_masks_only_in_a_folder_of_their_own(
    tmp_path: Path,
) -> None:
    files(tmp_path, "a.jpg", "other.png")
    write_image(tmp_path / "hand.png", 1)
    outputs = claim([(tmp_path / name, "a") for name in ("a.png", "a_overlay.png")], "picture", instead="")
    for name in ("a.png", "a_overlay.png"):
        outputs.write(tmp_path / name, lambda file: file.write_bytes(b"a prediction"))
    assert list(image_files(tmp_path)) == ["a.jpg", "hand.png", "other.png"]
    assert {"a.png", "a_overlay.png"} < set(image_files(tmp_path, pictures=True))
    (tmp_path / "a.png").write_bytes(b"drawn by hand since")
    os.utime(tmp_path)
    assert "a.png" in image_files(tmp_path)


def test_a_data_set_stays_what_it_was_when_predictions_lie_among_its_images(tmp_path: Path) -> None:
    root = make_folder(tmp_path, unlabeled=2)
    before = open_source(DataConfig(root=str(root)))
    images = sorted((root / "images/train").iterdir())
    jpegs = [image.rename(image.with_suffix(".jpg")) for image in images]
    places = [jpeg.with_suffix(".png") for jpeg in jpegs]
    outputs = claim([(place, "x") for place in places], "picture", jpegs, instead="")
    for place in places:
        outputs.write(place, lambda file: file.write_bytes(b"a prediction"))
    after = open_source(DataConfig(root=str(root)))
    assert (after.labeled, after.unlabeled) == (before.labeled, before.unlabeled)
