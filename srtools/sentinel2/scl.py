"""The scene classification (SCL) of Sentinel-2 over an area: clouds by the pixel."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import rasterio.features
import rasterio.warp
import shapely
from affine import Affine
from shapely.geometry import mapping, shape

from srtools.errors import SRError
from srtools.sentinel2.archive import Archive

MISSING_CLASS, LAST_CLASS = 0, 11
# The classes that spoil a pixel for training.  Dark areas (2), water (6), unclassified
# (7) and snow (11) are true ground; saturated pixels are not, and belong to class 1.
BAD_CLASSES = {
    1: "defective",
    3: "cloud_shadow",
    8: "cloud_medium",
    9: "cloud_high",
    10: "thin_cirrus",
}


def scl_shares(
    archive: Archive, hrefs: Sequence[str], area: shapely.Polygon
) -> dict[str, float]:
    """Give the share (0-1) of `area` that is missing and that is in each bad class.

    `hrefs` are the SCL of the tiles of one pass, `area` is in degrees.  "missing" are
    the pixels that no tile has.  Every pixel counts of which `area` reaches more than
    a twentieth of its side deep.

    Raises:
        SRError: if the pixels cannot be read, or the tiles do not fit together.
        ServiceError: if their server, or the token service, does not answer.
    """
    (classes, inside, crs), *others = (
        archive.read(href, lambda source: _read_around(source, area)) for href in hrefs
    )
    for other, _, other_crs in others:
        if other_crs != crs or other.shape != classes.shape:
            raise SRError("the SCL of the tiles lie on different grids")
        classes = np.where(classes == MISSING_CLASS, other, classes)
    values = classes[inside]
    names = {MISSING_CLASS: "missing", **BAD_CLASSES}
    return {name: float(np.mean(values == code)) for code, name in names.items()}


def _read_around(
    source: Any, area: shapely.Polygon
) -> tuple[np.ndarray, np.ndarray, Any]:
    """Give the classes [rows, cols] around `area`, which lie inside, and the CRS.

    The window is the area's; where it goes beyond the image, the class is missing.
    """
    if not source.crs:
        raise SRError("the SCL has no CRS")
    outline = shape(
        rasterio.warp.transform_geom("EPSG:4326", source.crs, mapping(area))
    ).buffer(-abs(source.transform.a) / 20)
    left, top, width, height = source.window(*outline.bounds).flatten()
    # Noise in the last digits must not give two tiles windows of different sizes.
    first_row, first_col = (math.floor(round(x, 3)) for x in (top, left))
    last_row, last_col = (
        math.ceil(round(x, 3)) for x in (top + height, left + width)
    )  # the first that is not inside
    classes = np.full(
        (last_row - first_row, last_col - first_col), MISSING_CLASS, np.uint8
    )
    rows = max(first_row, 0), min(last_row, source.height)
    cols = max(first_col, 0), min(last_col, source.width)
    if rows[0] < rows[1] and cols[0] < cols[1]:
        classes[
            rows[0] - first_row : rows[1] - first_row,
            cols[0] - first_col : cols[1] - first_col,
        ] = source.read(1, window=(rows, cols))
    grid = source.transform
    x, y = source.xy(first_row, first_col, offset="ul")
    inside = rasterio.features.geometry_mask(
        [outline],
        classes.shape,
        Affine(grid.a, grid.b, x, grid.d, grid.e, y),
        all_touched=True,
        invert=True,
    )
    return classes, inside, source.crs
