"""Clouds over an area, counted in the classification (SCL); holes, in the bands."""

import math
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import rasterio.features
import rasterio.warp
import shapely
from affine import Affine
from rasterio.transform import from_bounds
from shapely.geometry import mapping, shape

from srtools.errors import SRError
from srtools.images.grid import Grid, Window
from srtools.images.pixels import HIGHEST_DN, REMOTE_STEP
from srtools.sentinel2 import services
from srtools.sentinel2.archive import Archive
from srtools.sentinel2.scl import BAD_CLASSES, MISSING_CLASS

SAMPLES = 256, 256  # places in an area where the bands are looked at
RIM_DEGREES = 0.001  # some 100 m: pixels of an overview reach over the edge of the area


def scl_shares(
    archive: Archive, hrefs: Sequence[str], area: shapely.Polygon
) -> dict[str, float]:
    """Return the share (0-1) of `area` (degrees) that is missing or of a bad class.

    "missing" are the pixels that none of the tiles of a pass has.  Every pixel counts
    of which `area` reaches more than a twentieth of its side deep.
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


def band_shares(
    archive: Archive, hrefs: Sequence[Sequence[str]], area: shapely.Polygon
) -> dict[str, float]:
    """Return the share (0-1) of `area` (degrees) missing or defective in a band.

    A DN of 0 in all tiles is missing; one that no ground has is defective.  Overviews
    are read, which are a 64th of the bytes.

    Arguments:
        hrefs: for each band its images, one per tile.
    """
    place = from_bounds(*area.bounds, *SAMPLES[::-1])

    def look(job: tuple[int, str]) -> tuple[int, np.ndarray]:
        band, href = job
        return band, archive.read(href, lambda source: _thinned(source, area, place))

    jobs = [(band, href) for band, images in enumerate(hrefs) for href in images]
    seen: dict[int, Any] = defaultdict(int)
    end = time.monotonic() + services.PATIENCE
    for band, pixels in services.in_parallel(look, jobs, end):
        seen[band] = np.where(seen[band] == 0, pixels, seen[band])
    core = area.buffer(-RIM_DEGREES)
    inside = rasterio.features.geometry_mask(
        [area if core.is_empty else core], SAMPLES, place, invert=True
    )
    bands = np.stack(list(seen.values()))[:, inside]
    shares = {"missing": bands == 0, "defective": bands > HIGHEST_DN}
    count = max(np.count_nonzero(inside), 1)
    return {name: float(x.any(axis=0).sum() / count) for name, x in shares.items()}


def _thinned(source: Any, area: shapely.Polygon, place: Affine) -> np.ndarray:
    """Read a band over `area`, and give it on the grid `place` in degrees."""
    if not source.crs:
        raise SRError("a band has no CRS")
    bounds = rasterio.warp.transform_bounds("EPSG:4326", source.crs, *area.bounds)
    grid = Grid.of(source)
    window = grid.clip(grid.touched(bounds))
    part, found = grid.part(window), np.zeros(SAMPLES, source.dtypes[0])
    if part.width and part.height:
        height, width = (math.ceil(n / REMOTE_STEP) for n in (part.height, part.width))
        thinned = {"window": _rows_and_cols(window), "out_shape": (height, width)}
        scale = Affine.scale(part.width / width, part.height / height)
        rasterio.warp.reproject(
            source.read(1, **thinned),
            found,
            src_transform=part.transform @ scale,
            src_crs=source.crs,
            dst_transform=place,
            dst_crs="EPSG:4326",
        )
    return found


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
    classes = grid.read(
        window, lambda part: source.read(1, window=_rows_and_cols(part)), np.uint8
    )
    place = grid.part(window).transform
    inside = rasterio.features.geometry_mask(
        [outline], classes.shape, place, all_touched=True, invert=True
    )
    return classes, inside, source.crs


def _rows_and_cols(window: Window) -> tuple[tuple[int, int], ...]:
    return tuple((part.start, part.stop) for part in window)
