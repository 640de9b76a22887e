"""Files beyond 8-bit color: 16 bits, floats, any number of channels, pages, bands and arrays."""

from __future__ import annotations

import pickle
import struct
import sys
import zlib
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from s4former.config import DataError
from s4former.data import SUFFIXES, decode_image, decode_mask
from s4former.data.sources.decoding import upright
from s4former.data.sources.raster import count_channels
from s4former.data.sources.values import channels_last, scaled
from s4former.data.statistics import measure_value_range

tifffile = pytest.importorskip("tifffile")

HEIGHT, WIDTH = 12, 17


def values(channels: int, dtype: str, high: float = 255, seed: int = 0) -> np.ndarray:
    numbers = np.random.default_rng(seed).uniform(0, high, (HEIGHT, WIDTH, channels))
    return numbers.astype(dtype)


def expected(array: np.ndarray, low: float, high: float) -> np.ndarray:
    unit = (array.astype(np.float64) - low) / (high - low)
    return np.rint(np.clip(unit, 0, 1) * 255).astype(np.uint8)


def write_png16(path: Path, array: np.ndarray) -> None:
    """Write a PNG of 16-bit color, which Pillow cannot."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width, channels = array.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
    header = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("layout", ["pages", "planar", "bands", "npy", "npy channels first"])
def test_four_channels_in_every_layout(tmp_path: Path, dtype: str, layout: str) -> None:
    array = values(4, dtype, 250)
    first = np.ascontiguousarray(np.moveaxis(array, 2, 0))
    path = tmp_path / ("a.npy" if layout.startswith("npy") else "a.tif")
    if layout == "pages":
        tifffile.imwrite(path, first, photometric="minisblack")
    elif layout == "planar":
        tifffile.imwrite(path, first, photometric="minisblack", planarconfig="separate")
    elif layout == "bands":
        tifffile.imwrite(path, array, photometric="minisblack", planarconfig="contig")
    else:
        np.save(path, array if layout == "npy" else first)
    wanted = array if dtype == "uint8" else expected(array, 10, 200)
    assert np.array_equal(decode_image(path, 4, (10, 200)), wanted)


def test_five_bands_of_which_three_are_called_rgb(tmp_path: Path) -> None:
    """As geographers save them; PIL would keep the first three, which is what three channels ask for."""
    array = values(5, "uint8")
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="rgb")
    assert np.array_equal(decode_image(tmp_path / "a.tif", 5), array)
    assert np.array_equal(decode_image(tmp_path / "a.tif"), array[..., :3])


def test_an_array_written_as_pages_by_mistake_is_understood(tmp_path: Path) -> None:
    array = values(5, "float32")
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="minisblack")  # HEIGHT pages of WIDTH x 5
    assert np.array_equal(decode_image(tmp_path / "a.tif", 5, (0, 255)), expected(array, 0, 255))


def test_16_bit_color_keeps_its_bits(tmp_path: Path) -> None:
    """All values fit into the low byte and a bit: PIL's way would make two gray levels of them."""
    array = values(3, "uint16", 511)
    write_png16(tmp_path / "a.png", array)
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="rgb")
    for name in ("a.png", "a.tif"):
        assert np.array_equal(decode_image(tmp_path / name, 3, (0, 511)), expected(array, 0, 511))
    alpha = np.dstack([array, np.full_like(array[..., :1], 65535)])
    write_png16(tmp_path / "alpha.png", alpha)
    assert np.array_equal(decode_image(tmp_path / "alpha.png", 3, (0, 511)), expected(array, 0, 511))
    assert np.array_equal(decode_image(tmp_path / "alpha.png", 4, (0, 511)), expected(alpha, 0, 511))


@pytest.mark.parametrize("name", ["a.png", "a.tif", "big endian.tif"])
def test_12_bits_in_16_gray(tmp_path: Path, name: str) -> None:
    array = values(1, "uint16", 4095)[..., 0]
    if name.startswith("big"):
        tifffile.imwrite(tmp_path / name, array, byteorder=">")
    else:
        Image.fromarray(array).save(tmp_path / name)
    wanted = expected(array, 0, 4095)
    assert np.array_equal(decode_image(tmp_path / name, 1, (0, 4095))[..., 0], wanted)
    assert np.array_equal(decode_image(tmp_path / name, 3, (0, 4095)), np.dstack([wanted] * 3))


