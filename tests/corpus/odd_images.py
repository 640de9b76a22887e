"""Odd image files."""

from __future__ import annotations

import os
import struct
import zlib

import numpy as np
import pytest
import tifffile
from odd_sets import SIZE, Accepted, Cases, Flawed, OddSet
from PIL import Image

CASES = case = Cases()

_ORIENTATION = 0x0112


def turned(pixels: np.ndarray, orientation: int) -> tuple[Image.Image, Image.Exif]:
    exif = Image.Exif()
    exif[_ORIENTATION] = orientation
    return Image.fromarray(pixels), exif


def png_header(width: int, height: int) -> bytes:
    """Return a PNG that claims to be of this size and holds a few bytes."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"0" * 99))
        + chunk(b"IEND", b"")
    )


@case(Accepted("unreadable_image", words=("1 of 3 unlabeled images cannot be read", "unlabeled/u1.png")))
def an_unlabeled_file_of_no_bytes(data: OddSet) -> None:
    data.path("unlabeled/u1.png").write_bytes(b"")


@case(Accepted("unreadable_image", counts=(3, 4, 2, 0), words=("unlabeled/page.jpg",)))
def a_web_page_named_like_an_image(data: OddSet) -> None:
    data.text("unlabeled/page.jpg", "<!DOCTYPE html><title>404</title>")


@case(Accepted("unreadable_image", counts=(3, 4, 2, 0), words=("truncated",)))
def a_truncated_unlabeled_jpeg(data: OddSet) -> None:
    data.image("unlabeled/u3.jpg")
    data.cut("unlabeled/u3.jpg")


@case(Flawed("unreadable_image", words=("unlabeled images cannot be read",)))
def no_unlabeled_image_can_be_read(data: OddSet) -> None:
    for stem in ("u0", "u1", "u2"):
        data.cut(f"unlabeled/{stem}.png")


@case(Flawed("unreadable_image", words=("images/a0.png", "cannot identify")))
def a_labeled_file_of_no_bytes(data: OddSet) -> None:
    data.path("images/a0.png").write_bytes(b"")


@case(Flawed("unreadable_image", words=("truncated",)))
def a_truncated_labeled_png(data: OddSet) -> None:
    data.cut("images/a0.png")


@case(Flawed("unreadable_image", words=("truncated", "images/a0.jpg")))
def a_truncated_labeled_jpeg(data: OddSet) -> None:
    data.remove("images/a0.png")
    data.image("images/a0.jpg")
    data.cut("images/a0.jpg")


@case(Flawed("unreadable_image", words=("val/images/v0.png",)))
def a_val_file_of_text(data: OddSet) -> None:
    data.text("val/images/v0.png", "not an image")


@case(Accepted("unreadable_image", counts=(3, 4, 2, 0), words=("pixels",)))
def a_header_that_claims_ten_billion_pixels(data: OddSet) -> None:
    data.path("unlabeled/bomb.png").write_bytes(png_header(100_000, 100_000))


@case(Accepted("unreadable_image", words=("denied", "unlabeled/u0.png")))
def an_unlabeled_file_without_permission(data: OddSet) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    (data.root / "unlabeled/u0.png").chmod(0)


@case(Accepted(counts=(4, 4, 2, 0)))
def endings_that_lie(data: OddSet) -> None:
    data.image("images/b.jpg", format="PNG")
    data.mask("masks/b.png", format="TIFF")
    data.image("unlabeled/u3.png", format="JPEG")


@case(Accepted(counts=(3, 8, 2, 0)))
def all_formats(data: OddSet) -> None:
    for ending in ("jpg", "jpeg", "webp", "bmp", "tif"):
        data.image(f"unlabeled/format_{ending}.{ending}")


@case(Accepted("gray_and_color", counts=(3, 4, 2, 0), words=("1 of 9 images are gray",)))
def one_gray_image(data: OddSet) -> None:
    data.image("unlabeled/u3.png", data.pixels(channels=1)[..., 0])


@case(Accepted("gray_and_color", words=("100% of val", "0% of labeled")))
def gray_val_images(data: OddSet) -> None:
    for stem in ("v0", "v1"):
        data.image(f"val/images/{stem}.png", data.pixels(channels=1)[..., 0])


@case(Accepted())
def all_images_gray(data: OddSet) -> None:
    for folder in ("images", "unlabeled", "val/images"):
        for file in (data.root / folder).iterdir():
            data.picture(str(file), data.pixels(channels=1)[..., 0])


@case(Accepted("transparency", counts=(3, 4, 2, 0)))
def an_image_with_transparency(data: OddSet) -> None:
    data.image("unlabeled/u3.png", data.pixels(channels=4))


@case(Accepted(counts=(3, 4, 2, 0)))
def an_image_for_print(data: OddSet) -> None:
    data.image("unlabeled/u3.jpg", Image.fromarray(data.pixels(channels=4), "CMYK"))


@case(Accepted(counts=(3, 4, 2, 0)))
def an_image_with_a_palette(data: OddSet) -> None:
    data.image("unlabeled/u3.png", Image.fromarray(data.pixels()).quantize(32))


@case(Accepted("gray_and_color", counts=(3, 4, 2, 0)))
def an_image_of_black_and_white(data: OddSet) -> None:
    data.image("unlabeled/u3.png", Image.fromarray(data.pixels(channels=1)[..., 0] > 128))


@case(Flawed("unreadable_image", words=("value_range",)))
def labeled_images_of_16_bits_without_range(data: OddSet) -> None:
    data.image("images/a0.png", data.pixels(channels=1)[..., 0].astype(np.uint16) * 16)


@case(Accepted("gray_and_color"))
def images_of_16_bits_with_range(data: OddSet) -> None:
    labeled_images_of_16_bits_without_range(data)
    data.fields["value_range"] = [0, 4095]


@case(Accepted(counts=(11, 3, 2, 0)))
def all_rotations(data: OddSet) -> None:
    for orientation in range(1, 9):
        stored = SIZE if orientation < 5 else SIZE[::-1]
        picture, exif = turned(data.pixels(stored), orientation)
        data.image(f"images/r{orientation}.jpg", picture, exif=exif)
        data.mask(f"masks/r{orientation}.png")


@case(Flawed("size_mismatch", words=("swapped", "EXIF")))
def a_mask_drawn_on_what_the_camera_stored(data: OddSet) -> None:
    picture, exif = turned(data.pixels(), 6)
    data.image("images/b.jpg", picture, exif=exif)
    data.mask("masks/b.png")


@case(Flawed("size_mismatch", words=("swapped", "transposed")))
def a_mask_that_was_transposed(data: OddSet) -> None:
    data.image("images/b.png")
    data.mask("masks/b.png", data.labels().T)


@case(Accepted("tiny_image", counts=(3, 3, 2, 0)))
def images_of_20_pixels(data: OddSet) -> None:
    for stem in ("a0", "a1", "a2"):
        data.pair(stem, size=(20, 20))
    for stem in ("u0", "u1", "u2"):
        data.image(f"unlabeled/{stem}.png", data.pixels((20, 20)))
    for stem in ("v0", "v1"):
        data.pair(stem, "val/images", "val/masks", size=(20, 20))


@case(Accepted("elongated_image", counts=(4, 3, 2, 0)))
def a_very_long_image(data: OddSet) -> None:
    data.pair("long", size=(32, 400))


@case(Accepted("odd_size", counts=(4, 3, 2, 0)))
def an_image_much_larger_than_the_others(data: OddSet) -> None:
    data.pair("large", size=(200, 220))


@case(Accepted("tiny_image", "odd_size", "blank_image", counts=(3, 4, 2, 0)))
def an_image_of_a_single_pixel(data: OddSet) -> None:
    data.image("unlabeled/dot.png", data.pixels((1, 1)))


@case(Accepted("huge_image", "elongated_image", "odd_size", counts=(3, 4, 2, 0)))
def an_image_of_20000_pixels(data: OddSet) -> None:
    data.image("unlabeled/scan.png", data.pixels((32, 20_000)), compress_level=1)


@case(Accepted("blank_image", counts=(3, 5, 2, 0), words=("2 of 10 images have a single color",)))
def black_images(data: OddSet) -> None:
    for stem in ("dark0", "dark1"):
        data.image(f"unlabeled/{stem}.png", np.zeros((*SIZE, 3), np.uint8))


def four_channels(data: OddSet) -> None:
    data.fields["channels"] = 4
    for folder in ("images", "unlabeled", "val/images"):
        for file in list((data.root / folder).iterdir()):
            file.unlink()
            stack = data.pixels(channels=4).transpose(2, 0, 1)
            tifffile.imwrite(file.with_suffix(".tif"), stack, photometric="minisblack")


@case(Accepted())
def stacks_of_four_channels(data: OddSet) -> None:
    four_channels(data)


@case(Flawed("unreadable_image", words=("images/a0.png",)))
def one_image_of_three_channels_among_stacks_of_four(data: OddSet) -> None:
    four_channels(data)
    data.remove("images/a0.tif")
    data.image("images/a0.png")


@case(Flawed("unreadable_image", "unreadable_image", words=("images/a0.tif", "4 x 40 x 48")))
def stacks_of_four_channels_taken_for_color(data: OddSet) -> None:
    four_channels(data)
    data.fields["channels"] = 3


@case(Accepted(counts=(3, 4, 2, 0)))
def arrays_of_numpy(data: OddSet) -> None:
    np.save(data.path("unlabeled/u3.npy"), data.pixels())


@case(Accepted("unreadable_image", counts=(3, 4, 2, 0)))
def an_array_of_python_objects(data: OddSet) -> None:
    np.save(data.path("unlabeled/u3.npy"), np.array([{"a": 1}], dtype=object), allow_pickle=True)
