"""Regions of Label Studio json: polygons, brushes, bitmasks, rectangles, ellipses, vectors and keypoints.

Source: Label Studio's pages on the tags. Coordinates are percent of the image, turned rectangles pivot on
their upper left corner, ellipses on their center. A bitmask is a PNG file whose opaque pixels are set.

Brushes are run lengths, as the readme of ``@thi.ng/rle-pack`` has them: 32 bits number of words, 5 bits word
size less one, four times 4 bits width of a count less one; then blocks of 1 bit (repeated or as they are),
2 bits which width the count has, the count less one, and one word or as many as counted. Label Studio packs
an RGBA picture of 8-bit words; as in its own export every pixel counts whose alpha is not 0, since tools
that hand it masks don't agree on how opaque they are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import UInt8

from s4former.config.errors import DataError
from s4former.curation.annotations import reading
from s4former.curation.annotations.shapes import (
    DEGENERATE,
    Bitmap,
    Ellipse,
    Notes,
    Polygon,
    Region,
    Shape,
    Stroke,
    around,
    rectangle,
)

_BOX = {"x", "y", "width", "height"}
_OUTLINES = ("rle", "imageDataURL", "points", "vertices", "radiusX")
_ELSEWHERE = ("start", "end", "ranges", "sequence", "text", "globalOffsets")  # in texts, sounds and videos


def is_on_image(region: dict[str, Any]) -> bool:
    """Say whether a result marks a part of the image; others label all of it, or parts of a text."""
    if "original_width" in region or any(key in region for key in (*_OUTLINES, "x")):
        return True
    return bool(labels_of(region)) and not any(key in region for key in _ELSEWHERE)


def has_outline(region: dict[str, Any]) -> bool:
    """Say whether a region tells which pixels it has; keypoints and lines don't."""
    corners = region.get("points", region.get("vertices"))
    if isinstance(corners, list):
        bent = any("controlPoint1" in corner for corner in corners if isinstance(corner, dict))
        return _is_closed(region) and len(corners) > 2 and not bent
    return any(key in region for key in _OUTLINES) or (region.keys() >= _BOX and not _is_keypoint(region))


def labels_of(region: dict[str, Any]) -> list[str]:
    """Return the labels of a region; they are kept under the name of the tag, as in ``polygonlabels``."""
    found = (value for key, value in region.items() if key.endswith("labels") and isinstance(value, list))
    return [str(label).strip() for value in found for label in value if isinstance(label, str | int)]


def size_of(region: dict[str, Any], where: str) -> tuple[int, int]:
    """Return the height and width of the image that a region was drawn on.

    Raises:
        DataError: If it doesn't tell.
    """
    found = reading.size(region.get("original_height"), region.get("original_width"), where)
    if found is None:
        raise DataError(f"{where}: a region lacks original_width or original_height; export it again")
    return found


def shapes_of(regions: list[dict[str, Any]], task: str, notes: Notes) -> list[Shape]:
    """Return the regions of an image as they are drawn.

    Raises:
        DataError: If one is broken, or nothing tells where it is.
    """
    labeled = {str(region.get("id")) for region in regions if labels_of(region)}
    shapes = []
    for index, record in enumerate(regions):
        where = f"{task}: region {reading.short(record.get('id', index))}"
        labels = labels_of(record)
        if not labels and str(record.get("id")) in labeled:
            continue  # the labels are in another record of the same region
        if record.get("image_rotation"):
            turned = reading.short(record["image_rotation"])
            raise DataError(
                f"{where}: the image was turned by {turned} degrees in Label Studio; turn it back there and "
                "export again"
            )
        if len(labels) > 1:
            notes.add("regions with several labels, of which the first counts", where)
        covered, unknown = _covered(record, where)
        if not labels:
            unknown = unknown or "regions without a label"
        shapes.append(Shape(labels[0] if labels else None, covered, where, unknown))
    return shapes


def _is_closed(record: dict[str, Any]) -> bool:
    return bool(record.get("closed", "points" in record))


def _is_keypoint(record: dict[str, Any]) -> bool:
    return "keypointlabels" in record or str(record.get("type")).startswith("keypoint")


