"""Listing folders: each once, no file by itself; links, hidden files and letters in two forms."""

from __future__ import annotations

import os
import shutil
import time
import unicodedata
from pathlib import Path

import pytest

from folders import make_folder, write_image, write_mask
from s4former.config import DataError, claim
from s4former.data import DataConfig, image_files, open_source
from s4former.data.sources import listing
from s4former.data.split_lists import write_split
from time_limit import within


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


def test_pipes_and_devices_among_the_images_are_named_and_not_waited_for(tmp_path: Path) -> None:
    root = make_folder(tmp_path, unlabeled=1)
    os.mkfifo(root / "images/train/pipe.png")
    (root / "images/train/zero.tif").symlink_to("/dev/zero")
    (root / "images/train/loop.png").symlink_to("loop.png")
    source = open_source(DataConfig(root=str(root)))
    for name, what in (("pipe", "a named pipe"), ("zero", "a device"), ("loop", "symbolic links")):
        with within(10), pytest.raises(DataError, match=f"cannot read the image .*{name}.*{what}"):
            source.read_image(f"images/train/{name}", "unlabeled")
    mask = Path(source.splits["labeled"].masks[source.labeled[0]])
    mask.unlink()
    os.mkfifo(mask)
    with within(10), pytest.raises(DataError, match=r"cannot read the mask .*a named pipe"):
        source.read_mask(source.labeled[0], "labeled")


def test_a_name_that_is_not_utf8_is_named_if_the_image_is_used(tmp_path: Path) -> None:
    root = make_folder(tmp_path, unlabeled=2)
    file = os.fsencode(root / "images/train") + b"/\xff\xfe.png"
    shutil.copy(next((root / "images/train").iterdir()), file)
    with pytest.raises(DataError, match=r"images/train/\\xff\\xfe is not UTF-8.*rename"):
        open_source(DataConfig(root=str(root)))
    ids = [id for id in (path.stem for path in (root / "images/train").iterdir()) if id.isascii()]
    (root / "u.txt").write_text("".join(f"{id}\n" for id in ids if id.startswith("u")))
    assert len(open_source(DataConfig(root=str(root), unlabeled_split="u.txt")).unlabeled) == 2


@pytest.mark.parametrize("name", ["a\nb", "a\u2028b", "a\rb", " a", "a ", "\udcff"])
def test_lists_hold_no_name_that_would_not_be_read_from_them(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="rename"):
        write_split(tmp_path / "list.txt", ["plain", name])
    assert not (tmp_path / "list.txt").exists()


def test_a_line_of_megabytes_is_not_shown_whole(tmp_path: Path) -> None:
    root = make_folder(tmp_path)
    (root / "l.txt").write_text("x" * 10_000_000 + "\n")
    with pytest.raises(DataError) as caught:
        open_source(DataConfig(root=str(root), labeled_split="l.txt"))
    assert "10,000,000 characters" in str(caught.value)
    assert len(str(caught.value)) < 2000


def test_a_path_with_a_nul_is_no_list(tmp_path: Path) -> None:
    root = make_folder(tmp_path)
    with pytest.raises(DataError, match=r"cannot read the split list .*null"):
        open_source(DataConfig(root=str(root), labeled_split="a\0b"))
