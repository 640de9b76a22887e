"""Drawing: exactly the pixels whose center lies inside, cut at the edges, one over the other."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from drawn import HEIGHT, WIDTH, centers, in_ellipse, in_polygon, turned_back
from hypothesis import given
from hypothesis import strategies as st

from s4former.curation.annotations import Polygon, rectangle
from s4former.curation.annotations.rasterize import Layer, Patch, draw, rasterize
from s4former.curation.annotations.shapes import Bitmap, Ellipse, Region, Stroke, hull
from s4former.types import IGNORE

COORDINATE = st.one_of(st.integers(-10, 45), st.floats(-10, 45, width=32))
CORNERS = st.lists(st.tuples(COORDINATE, COORDINATE), min_size=3, max_size=9)


def whole(patch: Patch, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    pixels = np.zeros((height, width), dtype=np.uint8)
    patch.of(pixels)[...] = patch.pixels
    return pixels.astype(bool)


def fill(*regions: Region) -> np.ndarray:
    return whole(rasterize(regions, HEIGHT, WIDTH))


def from_outline(corners: list[tuple[float, float]]) -> np.ndarray:
    """Return the distance of every pixel's center from a polygon's outline."""
    x, y = centers()
    distance = np.full((HEIGHT, WIDTH), np.inf)
    for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True):
        length = (x1 - x0) ** 2 + (y1 - y0) ** 2
        along = ((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / length if length else 0
        share = np.clip(along, 0, 1)
        distance = np.minimum(distance, np.hypot(x0 + share * (x1 - x0) - x, y0 + share * (y1 - y0) - y))
    return distance


@given(CORNERS)
def test_polygon_is_its_definition(corners: list[tuple[float, float]]) -> None:
    """Also where it crosses itself, has corners on pixel centers, or lies partly or wholly outside."""
    corners = [(float(x), float(y)) for x, y in corners]
    filled = fill(Polygon(np.array(corners, dtype=float)))
    certain = from_outline(corners) > 1e-6  # a center on an outline may fall to either side
    np.testing.assert_array_equal(filled[certain], in_polygon(corners)[certain])


def test_neighbors_share_no_pixel_and_leave_none_out() -> None:
    """Triangles around a point, with corners on pixel centers and edges, cover each pixel once."""
    hub = (10.5, 12.0)
    rim = [(0, 0), (16, 0), (32, 0), (32, 11.5), (32, 24), (7.5, 24), (0, 24), (0, 12)]
    counts = sum(
        fill(Polygon(np.array([hub, start, end], dtype=float))).astype(int)
        for start, end in zip(rim, rim[1:] + rim[:1], strict=True)
    )
    assert (counts == 1).all()


@given(CORNERS)
def test_close_to_pycocotools(corners: list[tuple[float, float]]) -> None:
    """Masks differ by less than a pixel along the outline, where pycocotools rounds corners."""
    mask_utils = pytest.importorskip("pycocotools.mask")
    corners = [(min(max(float(x), 0), WIDTH), min(max(float(y), 0), HEIGHT)) for x, y in corners]
    flat = [value for corner in corners for value in corner]
    theirs = mask_utils.decode(mask_utils.frPyObjects([flat], HEIGHT, WIDTH))[:, :, 0].astype(bool)
    band = from_outline(corners) <= 1
    np.testing.assert_array_equal(fill(Polygon(np.array(corners, dtype=float)))[~band], theirs[~band])


def test_hole_by_a_bridge() -> None:
    """A line to an inner ring and back, as polygon formats write holes, leaves the ring out."""
    corners = [(2, 2), (20, 2), (20, 20), (2, 20), (2, 2), (6, 6), (6, 12), (12, 12), (12, 6), (6, 6)]
    expected = np.zeros((HEIGHT, WIDTH), dtype=bool)
    expected[2:20, 2:20] = True
    expected[6:12, 6:12] = False
    np.testing.assert_array_equal(fill(Polygon(np.array(corners, dtype=float))), expected)


@pytest.mark.parametrize("far", [1e3, 1e7])
def test_far_corners_are_cut_exactly(far: float) -> None:
    assert fill(Polygon(np.array([(-far, -far), (far, -far), (far, far), (-far, far)]))).all()
    half = fill(Polygon(np.array([(-far, -far), (16, -far), (16, far), (-far, far)])))
    assert half[:, :16].all()
    assert not half[:, 16:].any()


def test_relative_corners_are_fractions_of_the_image() -> None:
    quarter = np.array([(0, 0), (0.5, 0), (0.5, 0.5), (0, 0.5)])
    filled = fill(Polygon(quarter, relative=True))
    assert filled[: HEIGHT // 2, : WIDTH // 2].all()
    assert filled.sum() == HEIGHT * WIDTH // 4


@pytest.mark.parametrize("ellipse", [(10, 12, 6, 6, 0), (14.3, 9.8, 9.5, 4.2, 30), (30, 3, 8, 5, 100)])
def test_ellipse_is_its_definition(ellipse: tuple[float, float, float, float, float]) -> None:
    x, y, a, b, degrees = ellipse
    np.testing.assert_array_equal(fill(Ellipse((x, y), (a, b), degrees)), in_ellipse(*ellipse))


@pytest.mark.parametrize("degrees", [0, 25, 90, 200])
@pytest.mark.parametrize("pivot", [(0, 0), (0.5, 0.5)])
def test_turned_rectangle_is_its_definition(degrees: float, pivot: tuple[float, float]) -> None:
    left, top, width, height = 11.1, 8.3, 9.3, 5.1
    x, y = turned_back(left + pivot[0] * width, top + pivot[1] * height, degrees)
    x, y = x + pivot[0] * width, y + pivot[1] * height
    expected = (x > 0) & (x < width) & (y > 0) & (y < height)
    np.testing.assert_array_equal(fill(rectangle(left, top, width, height, degrees, pivot)), expected)


@pytest.mark.parametrize(("left", "top"), [(0, 0), (-3, -2), (28, 20), (-3, 20), (40, 3), (3, -9)])
def test_bitmap_is_cut_at_the_edges(left: int, top: int) -> None:
    pixels = np.random.default_rng(0).random((6, 9)) < 0.5
    board = np.zeros((HEIGHT + 60, WIDTH + 60), dtype=bool)
    board[top + 30 : top + 36, left + 30 : left + 39] = pixels
    np.testing.assert_array_equal(fill(Bitmap(pixels, left, top)), board[30 : 30 + HEIGHT, 30 : 30 + WIDTH])


@given(st.lists(CORNERS, min_size=1, max_size=3))
def test_regions_of_one_shape_add_up(parts: list[list[tuple[float, float]]]) -> None:
    """Parts that overlap are no holes."""
    polygons = [Polygon(np.array(part, dtype=float)) for part in parts]
    np.testing.assert_array_equal(fill(*polygons), np.any([fill(polygon) for polygon in polygons], axis=0))


@pytest.mark.parametrize(
    "region", [rectangle(50, 2, 4, 4), rectangle(-9, 2, 9, 4), Bitmap(np.zeros((4, 4), dtype=bool))]
)
def test_nothing_on_the_image(region: Region) -> None:
    drawing = draw([Layer((region,), 1)], HEIGHT, WIDTH, 7, larger_first=False)
    assert (drawing.absent, drawing.thin) == ((0,), ())
    assert (drawing.mask == 7).all()


@pytest.mark.parametrize(
    ("region", "rows", "columns"),
    [
        (rectangle(2, 2, 0, 9), slice(2, 11), slice(2, 3)),
        (rectangle(2.6, 3.6, 0.8, 0.3), slice(3, 4), slice(2, 4)),
        (Polygon(np.array([(5.0, 5.0)] * 3)), slice(5, 6), slice(5, 6)),
        (Polygon(np.array([(1.0, 1.0), (9.0, 1.1), (9.0, 1.0)])), slice(1, 2), slice(1, 9)),
        (Ellipse((5, 5), (0, 3)), slice(2, 8), slice(5, 6)),
    ],
)
def test_what_is_too_thin_is_unknown(region: Region, rows: slice, columns: slice) -> None:
    """It is there, so it must not become what is outside."""
    drawing = draw([Layer((region,), 1)], HEIGHT, WIDTH, 7, larger_first=False)
    expected = np.full((HEIGHT, WIDTH), 7)
    expected[rows, columns] = IGNORE
    assert (drawing.absent, drawing.thin) == ((), (0,))
    np.testing.assert_array_equal(drawing.mask, expected)


def test_order_of_drawing() -> None:
    small, large = (rectangle(4, 4, 4, 4),), (rectangle(2, 2, 10, 10),)
    in_order = draw([Layer(small, 1), Layer(large, 2)], HEIGHT, WIDTH, 0, larger_first=False)
    by_size = draw([Layer(small, 1), Layer(large, 2)], HEIGHT, WIDTH, 0, larger_first=True)
    assert in_order.mask[5, 5] == 2
    assert by_size.mask[5, 5] == 1
    assert in_order.overlap
    assert not draw([Layer(small, 1), Layer(large, 1)], HEIGHT, WIDTH, 0, larger_first=True).overlap


def test_of_equally_large_shapes_the_later_one_is_on_top() -> None:
    box = (rectangle(4, 4, 4, 4),)
    assert draw([Layer(box, 1), Layer(box, 2)], HEIGHT, WIDTH, 0, larger_first=True).mask[5, 5] == 2


def test_unknown_shapes_have_their_place_in_the_order() -> None:
    """They hide what is below them, but for pixels of their own class; what is drawn over them stays."""
    below, mine, over = rectangle(0, 0, 8, 8), rectangle(8, 0, 8, 8), rectangle(0, 12, 16, 4)
    box = Layer((rectangle(4, 4, 10, 10),), 1, unknown=True)
    layers = [Layer((below,), 2), Layer((mine,), 1), box, Layer((over,), 3)]
    mask = draw(layers, HEIGHT, WIDTH, 0, larger_first=False).mask
    expected = np.zeros((HEIGHT, WIDTH))
    expected[:8, :8], expected[4:14, 4:14], expected[:8, 8:16], expected[12:16, :16] = 2, IGNORE, 1, 3
    np.testing.assert_array_equal(mask, expected)


def test_unknown_shapes_of_no_class_take_pixels_from_none() -> None:
    layers = [Layer((rectangle(0, 0, 8, 8),), 2), Layer((rectangle(4, 4, 8, 8),), None, unknown=True)]
    mask = draw(layers, HEIGHT, WIDTH, 0, larger_first=False).mask
    expected = np.zeros((HEIGHT, WIDTH))
    expected[4:12, 4:12] = IGNORE
    expected[:8, :8] = 2
    np.testing.assert_array_equal(mask, expected)


@given(st.lists(st.tuples(st.floats(-9, WIDTH + 9), st.floats(-9, HEIGHT + 9)), min_size=1, max_size=4))
def test_stroke_is_what_lies_near_a_line(points: list[tuple[float, float]]) -> None:
    """Compared with the distance to many points along it."""
    line = np.array(points)
    steps = np.linspace(0, 1, 400)[:, None]
    along = np.concatenate([line[:1], *[a + steps * (b - a) for a, b in pairwise(line)]])
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    distance = np.hypot(x[..., None] - along[:, 0], y[..., None] - along[:, 1]).min(-1)
    radius = max(HEIGHT, WIDTH) / 20
    drawn = fill(Stroke(line))
    assert drawn[distance <= radius - 1e-9].all()
    assert not drawn[distance > radius + 0.01].any()


def test_hull() -> None:
    square = np.array([(0, 0), (4, 0), (4, 4), (0, 4)], dtype=float)
    points = np.concatenate([square[[0, 2, 1, 3]], [(2, 2), (0, 0), (2, 0)]])
    assert {tuple(corner) for corner in hull(points)} == {tuple(corner) for corner in square}
    assert abs(np.diff(np.concatenate([hull(points), hull(points)[:1]]), axis=0)).sum() == 16  # a closed walk
    assert len(hull(np.array([(0.0, 0.0), (2.0, 2.0), (1.0, 1.0)]))) == 2
    assert len(hull(np.array([(3.0, 3.0), (3.0, 3.0)]))) == 1
