"""Clouds over an area, counted in the pixels of the scene classification (SCL)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import rasterio.features
import rasterio.warp
import shapely
from shapely.geometry import mapping, shape

from srtools.errors import SRError
from srtools.images.grid import Grid, Window
from srtools.sentinel2.archive import Archive
from srtools.sentinel2.scl import BAD_CLASSES, MISSING_CLASS


def scl_shares(
    archive: Archive, hrefs: Sequence[str], area: shapely.Polygon
) -> dict[str, float]:
    """Give the share (0-1) of `area` that is missing and that is in each bad class.

    "missing" are the pixels that no tile has.  Every pixel counts of which `area`
    reaches more than a twentieth of its side deep.

    Arguments:
        archive: which reads the images.
        hrefs: SCL of the tiles of one pass.
        area: in degrees.

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

    The window is the area's; where it goes beyond the image, the class is
    `MISSING_CLASS`, 0.
    """
    if not source.crs:
        raise SRError("the SCL has no CRS")
    outline = shape(
        rasterio.warp.transform_geom("EPSG:4326", source.crs, mapping(area))
    ).buffer(-abs(source.transform.a) / 20)
    grid = Grid.of(source)
    window = grid.touched(outline.bounds)
    classes = grid.read(window, lambda part: _read_classes(source, part), np.uint8)
    place = grid.part(window).transform
    inside = rasterio.features.geometry_mask(
        [outline], classes.shape, place, all_touched=True, invert=True
    )
    return classes, inside, source.crs


def _read_classes(source: Any, window: Window) -> np.ndarray:
    rows, cols = window
    return source.read(1, window=((rows.start, rows.stop), (cols.start, cols.stop)))
