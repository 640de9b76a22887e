"""The check as a whole: what it counts, what it opens, and how much it opens again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from folders import make_folder, write_image
from s4former.config import UserError
from s4former.curation import Check, check_source, open_source
from s4former.data import DataConfig
from s4former.types import IGNORE


def check(root: Path, **changes: object) -> Check:
    config = DataConfig.model_validate({"root": str(root), **changes})
    return check_source(open_source(config), config)


def test_counts_are_those_of_the_masks(tmp_path: Path) -> None:
    root = make_folder(tmp_path / "data")
    found = check(root)
    assert found.findings == ()
    masks = [np.array(Image.open(file)) for file in sorted((root / "masks/train").iterdir())]
    labeled = found.splits["labeled"]
    pixels = np.stack(masks)
    assert labeled.class_pixels == tuple(int((pixels == index).sum()) for index in range(3))
    assert labeled.class_images == (3, 3, 3)
    assert labeled.ignored == (pixels == IGNORE).sum()
    assert labeled.sizes == ((40, 48),) * 3
    assert labeled.usable == tuple(f"images/train/a0{number}" for number in range(3))
    assert [split.images for split in found.splits.values()] == [3, 5, 2]


def test_second_check_opens_nothing_and_says_the_same(tmp_path: Path) -> None:
    root = make_folder(tmp_path / "data")
    (root / "images/train/u00.png").write_bytes(b"")
    first = check(root)
    again = check(root)
    assert (first.files, first.fresh) == (15, 15)
    assert (again.files, again.fresh) == (15, 1)  # the unreadable one
    assert again.findings == first.findings
    assert again.splits == first.splits


def test_masks_of_unlabeled_images_are_never_opened(tmp_path: Path) -> None:
    root = make_folder(tmp_path / "data")
    (root / "masks/train/u00.png").write_bytes(b"a mask nobody may see")
    (root / "labeled.txt").write_text("a00\na01\na02\n")
    found = check(root, labeled_split="labeled.txt")
    assert found.findings == ()
    stored = (root / ".s4former/check/masks.jsonl").read_text()
    assert "u00" not in stored


def test_errors_come_first_and_files_beyond_five_are_counted(tmp_path: Path) -> None:
    root = make_folder(tmp_path / "data", labeled=7, unlabeled=0)
    for number in range(7):
        write_image(root / f"images/train/a{number:02}.png", number, (20, 20))
    found = check(root)
    assert [finding.severity for finding in found.findings] == ["error", "note", "note"]
    (mismatch,) = found.of("error")
    assert (mismatch.kind, mismatch.count, len(mismatch.examples)) == ("size_mismatch", 7, 5)
    assert found.splits["labeled"].usable == ()


def test_made_up_scenes_have_no_files() -> None:
    with pytest.raises(UserError, match="scenes has no files to check"):
        check(Path("0"), source="scenes")


def test_advice_on_unknown_values_looks_at_all_masks(tmp_path: Path) -> None:
    """A class missing in one mask but shown by another is no candidate for the unknown value."""
    root = make_folder(tmp_path / "data")
    labels = np.zeros((40, 48), np.uint8)
    labels[10:] = 3
    Image.fromarray(labels).save(root / "masks/train/a00.png")
    (finding,) = check(root).of("error")
    assert "3 (1,440 pixels in 1 masks)" in finding.message
    assert "expected 0 to 2" in finding.message
    assert "if 3 is one more class" in finding.fix
