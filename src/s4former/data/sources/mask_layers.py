"""The layers of a mask file as stored: its pages, bands or channels, with what the file says of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Shaped
from PIL import Image as PilImage

from s4former.config.errors import DataError
from s4former.data.sources.decoding import (
    Array,
    decoding,
    first_bytes,
    is_known_to_pillow,
    load_upright,
    opened,
)
from s4former.data.sources.raster import is_deep_color_png, pillow_reads, read_deep_color_png, read_npy
from s4former.data.sources.tiff import (
    TiffPage,
    content_pages,
    is_tiff,
    read_validity,
    read_with_tifffile,
    tiff_pages,
)

Stack = Shaped[np.ndarray, "layers h w"]

TRANSPARENT = ", transparent in places"
"""End of the kind of a file whose color counts though alpha differs."""
_WITH_ALPHA = ("LA", "PA", "RGBA", "La", "RGBa")
_SPREAD = {2: 85, 4: 17}
"""What Pillow multiplies gray levels of so many bits by."""
_SHORT = 3
"""An axis of channels is so many times shorter than the others, at least."""


@dataclass(frozen=True)
class Layers:
    """What a mask file stores.

    Attributes:
        stack: Its pages, bands or channels; palette indices are numbers.
        kind: How it stores them, for messages.
        in_color: Whether the three layers are red, green and blue.
        palette: The colors of the indices, if it has a palette.
        nodata: The number that it declares to be no data.
        valid: Which pixels it declares to hold something.
    """

    stack: Stack
    kind: str
    in_color: bool = False
    palette: Shaped[np.ndarray, "indices 3"] | None = None
    nodata: float | None = None
    valid: Bool[np.ndarray, "h w"] | None = None


def read_layers(path: Path) -> Layers:
    """Read all layers of a mask file.

    Raises:
        DataError: If it cannot be read, or alpha and color contradict each other.
    """
    head = first_bytes(path, 26)
    if path.suffix.lower() == ".npy":
        return _of_array(_numbers(read_npy(path, "mask"), path), path)
    if is_deep_color_png(head):
        return _of_channels(read_deep_color_png(path, with_alpha=True, what="mask"), path)
    if is_tiff(head):
        return _of_tiff(path)
    with opened(path, "mask") as picture:
        frames, format = int(getattr(picture, "n_frames", 1)), picture.format
        bits = head[24] if format == "PNG" and head[25:26] == b"\0" else 8
        pictures = []
        for number in range(frames):
            picture.seek(number)
            pictures.append(load_upright(picture).copy())
    if frames > 1 and format != "MPO":
        return _of_frames([np.array(one.convert("RGB")) for one in pictures], path)
    return _of_picture(pictures[0], path, TiffPage.plain(bits))


def _of_tiff(path: Path) -> Layers:
    pages = tiff_pages(path, "mask")
    own = content_pages(pages)
    validity = [n for n, page in enumerate(pages) if page.validity and page.size == pages[0].size]
    seen: dict[int, PilImage.Image] = {}
    if is_known_to_pillow(path):
        with opened(path, "mask") as picture:
            if all(pillow_reads(picture.mode, pages[number]) for number in own):
                seen = {number: _seek(picture, number) for number in own}
    if not seen:
        values, bands_last = read_with_tifffile(path, "mask")
        layers = _of_channels(values, path) if bands_last else _of_array(_numbers(values, path), path)
        if layers.in_color and pages[0].photometric in (0, 1) and set(np.unique(layers.stack)) <= {0, 255}:
            layers = Layers(layers.stack, "channels")  # the file does not call them red, green and blue
    elif len(own) > 1:
        found = [_stored(np.array(seen[n]), pages[n]) for n in own]
        if any(one.shape != found[0].shape or one.ndim != 2 for one in found):
            raise DataError(
                f"{path}: has {len(found)} pages of different kinds; save one page of class values"
            )
        layers = Layers(np.stack(found), "pages")
    else:
        layers = _of_picture(seen[own[0]], path, pages[own[0]])
    valid = read_validity(path, validity[0]) if validity else None
    return Layers(layers.stack, layers.kind, layers.in_color, layers.palette, pages[0].nodata, valid)


def _seek(picture: PilImage.Image, number: int) -> PilImage.Image:
    picture.seek(number)
    return load_upright(picture).copy()


def _of_picture(picture: PilImage.Image, path: Path, page: TiffPage) -> Layers:
    with decoding(path, "mask"):
        values = np.array(picture)  # never convert("L"): it would replace palette indices by gray levels
    if picture.mode in ("P", "PA"):
        with decoding(path, "mask"):
            palette = np.array(picture.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
        indices = values[..., 0] if picture.mode == "PA" else values
        return Layers(indices[None], "palette", palette=palette)
    if picture.mode in _WITH_ALPHA:
        return _with_alpha(values, path)
    if picture.mode in ("RGB", "RGBX"):
        return Layers(np.moveaxis(values[..., :3], 2, 0), "color", in_color=True)
    if values.ndim == 3:
        return Layers(np.moveaxis(values, 2, 0), f"channels ({picture.mode})")
    stored = _stored(values, page)
    bits = 1 if stored.dtype == bool else 8 * stored.dtype.itemsize
    return Layers(stored[None], f"{bits}-bit{', 0 is white' if page.photometric == 0 else ''}")


def _stored(values: Array, page: TiffPage) -> Array:
    """Return the numbers that the file holds, where Pillow shows gray levels as a viewer would."""
    bits = page.bits[0] if len(page.bits) == 1 else 8
    if values.dtype == bool:
        return ~values if page.photometric == 0 else values
    if values.dtype == np.uint8 and values.ndim == 2 and page.photometric in (0, 1):
        values = 255 - values if page.photometric == 0 else values
        return values // _SPREAD.get(bits, 1)
    return values


def _of_frames(frames: list[Shaped[np.ndarray, "h w 3"]], path: Path) -> Layers:
    """Return the frames of an animation: each must be one color on black."""
    if any(frame.shape != frames[0].shape for frame in frames):
        raise DataError(f"{path}: has {len(frames)} frames of different sizes; save one of class values")
    layers = []
    for frame in frames:
        colors = np.unique(frame.reshape(-1, 3), axis=0)
        one_on_black = len(colors) == 1 or (len(colors) == 2 and not colors[0].any())
        layers.append(frame.any(axis=2) * np.uint8(255) if one_on_black else frame.max(axis=2))
    return Layers(np.stack(layers), "frames")


def _of_channels(values: Shaped[np.ndarray, "h w c"], path: Path) -> Layers:
    """Return the layers of a file whose last axis is known to be channels."""
    if values.shape[2] in (2, 4) and values.dtype.kind == "u" and _looks_like_alpha(values):
        return _with_alpha(values, path)
    if values.shape[2] == 3 and values.dtype.kind == "u":
        if (values == values[..., :1]).all():
            return Layers(np.moveaxis(values[..., :1], 2, 0), f"{8 * values.dtype.itemsize}-bit")
        return Layers(np.moveaxis(values, 2, 0), "color", in_color=True)
    stack = np.moveaxis(values, 2, 0)
    return Layers(stack, "channels" if len(stack) > 1 else f"{8 * values.dtype.itemsize}-bit")


def _looks_like_alpha(values: Shaped[np.ndarray, "h w c"]) -> bool:
    """Whether the last of two or four channels is more than one class of several."""
    return bool(values[..., -1].max(initial=0) > 1)


def _of_array(values: Array, path: Path) -> Layers:
    shape = values.shape
    while values.ndim > 2 and 1 in values.shape:
        values = values.squeeze(values.shape.index(1))
    if values.ndim == 2:
        return Layers(values[None], "1-bit" if values.dtype == bool else f"{8 * values.dtype.itemsize}-bit")
    if values.ndim == 3 and values.dtype == np.uint8 and values.shape[2] == 3:
        return Layers(np.moveaxis(values, 2, 0), "color", in_color=True)
    axis = _channel_axis(values) if values.ndim == 3 else None
    if axis is None:
        raise DataError(
            f"{path}: a mask holds class values (height x width) or 8-bit RGB (height x width x 3), this "
            f"array is {values.dtype} of shape {shape}"
        )
    return Layers(np.moveaxis(values, axis, 0), "channels")


def _channel_axis(values: Shaped[np.ndarray, "a b c"]) -> int | None:
    """Return which axis, the first or the last, holds a class each: clearly shorter, or summing to one."""
    short, long = sorted((0, 2), key=lambda axis: values.shape[axis])
    if values.shape[short] * _SHORT <= min(values.shape[1], values.shape[long]):
        return short
    sums = [axis for axis in (0, 2) if ((values != 0).sum(axis=axis) <= 1).all()]
    return sums[0] if len(sums) == 1 else None


def _with_alpha(values: Shaped[np.ndarray, "h w c"], path: Path) -> Layers:
    """Return the color, or alpha where the color is the same everywhere."""
    color, alpha = values[..., :-1], values[..., -1]
    if values.max(initial=0) == 1 and (alpha != alpha[0, 0]).any():  # no transparency: a class each
        return Layers(np.moveaxis(values, 2, 0), "channels")
    in_color = color.shape[2] == 3
    plain = Layers(
        np.moveaxis(color, 2, 0), "color" if in_color else f"{8 * values.dtype.itemsize}-bit", in_color
    )
    one_color, nothing = bool((color == color[:1, :1]).all()), not alpha.any()
    if one_color and (nothing or (alpha != alpha[0, 0]).any()):
        return Layers(alpha[None], "transparency")
    if (alpha == alpha[0, 0]).all():
        return plain
    several = _color_of_two_alphas(color, alpha)
    if several is None:
        return replace(plain, kind=f"{plain.kind}{TRANSPARENT}")
    raise DataError(
        f"{path}: the color {several} is opaque in some places and transparent in others, so color alone "
        "does not say what a pixel is; save the mask without transparency, with a color of its own for what "
        "was transparent"
    )


def _color_of_two_alphas(
    color: Shaped[np.ndarray, "h w c"], alpha: Shaped[np.ndarray, "h w"]
) -> list[int] | None:
    code = np.zeros(alpha.shape, np.uint64)
    for channel in range(color.shape[2]):
        code = code << np.uint64(16) | color[..., channel].astype(np.uint64)
    pairs = np.unique(code << np.uint64(16) | alpha.astype(np.uint64)) >> np.uint64(16)
    twice = pairs[:-1][pairs[1:] == pairs[:-1]]
    if not twice.size:
        return None
    first: list[int] = color[code == twice[0]][0].tolist()
    return first


def _numbers(values: Array, path: Path) -> Array:
    if values.dtype.kind not in "buif" or not values.size:
        raise DataError(f"{path}: expected an array of numbers, got {values.dtype} of shape {values.shape}")
    return values