def _covered(record: dict[str, Any], where: str) -> tuple[tuple[Region, ...], str]:
    """Return what a region covers, and why nobody knows its pixels, if so."""
    height, width = size_of(record, where)

    def get(name: str, whole: float) -> float:
        return reading.number(record.get(name), where, name) * whole / 100

    degrees = reading.number(record.get("rotation") or 0, where, "rotation")
    if "rle" in record:
        return (decode_brush(record["rle"], height, width, where),), ""
    if "imageDataURL" in record:
        return (_bitmask(record["imageDataURL"], height, width, where),), ""
    if "points" in record or "vertices" in record:
        return _line(record, np.array([width, height]) / 100, where)
    if "radiusX" in record:
        radii = abs(get("radiusX", width)), abs(get("radiusY", height))
        return (Ellipse((get("x", width), get("y", height)), radii, degrees),), ""
    if _is_keypoint(record) or (_BOX & record.keys()) == {"x", "y"}:
        return (Stroke(np.array([[get("x", width), get("y", height)]])),), "keypoints"
    if record.keys() >= _BOX:
        corner, extent = (get("x", width), get("y", height)), (get("width", width), get("height", height))
        return (rectangle(*corner, *extent, degrees),), ""
    label = "".join(reading.short(label) for label in labels_of(record)[:1]) or "region"
    kind = reading.short(record.get("type"))
    raise DataError(
        f"{where}: nothing tells where this {label} is (type {kind}); draw it as a polygon, brush, rectangle "
        "or ellipse, or delete it"
    )


def _line(record: dict[str, Any], scale: np.ndarray, where: str) -> tuple[tuple[Region, ...], str]:
    """Return what a polygon or a vector covers; vectors have corners, or bends with two control points."""
    bends: list[Any] = []
    if "points" in record:
        corners = reading.points(record["points"], where)
    else:
        vertices = reading.entries(record["vertices"], f"{where}: vertices")
        ends = [one.get(name) for one in vertices for name in ("controlPoint1", "controlPoint2")]
        bends = [end for end in ends if isinstance(end, dict)]
        corners = reading.points([[one.get("x"), one.get("y")] for one in [*vertices, *bends]], where)
    if not len(corners):
        raise DataError(f"{where}: a region without a point is nowhere; draw it again, or delete it")
    corners = corners * scale
    closed = _is_closed(record)
    if bends:
        return around(corners), "vectors with bends"
    if not closed and "vertices" in record:
        return (Stroke(corners),), "lines"
    if not closed or len(corners) < 3:
        return around(corners), "polygons not closed" if not closed else DEGENERATE
    return (Polygon(corners),), ""


def _bitmask(address: Any, height: int, width: int, where: str) -> Bitmap:
    encoded = address.partition("base64,")[2] if isinstance(address, str) else address
    pixels = reading.png(encoded, where)
    if pixels.shape != (height, width):
        raise DataError(
            f"{where}: its bitmask has {pixels.shape[1]} x {pixels.shape[0]} pixels, the image "
            f"{width} x {height}; export it again"
        )
    return Bitmap(pixels)


def decode_brush(packed: Any, height: int, width: int, where: str) -> Bitmap:
    """Return the brushed pixels of an image.

    Args:
        packed: The bytes as a list of numbers.
        height: Of the image, in pixels.
        width: Of the image, in pixels.
        where: What errors call it.

    Raises:
        DataError: If they are broken or of another size.
    """
    try:
        data = np.array(packed, dtype=np.uint8)
        words = _unpack(data, 4 * height * width)
    except (TypeError, ValueError, OverflowError, IndexError) as error:
        raise DataError(
            f"{where}: cannot read the run lengths of its brush: {error}; export it again"
        ) from error
    return Bitmap(words.reshape(height, width, 4)[:, :, 3] > 0)


def _unpack(data: UInt8[np.ndarray, " n"], expected: int) -> UInt8[np.ndarray, " m"]:
    bits = np.unpackbits(data)
    at = 0

    def read(width: int) -> int:
        nonlocal at
        if at + width > len(bits):
            raise ValueError("they break off")
        found = int.from_bytes(np.packbits(bits[at : at + width]).tobytes()) >> (-width % 8)
        at += width
        return found

    total, word_size = read(32), read(5) + 1
    if (total, word_size) != (expected, 8):
        raise ValueError(f"they hold {total} words of {word_size} bits, the image has {expected} of 8")
    widths = [read(4) + 1 for _ in range(4)]
    words = np.empty(total, dtype=np.uint8)
    done = 0
    while done < total:
        repeated = read(1)
        count = read(widths[read(2)]) + 1
        if done + count > total:
            raise ValueError("they hold more words than they say")
        if repeated:
            words[done : done + count] = read(8)
        else:
            if at + 8 * count > len(bits):
                raise ValueError("they break off")
            words[done : done + count] = np.packbits(bits[at : at + 8 * count])
            at += 8 * count
        done += count
    return words