@pytest.mark.parametrize("dtype", ["int16", "uint32", "int32", "float32", "float64", "float16"])
def test_other_numbers(tmp_path: Path, dtype: str) -> None:
    array = values(1, dtype, 3000)[..., 0]
    tifffile.imwrite(tmp_path / "a.tif", array)
    np.save(tmp_path / "a.npy", array)
    for name in ("a.tif", "a.npy"):
        pixels = decode_image(tmp_path / name, 1, (100, 2900))
        assert np.array_equal(pixels[..., 0], expected(array, 100, 2900))


def test_what_is_not_a_number_becomes_0(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([[np.nan, np.inf], [-np.inf, 0.5]], np.float32))
    assert decode_image(tmp_path / "a.npy", 1, (0, 1))[..., 0].tolist() == [[0, 255], [0, 128]]


def test_without_a_range_the_error_says_what_to_write(tmp_path: Path) -> None:
    array = np.linspace(7, 4095, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH).astype(np.uint16)
    Image.fromarray(array).save(tmp_path / "deep.png")
    with pytest.raises(DataError, match=r"deep\.png.* from 7 to 4095.*data\.value_range=\[7,4095\].*init"):
        decode_image(tmp_path / "deep.png")
    write_png16(tmp_path / "color.png", values(3, "uint16"))
    with pytest.raises(DataError, match="value_range") as told:
        decode_image(tmp_path / "color.png")
    # From the process of a loader it comes by pickle.
    assert str(pickle.loads(pickle.dumps(told.value))) == str(told.value)


def test_8_bits_are_never_scaled(tmp_path: Path) -> None:
    array = values(3, "uint8")
    Image.fromarray(array).save(tmp_path / "a.png")
    assert np.array_equal(decode_image(tmp_path / "a.png", 3, (0, 10)), array)


def test_one_channel_of_color_is_its_luma(tmp_path: Path) -> None:
    picture = Image.fromarray(values(3, "uint8"))
    for name, image in (("a.png", picture), ("b.tif", picture), ("c.png", picture.convert("L"))):
        image.save(tmp_path / name)
        assert np.array_equal(decode_image(tmp_path / name, 1)[..., 0], np.asarray(picture.convert("L")))
    array = values(3, "uint16", 60000)
    write_png16(tmp_path / "deep.png", array)
    luma = array @ np.array([0.299, 0.587, 0.114])
    difference = decode_image(tmp_path / "deep.png", 1, (0, 65535))[..., 0] - luma / 65535 * 255
    assert np.abs(difference).max() < 0.51


def test_alpha_and_ink_are_channels_if_there_should_be_four(tmp_path: Path) -> None:
    array = values(4, "uint8")
    Image.fromarray(array, "RGBA").save(tmp_path / "a.png")
    Image.fromarray(array, "CMYK").save(tmp_path / "a.tif")
    assert np.array_equal(decode_image(tmp_path / "a.png", 4), array)
    assert np.array_equal(decode_image(tmp_path / "a.tif", 4), array)


def test_gray_pages_are_the_channels_of_rgb_too(tmp_path: Path) -> None:
    array = values(3, "uint8")
    tifffile.imwrite(tmp_path / "a.tif", np.moveaxis(array, 2, 0), photometric="minisblack")
    assert np.array_equal(decode_image(tmp_path / "a.tif"), array)


def test_thumbnails_are_no_channels(tmp_path: Path) -> None:
    array = values(1, "uint16")[..., 0]
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(array)
        file.write(array[::2, ::2])
    assert np.array_equal(decode_image(tmp_path / "a.tif", 1, (0, 255))[..., 0], array)


