"""Grids: bounds, and the pixels that lie over an area."""

import numpy as np
import pytest
from affine import Affine
from rasterio.crs import CRS
from rasterio.warp import transform

from srtools.images.grid import Grid

UTM31 = CRS.from_epsg(32631)
GRID = Grid(UTM31, Affine(10, 0, 500_000, 0, -10, 5_000_000), width=8, height=5)


def rows_and_columns(window) -> tuple[int, int, int, int]:
    rows, cols = window
    return rows.start, rows.stop, cols.start, cols.stop


def test_bounds_and_position():
    assert GRID.bounds == (500_000, 4_999_950, 500_080, 5_000_000)
    assert GRID.bounds_in(UTM31, 5) == (499_995, 4_999_945, 500_085, 5_000_005)
    assert GRID.position(500_030, 4_999_980) == (2, 3)


def test_bounds_in_another_crs_hold_every_corner():
    lambert = CRS.from_epsg(2154)
    left, bottom, right, top = GRID.bounds_in(lambert)
    corners = [500_000, 500_080] * 2, [5_000_000] * 2 + [4_999_950] * 2
    xs, ys = transform(UTM31, lambert, *corners)
    assert left <= min(xs) and max(xs) <= right
    assert bottom <= min(ys) and max(ys) <= top


@pytest.mark.parametrize(
    ("bounds", "touched", "centred"),
    [
        # Rows 1 and 2, columns 2 to 4: on the edges of pixels, or 4 m off them.
        ((500_020, 4_999_970, 500_050, 4_999_990), (1, 3, 2, 5), (1, 3, 2, 5)),
        ((500_016, 4_999_966, 500_054, 4_999_994), (0, 4, 1, 6), (1, 3, 2, 5)),
        # A centre on the edge itself is inside.
        ((500_015, 4_999_965, 500_055, 4_999_995), (0, 4, 1, 6), (0, 4, 1, 6)),
        # Rounding errors add no pixel.
        ((500_020 - 1e-7, 4_999_970, 500_050, 4_999_990 + 1e-7), *[(1, 3, 2, 5)] * 2),
        # Beyond the image.
        ((499_980, 4_999_990, 500_010, 5_000_020), (-2, 1, -2, 1), (-2, 1, -2, 1)),
    ],
)
def test_pixels_over_bounds(bounds, touched, centred):
    assert rows_and_columns(GRID.touched(bounds)) == touched
    assert rows_and_columns(GRID.centred(bounds)) == centred


def test_a_clipped_window_lies_inside_the_image_and_may_be_empty():
    assert GRID.clip((slice(-3, 2), slice(6, 99))) == (slice(0, 2), slice(6, 8))
    rows, cols = GRID.clip((slice(7, 9), slice(-4, -2)))
    assert rows.start == rows.stop and cols.start == cols.stop


def test_a_part_lies_where_its_pixels_lie():
    part = GRID.part((slice(1, 3), slice(2, 6)))
    assert (part.height, part.width) == (2, 4)
    assert part.transform @ (0, 0) == (500_020, 4_999_990)


def test_pixels_beyond_the_image_are_read_as_0():
    pixels = np.arange(1, 41).reshape(5, 8)
    partly = GRID.read((slice(-1, 2), slice(6, 10)), lambda w: pixels[w], np.int64)
    assert partly.tolist() == [[0, 0, 0, 0], [7, 8, 0, 0], [15, 16, 0, 0]]
    away = GRID.read((slice(9, 10), slice(0, 2)), lambda w: pixels[w], np.int64)
    assert away.tolist() == [[0, 0]]
