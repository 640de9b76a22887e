"""Which mask belongs to which image, and the rule that names suggest."""

from __future__ import annotations

import pytest

from s4former.data import Naming, Rule, guess_rule


@pytest.mark.parametrize(
    ("naming", "name", "key"),
    [
        (Naming(), "a.png", "a"),
        (Naming(), "s/t/a.b.png", "s/t/a.b"),
        (Naming(suffix="_mask"), "s/a_mask.png", "s/a"),
        (Naming(suffix="_mask"), "a.png", None),
        (Naming(prefix="img_"), "img_1.tif", "1"),
        (Naming(prefix="img_"), "s/im_1.tif", None),
        (Naming("x", "x"), "x.png", None),
        (Naming(suffix="_m.png"), "a_m.png", "a"),
        (Naming(suffix=".png"), "a.jpg", None),
    ],
)
def test_keys(naming: Naming, name: str, key: str | None) -> None:
    assert naming.key(name) == key


def numbered(pattern: str, *numbers: int) -> list[str]:
    return [pattern.format(number) for number in numbers]


@pytest.mark.parametrize(
    ("images", "masks", "rule"),
    [
        (numbered("{}.jpg", 1, 2, 3), numbered("{}.png", 1, 3), ""),
        (numbered("{}.png", 1, 2, 3), numbered("{}.png", 1, 3), ""),
        (numbered("{}.jpg", 1, 2, 3), numbered("{}_mask.png", 1, 3), "mask_suffix: _mask"),
        (numbered("s/{}.jpg", 1, 2, 3), numbered("s/{}_mask.png", 3), "mask_suffix: _mask"),
        (numbered("{}_rgb.png", 10, 21), numbered("{}.png", 10, 21), "image_suffix: _rgb"),
        (numbered("{}_rgb.png", 1, 2), numbered("{}_gt.png", 1, 2), "image_suffix: _rgb, mask_suffix: _gt"),
        (numbered("img_{}.png", 1, 2), numbered("seg_{}.png", 1, 2), "image_prefix: img_, mask_prefix: seg_"),
        (["ISIC_01.jpg", "ISIC_02.jpg"], ["ISIC_01_segmentation.png"], "mask_suffix: _segmentation"),
        (numbered("{:02}.jpg", *range(1, 13)), numbered("{}.png", *range(1, 10)), ""),
        (
            numbered("frame{}.jpg", *range(1, 13)),
            numbered("mask{:02}.png", *range(1, 12)),
            "image_prefix: frame, mask_prefix: mask",
        ),
        (
            [*numbered("2023-01-{}_im.jpg", 1, 2), *numbered("2024-01-{}_im.jpg", 1, 2)],
            numbered("2024-01-{}_gt.png", 1, 2),
            "image_suffix: _im, mask_suffix: _gt",
        ),
    ],
)
def test_the_rule_that_names_suggest(images: list[str], masks: list[str], rule: str) -> None:
    assert str(guess_rule(images, masks)) == rule


def test_one_folder() -> None:
    names = [*numbered("{}.png", 1, 2, 11, 12), *numbered("{}_label.png", 1, 12)]
    assert guess_rule(names, names, one_folder=True) == Rule(Naming(), Naming(suffix="_label"))
    names = [*numbered("{}.jpg", 1, 2, 3), *numbered("{}.png", 1, 2)]
    assert guess_rule(names, names, one_folder=True) == Rule(Naming(suffix=".jpg"), Naming(suffix=".png"))


def test_one_folder_with_another_band_of_each_image() -> None:
    names = [f"x{number}{kind}.png" for number in range(90) for kind in ("", "_nir")]
    names = sorted([*names, *numbered("x{}_label.png", 88, 89)])
    assert guess_rule(names, names, one_folder=True) == Rule(Naming(), Naming(suffix="_label"))
    names = [*numbered("{}.jpg", *range(9)), *numbered("{}.png", *range(8)), "8_mask.png"]
    assert guess_rule(names, names, one_folder=True) == Rule(Naming(suffix=".jpg"), Naming(suffix=".png"))


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        (["a.png", "b.png"], ["c.png", "d.png"]),
        (["a.jpg"], ["q.png"]),
        (["s/a.png", "s/b.png"], ["t/a.png"]),
        (numbered("{}.jpg", *range(1, 10)), numbered("{}.png", *range(21, 30))),
        (numbered("{}.jpg", *range(1, 10)), numbered("{}2_mask.png", *range(1, 10))),
        (numbered("2024-01-0{}.jpg", 1, 2, 3), numbered("2023-01-0{}.png", 1, 2, 3)),
        (numbered("cam1_{:04}.jpg", 1, 2, 3), numbered("cam2_{:04}.png", 1, 2, 3)),
        (numbered("{:04}_cam1.jpg", 1, 2, 3), numbered("{:04}_cam2.png", 1, 2, 3)),
    ],
)
def test_names_that_suggest_nothing(images: list[str], masks: list[str]) -> None:
    assert guess_rule(images, masks) is None