@pytest.mark.parametrize(
    ("shape", "channels", "message"),
    [
        (
            (12, 17, 5),
            4,
            r"expected 4 channels, got 12 x 17 x 5; if that are 5 channels, set data\.channels=5",
        ),
        ((7, 12, 17), 3, "if that are 7 channels"),
        ((4, 12, 4), 4, "first or the last axis of 4 x 12 x 4"),
        ((2, 4, 12, 17), 4, "two or three axes, got 2 x 4 x 12 x 17"),
        ((12, 17), 4, r"got 12 x 17; if that are 1 channels"),
    ],
)
def test_other_shapes_are_named(shape: tuple[int, ...], channels: int, message: str) -> None:
    with pytest.raises(DataError, match=message):
        channels_last(np.zeros(shape), channels, "a")


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
def test_channels_are_counted(tmp_path: Path, channels: int) -> None:
    array = values(channels, "uint16")
    first = np.moveaxis(array, 2, 0)
    np.save(tmp_path / "a.npy", array)
    np.save(tmp_path / "first.npy", first)
    tifffile.imwrite(tmp_path / "pages.tif", first, photometric="minisblack")
    bands = array if channels > 1 else array[..., 0]
    tifffile.imwrite(tmp_path / "bands.tif", bands, photometric="minisblack" if channels != 3 else "rgb")
    assert {file.name: count_channels(file) for file in tmp_path.iterdir()} == dict.fromkeys(
        ("a.npy", "first.npy", "pages.tif", "bands.tif"), channels
    )


def test_axes_of_length_one_do_not_matter() -> None:
    array = values(4, "float32")
    assert np.array_equal(channels_last(array[None], 4, "a"), array)
    assert channels_last(np.zeros((1, 12, 17)), 1, "a").shape == (12, 17, 1)
    assert channels_last(np.zeros((1, 1, 12, 17)), 3, "a").shape == (12, 17, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientations_are_applied_as_pil_does(tmp_path: Path, orientation: int) -> None:
    array = values(3, "uint8")
    picture = Image.fromarray(array)
    exif = picture.getexif()
    exif[0x0112] = orientation
    turned = np.asarray(ImageOps.exif_transpose(picture))
    assert np.array_equal(upright(array, orientation), turned)
    tag = [(274, "H", 1, orientation, False)]
    deep = array.astype(np.uint16) * 257
    pages = np.moveaxis(deep, 2, 0)
    for name, stored, photometric in (
        ("color.tif", deep, "rgb"),
        ("pages.tif", pages, "minisblack"),
        ("pages of tifffile.tif", pages.astype(np.float64), "minisblack"),
        ("8 bits.tif", array, "rgb"),
    ):
        tifffile.imwrite(tmp_path / name, stored, photometric=photometric, extratags=tag)
        assert np.array_equal(decode_image(tmp_path / name, 3, (0, 65535)), turned), name
    tifffile.imwrite(tmp_path / "gray.tif", array[..., 0], extratags=tag)
    assert np.array_equal(decode_image(tmp_path / "gray.tif", 1), turned[..., :1])
    assert np.array_equal(decode_mask(tmp_path / "gray.tif"), turned[..., 0])


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.npy"])
def test_cut_files_are_named(tmp_path: Path, name: str) -> None:
    array = values(4, "uint16", 60000)
    if name == "a.png":
        write_png16(tmp_path / name, array)
    elif name == "a.tif":
        tifffile.imwrite(tmp_path / name, array, photometric="minisblack", planarconfig="contig")
    else:
        np.save(tmp_path / name, array)
    whole = (tmp_path / name).read_bytes()
    for size in (0, 30, len(whole) // 2):
        (tmp_path / name).write_bytes(whole[:size])
        with pytest.raises(DataError, match=f"cannot read the image .*{name}"):
            decode_image(tmp_path / name, 4, (0, 65535))


def test_arrays_run_no_code_and_hold_numbers(tmp_path: Path) -> None:
    np.save(tmp_path / "objects.npy", np.array([[print]], dtype=object))
    with pytest.raises(DataError, match=r"cannot read the image .*objects\.npy"):
        decode_image(tmp_path / "objects.npy", 1)
    np.save(tmp_path / "complex.npy", np.zeros((4, 5), complex))
    with pytest.raises(DataError, match="array of numbers, got complex128"):
        decode_image(tmp_path / "complex.npy", 1)
    with pytest.raises(DataError, match="there is no such file"):
        decode_image(tmp_path / "missing.npy", 1)


@pytest.mark.parametrize("dtype", ["uint8", "int64", "bool", "float32"])
def test_masks_may_be_arrays(tmp_path: Path, dtype: str) -> None:
    mask = (values(1, "uint8", 3)[..., 0] > 1).astype(dtype)
    np.save(tmp_path / "a.npy", mask)
    assert np.array_equal(decode_mask(tmp_path / "a.npy"), mask.astype(int))
    np.save(tmp_path / "color.npy", values(3, "uint8"))
    assert np.array_equal(decode_mask(tmp_path / "color.npy"), values(3, "uint8"))
    np.save(tmp_path / "stack.npy", values(4, "uint8"))
    with pytest.raises(DataError, match=r"stack\.npy: holds 4 channels.*one value a pixel"):
        decode_mask(tmp_path / "stack.npy")


def test_without_tifffile_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", values(5, "uint8"), photometric="minisblack", planarconfig="contig")
    Image.fromarray(values(1, "uint16")[..., 0]).save(tmp_path / "gray.tif")
    monkeypatch.setitem(sys.modules, "tifffile", None)
    with pytest.raises(DataError, match=r"a\.tif.*s4former\[formats\]"):
        decode_image(tmp_path / "a.tif", 5)
    assert decode_image(tmp_path / "gray.tif", 1, (0, 255)).shape == (HEIGHT, WIDTH, 1)


numbers = st.one_of(
    st.lists(st.integers(0, 2**16 - 1), min_size=1, max_size=20).map(lambda v: np.array(v, np.uint16)),
    st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=20).map(lambda v: np.array(v, np.int32)),
    st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=20).map(lambda v: np.array(v, np.float32)),
)


