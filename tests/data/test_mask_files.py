"""Mask files of every container give the values that were saved, or an error that says what to do."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_raster import write_png16

from s4former.config import DataError
from s4former.data import NODATA, decode_image, decode_mask, open_mask
from s4former.data.sources.mask_files import Reading

tifffile = pytest.importorskip("tifffile")

LABELS = np.zeros((64, 80), np.uint8)
LABELS[8:40, 8:40] = 1
LABELS[30:60, 45:75] = 2
ONE_EACH = np.stack([index == LABELS for index in range(3)]).astype(np.uint8)
COLORS = np.array([[0, 0, 0], [220, 30, 30], [30, 30, 220]], np.uint8)
NAMED = Reading(named=(0, 1, 2, 255), largest=2)
UNKNOWN_ROWS = np.where(np.indices(LABELS.shape)[0] < 5, NODATA, LABELS.astype(np.int64))
GDAL_NODATA = 42113

Write = Callable[[Path], None]


def pillow(
    pixels: np.ndarray, mode: str | None = None, format: str | None = None, **options: object
) -> Write:
    return lambda path: Image.fromarray(pixels, mode).save(path, format, **options)  # type: ignore[arg-type]


def tiff(pixels: np.ndarray, **options: object) -> Write:
    return lambda path: tifffile.imwrite(path, pixels, **options)


def array(pixels: np.ndarray) -> Write:
    return lambda path: np.save(path, pixels)


def packed(labels: np.ndarray, bits: int) -> np.ndarray:
    """Return rows of bytes that hold values of 1, 2 or 4 bits."""
    per = 8 // bits
    padded = np.pad(labels, ((0, 0), (0, -labels.shape[1] % per)))
    shifted = [padded[:, i::per] << (8 - bits * (i + 1)) for i in range(per)]
    return np.bitwise_or.reduce(shifted).astype(np.uint8)


def narrow_png(bits: int, palette: bytes = b"") -> Write:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + row.tobytes() for row in packed(LABELS, bits))
    header = struct.pack(">IIBBBBB", LABELS.shape[1], LABELS.shape[0], bits, 3 if palette else 0, 0, 0, 0)
    colors = [chunk(b"PLTE", palette)] if palette else []
    parts = [chunk(b"IHDR", header), *colors, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    return lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts)) and None


def narrow_tiff(bits: int, photometric: int, labels: np.ndarray = LABELS) -> Write:
    data = packed(labels, bits).tobytes()
    height, width = labels.shape
    tags = [(256, width), (257, height), (258, bits), (259, 1), (262, photometric)]
    tags += [(273, 8), (277, 1), (278, height), (279, len(data))]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    directory = struct.pack("<H", len(tags)) + entries + b"\0" * 4
    content = b"II*\0" + struct.pack("<I", 8 + len(data)) + data + directory
    return lambda path: path.write_bytes(content) and None


def with_rows(value: float, dtype: str) -> np.ndarray:
    pixels = LABELS.astype(dtype)
    pixels[:5] = value
    return pixels


def declared(value: float, dtype: str) -> Write:
    return tiff(with_rows(value, dtype), extratags=[(GDAL_NODATA, 2, 0, str(value), True)])


def validity_page(path: Path) -> None:
    with tifffile.TiffWriter(path) as file:
        file.write(LABELS)
        file.write(np.indices(LABELS.shape)[0] >= 5, photometric="mask", subfiletype=4)


def thumbnail_page(path: Path) -> None:
    with tifffile.TiffWriter(path) as file:
        file.write(LABELS)
        file.write(LABELS[::2, ::2], subfiletype=1)


def turned(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(LABELS)).save(path, exif=exif)


def frames(layers: np.ndarray) -> Write:
    first, *rest = (Image.fromarray(layer * 255) for layer in layers)
    return lambda path: first.save(path, save_all=True, append_images=rest)


NUMBERS = ["int8", "int16", "int32", "int64", "uint16", "uint32", "uint64", "float16", "float32", "float64"]
LAST = np.moveaxis(ONE_EACH, 0, 2)
FOUR = np.where(np.indices(LABELS.shape)[0] > 60, 3, LABELS)
FOUR_LAST = np.stack([index == FOUR for index in range(4)], axis=2).astype(np.uint8)
SAME: dict[str, Write] = {
    **{f"{dtype}.tif": tiff(LABELS.astype(dtype)) for dtype in NUMBERS},
    **{f"{dtype}.npy": array(LABELS.astype(dtype)) for dtype in NUMBERS},
    **{f"{codec}.tif": tiff(LABELS, compression=codec) for codec in ("lzw", "deflate", "zstd", "packbits")},
    **{f"{bits} bits.png": narrow_png(bits) for bits in (2, 4)},
    **{f"{bits} bits, {kind}.tif": narrow_tiff(bits, kind) for bits in (2, 4) for kind in (0, 1)},
    "0 is white.tif": tiff(LABELS, photometric="miniswhite"),
    "0 is white, deep.tif": tiff(LABELS.astype(np.uint16), photometric="miniswhite"),
    "pages.tif": tiff(ONE_EACH, photometric="minisblack"),
    "pages of 255.tif": tiff(ONE_EACH * 255, photometric="minisblack"),
    "pages of floats.tif": tiff(ONE_EACH.astype(np.float32), photometric="minisblack"),
    "pages without background.tif": tiff(ONE_EACH[1:], photometric="minisblack"),
    "planes called RGB.tif": tiff(ONE_EACH, photometric="rgb", planarconfig="separate"),
    "bands called RGB.png": pillow(LAST),
    "bands.tif": tiff(LAST * 255, photometric="minisblack", planarconfig="contig"),
    "channels first.npy": array(ONE_EACH.astype(np.float32)),
    "channels last.npy": array(LAST.astype(bool)),
    "batch of one.npy": array(ONE_EACH[None]),
    "one channel.npy": array(LABELS[..., None]),
    "frames.gif": frames(ONE_EACH),
    "thumbnail.tif": thumbnail_page,
    "turned.png": turned,
    "deep.png": pillow(LABELS.astype(np.uint16)),
    "deep, gray as color.png": lambda path: write_png16(path, np.dstack([LABELS] * 3).astype(np.uint16)),
    "alpha is the mask.png": pillow(np.dstack([np.zeros_like(LAST), LABELS])),
    "gray and alpha.png": pillow(np.dstack([LABELS, np.full_like(LABELS, 255)]), "LA"),
    "alpha where there is nothing.png": pillow(np.dstack([LABELS, (LABELS > 0) * np.uint8(255)]), "LA"),
    "a bitmap.bmp": pillow(LABELS),
    "lossless.jp2": pillow(LABELS),
}


@pytest.mark.parametrize("name", SAME)
def test_values_are_those_that_were_saved(tmp_path: Path, name: str) -> None:
    SAME[name](tmp_path / name)
    assert np.array_equal(decode_mask(tmp_path / name, NAMED), LABELS)


BINARY = (LABELS > 0).astype(np.uint8)
OTHERS: dict[str, tuple[Write, np.ndarray, Reading]] = {
    "1 bit.tif": (narrow_tiff(1, 0, BINARY), BINARY, NAMED),
    "fax.tif": (pillow(LABELS > 0, compression="group4"), BINARY, NAMED),
    **{
        f"below 0, {dtype}.tif": (tiff(LABELS.astype(dtype) - 1), LABELS.astype(int) - 1, NAMED)
        for dtype in ("int8", "int16", "int64", "float32")
    },
    "four bands as RGBA.png": (pillow(FOUR_LAST, "RGBA"), FOUR, Reading(named=(0, 1, 2, 3), largest=3)),
    "not a number.npy": (array(with_rows(np.nan, "float32")), UNKNOWN_ROWS, NAMED),
    "no data.tif": (declared(-9999, "float32"), UNKNOWN_ROWS, NAMED),
    "no data, 200.tif": (declared(200, "uint8"), UNKNOWN_ROWS, NAMED),
    "no data that has a name.tif": (declared(0, "uint8"), with_rows(0, "uint8"), NAMED),
    "a page that says what is valid.tif": (validity_page, UNKNOWN_ROWS, NAMED),
    "nobody has described.tif": (tiff(ONE_EACH[1:], photometric="minisblack"), LABELS, Reading()),
    "deep color.tif": (
        tiff(COLORS[LABELS].astype(np.uint16) * 257, photometric="rgb"),
        COLORS[LABELS],
        NAMED,
    ),
    "all transparent.png": (
        pillow(np.dstack([np.full_like(LAST, 255), np.zeros_like(LABELS)])),
        np.zeros_like(LABELS),
        NAMED,
    ),
    "red, green, blue.png": (pillow(LAST * 255), LAST * 255, NAMED),
    "lossless.webp": (pillow(COLORS[LABELS], lossless=True), COLORS[LABELS], NAMED),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_not_plain_is_kept_too(tmp_path: Path, name: str) -> None:
    write, expected, reading = OTHERS[name]
    write(tmp_path / name)
    assert np.array_equal(decode_mask(tmp_path / name, reading), expected)


GRAY = np.dstack([LABELS] * 3)
REFUSED: dict[str, tuple[Write, str]] = {
    "named.png": (pillow(LABELS, format="JPEG"), "lossy JPEG"),
    "phone.png": (
        pillow(GRAY, format="MPO", save_all=True, append_images=[Image.fromarray(GRAY)]),
        "lossy JPEG",
    ),
    "in a container.tif": (tiff(LABELS, compression="jpeg"), "lossy JPEG in a TIFF"),
    "with a profile.webp": (pillow(GRAY, quality=80, icc_profile=b"x" * 3000), "lossy WEBP"),
    "a.avif": (pillow(GRAY), "lossy AVIF"),
    "irreversible.jp2": (pillow(LABELS, irreversible=True), "lossy JPEG 2000"),
    "overlap.tif": (
        tiff(np.stack([BINARY, ONE_EACH[1]]), photometric="minisblack"),
        "1024 pixels are in more",
    ),
    "two.tif": (tiff(np.stack([LABELS, LABELS]), photometric="minisblack"), "holds 2 pages.*save the one"),
    "no page.tif": (
        tiff(ONE_EACH * (LABELS < 2), photometric="minisblack"),
        r"900 pixels are in none.*\[255, 3\]",
    ),
    "ink.tif": (pillow(np.dstack([LABELS] * 4), "CMYK"), "holds 4 channels"),
    "shares.npy": (array(np.full((3, *LABELS.shape), 1 / 3)), "probabilities"),
    "infinite.npy": (array(with_rows(np.inf, "float32")), "whole numbers, this one has inf"),
    "huge.npy": (array(with_rows(1e17, "float64")), "too large for the number of a class"),
    "contradiction.png": (
        pillow(np.dstack([BINARY, (LABELS > 1) * np.uint8(255)]), "LA"),
        r"the color \[1\] is opaque in some places and transparent in others",
    ),
    "archive.npy": (lambda path: np.savez(path.open("wb"), a=LABELS), "several arrays"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_lose_something_is_refused(tmp_path: Path, name: str) -> None:
    write, message = REFUSED[name]
    write(tmp_path / name)
    with pytest.raises(DataError, match=message) as error:
        open_mask(tmp_path / name, NAMED)
    assert name in str(error.value)


def test_pages_in_none_of_which_a_pixel_is_may_be_ignored(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", ONE_EACH * (LABELS < 2), photometric="minisblack")
    read = decode_mask(tmp_path / "a.tif", Reading(named=(0, 1, 2, 3, 255), largest=2))
    assert np.array_equal(read, np.where(LABELS == 2, 3, LABELS))


def test_an_index_without_a_color_is_not_black(tmp_path: Path) -> None:
    narrow_png(2, COLORS[:2].tobytes())(tmp_path / "a.png")
    with pytest.raises(DataError, match="none for the index 2"):
        decode_mask(tmp_path / "a.png", Reading(colors=True))
    assert np.array_equal(decode_mask(tmp_path / "a.png", NAMED), LABELS)


def test_without_imagecodecs_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_png16(tmp_path / "deep.png", COLORS[LABELS].astype(np.uint16) * 100)
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    with pytest.raises(DataError, match=r"deep.png.*imagecodecs; type pip install 's4former\[formats\]'"):
        decode_image(tmp_path / "deep.png", 3, (0, 65535))
    tifffile.imwrite(tmp_path / "packed.tif", LABELS.astype(np.float64), compression="zstd")
    reads = (  # tifffile looks for imagecodecs once, when it is imported
        "import sys, pathlib; sys.modules['imagecodecs'] = None\n"
        "from s4former.data.sources.mask_files import open_mask\n"
        f"open_mask(pathlib.Path({str(tmp_path / 'packed.tif')!r}))"
    )
    run = subprocess.run([sys.executable, "-c", reads], capture_output=True, text=True, check=False)
    assert "packed.tif: TIFF files with this compression are read with the package imagecodecs" in run.stderr


def encoded(write: Callable[[io.BytesIO], object]) -> bytes:
    file = io.BytesIO()
    write(file)
    return file.getvalue()


SMALL = LABELS[::4, ::4]
BROKEN = {
    "a.png": encoded(lambda file: Image.fromarray(COLORS[SMALL]).save(file, "PNG")),
    "a.jpg": encoded(lambda file: Image.fromarray(COLORS[SMALL]).save(file, "JPEG")),
    "a.gif": encoded(lambda file: Image.fromarray(SMALL).save(file, "GIF")),
    "a.tif": encoded(lambda file: Image.fromarray(COLORS[SMALL]).save(file, "TIFF", compression="tiff_lzw")),
    "f.tif": encoded(lambda file: tifffile.imwrite(file, SMALL.astype(np.float64), compression="deflate")),
    "a.npy": encoded(lambda file: np.save(file, SMALL.astype(np.int32))),
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.filterwarnings("ignore")
def test_broken_bytes_are_errors_of_data_and_nothing_else(tmp_path: Path, name: str) -> None:
    random, path, refused = np.random.default_rng(0), tmp_path / name, 0
    for _ in range(60):
        content = bytearray(BROKEN[name])
        for place in random.integers(0, min(len(content), 160), random.integers(1, 5)):
            content[place] = random.integers(0, 256)
        path.write_bytes(content)
        refused += sum(is_refused(read, path) for read in (open_mask, decode_image))
    assert refused > 20


def is_refused(read: Callable[[Path], object], path: Path) -> bool:
    """Whether a file is refused with an error that names it; any other error goes on."""
    try:
        read(path)
    except DataError as error:
        return path.name in str(error)
    return False