@given(numbers, st.floats(-1e5, 1e5), st.floats(1e-2, 1e5))
def test_scaling_is_what_exact_arithmetic_says(array: np.ndarray, low: float, width: float) -> None:
    high = low + width
    pixels = scaled(array[None, :, None], (low, high), "a").ravel()
    for value, pixel in zip(array.tolist(), pixels.tolist(), strict=True):
        exact = (Fraction(value) - Fraction(low)) / (Fraction(high) - Fraction(low)) * 255
        assert abs(pixel - min(max(exact, Fraction(0)), Fraction(255))) <= Fraction(1, 2) + Fraction(1, 10**6)
    order = np.argsort(array, kind="stable")
    assert (np.diff(pixels[order].astype(int)) >= 0).all()
    ends = scaled(np.array([low, high])[None, :, None], (low, high), "a")
    assert ends.ravel().tolist() == [0, 255]


@pytest.mark.parametrize("ending", ["jfif", "jp2", "gif", "avif", "webp"])
def test_photographs_of_other_formats(tmp_path: Path, ending: str) -> None:
    """Two smooth halves, which every codec keeps nearly as they are."""
    picture = np.zeros((32, 48, 3), np.uint8)
    picture[:, 24:] = 200, 100, 50
    Image.fromarray(picture).save(tmp_path / f"a.{ending}", "JPEG" if ending == "jfif" else None)
    assert f".{ending}" in SUFFIXES
    difference = decode_image(tmp_path / f"a.{ending}")[:, [3, -3]].astype(int) - picture[:, [3, -3]]
    assert np.abs(difference).max() < 12


@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32", "float64"])
def test_no_data_is_left_out_of_the_range_and_black(tmp_path: Path, dtype: str) -> None:
    array = values(3, dtype, 2000) + 1000
    nodata = 65535 if dtype == "uint16" else -9999
    array[:, :5] = nodata
    tag = [(42113, 2, 0, str(nodata), True)]
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="rgb", extratags=tag)
    low, high = measure_value_range([tmp_path / "a.tif"], 3) or (0, 0)
    assert 1000 <= low < 1100
    assert 2900 < high <= 3000
    pixels = decode_image(tmp_path / "a.tif", 3, (1000, 3000))
    assert (pixels[:, :5] == 0).all()
    assert np.array_equal(pixels[:, 5:], expected(array[:, 5:], 1000, 3000))


def test_a_broken_image_does_not_stop_the_range(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", values(1, "uint16", 3000)[..., 0])
    (tmp_path / "b.tif").write_bytes((tmp_path / "a.tif").read_bytes()[:200])
    files = [tmp_path / "a.tif", tmp_path / "b.tif"]
    assert measure_value_range(files, 1) == measure_value_range(files[:1], 1)


def test_signed_bytes_stay_signed(tmp_path: Path) -> None:
    array = (values(1, "uint8")[..., 0].astype(int) - 128).astype(np.int8)
    tifffile.imwrite(tmp_path / "a.tif", array)
    assert np.array_equal(
        decode_image(tmp_path / "a.tif", 1, (-128, 127))[..., 0], expected(array, -128, 127)
    )
