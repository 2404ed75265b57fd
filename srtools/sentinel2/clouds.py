"""Shares of an area under clouds (by the SCL), and without data in the bands."""

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import rasterio.warp
import shapely
from affine import Affine
from rasterio.features import geometry_mask
from rasterio.transform import from_bounds
from rasterio.windows import Window

from srtools.errors import SRError
from srtools.images.grid import Grid
from srtools.images.plausibility import HIGHEST_DN
from srtools.sentinel2.areas import DEGREES, project
from srtools.sentinel2.scl import BAD_CLASSES, MISSING_CLASS
from srtools.sentinel2.services import in_parallel
from srtools.sentinel2.stac_archive import Archive

STEP = 8  # between pixels of the bands: overviews suffice, a 64th of the bytes
SAMPLES = 256, 256  # rows and columns of points in an area, where bands are read
RIM_DEGREES = 0.001  # some 100 m: overview pixels extend beyond the edge of the area


def scl_shares(
    archive: Archive, hrefs: Sequence[str], area: shapely.Polygon
) -> dict[str, float]:
    """Return the share (0-1) of `area` (degrees) in each bad class, and "missing".

    `hrefs` link to the SCL of the tiles.  Missing pixels have class 0 in all of them.
    A pixel counts if `area` extends into it by more than a twentieth of its side.
    """
    (classes, inside), *others = (
        archive.read(href, lambda source: _read_classes(source, area)) for href in hrefs
    )
    for other, _ in others:
        if other.shape != classes.shape:
            raise SRError("the SCL of the tiles lie on different grids")
        classes = np.where(classes == MISSING_CLASS, other, classes)
    values = classes[inside]
    names = {MISSING_CLASS: "missing", **BAD_CLASSES}
    return {name: float(np.mean(values == code)) for code, name in names.items()}


def band_shares(
    archive: Archive, hrefs: Sequence[Sequence[str]], area: shapely.Polygon
) -> dict[str, float]:
    """Return the shares (0-1) of `area` (degrees), "missing" and "defective" in a band.

    A DN of 0 in all tiles is missing, a DN above `HIGHEST_DN` is defective.  Overviews
    are read, a 64th of the bytes.  `hrefs` has for each band the links of all tiles.
    """
    transform = from_bounds(*area.bounds, *SAMPLES[::-1])

    def read(job: tuple[int, str]) -> tuple[int, np.ndarray]:
        band, href = job
        return band, archive.read(
            href, lambda source: _read_overview(source, area, transform)
        )

    jobs = [(band, href) for band, images in enumerate(hrefs) for href in images]
    bands: dict[int, Any] = defaultdict(int)
    for band, pixels in in_parallel(read, jobs):
        bands[band] = np.where(bands[band] == 0, pixels, bands[band])
    core = area.buffer(-RIM_DEGREES)
    core = area if core.is_empty else core
    inside = geometry_mask([core], SAMPLES, transform, invert=True)
    dn = np.stack(list(bands.values()))[:, inside]
    shares = {"missing": dn == 0, "defective": dn > HIGHEST_DN}
    count = max(np.count_nonzero(inside), 1)
    return {name: float(x.any(axis=0).sum() / count) for name, x in shares.items()}


def _read_overview(image: Any, area: shapely.Polygon, transform: Affine) -> np.ndarray:
    """Read DN [`SAMPLES`] of an open image over `area`, on the grid of `transform`."""
    grid = Grid.of(image)
    window = grid.clip(grid.touched(project(area, DEGREES, image.crs).bounds))
    part, pixels = grid.part(window), np.zeros(SAMPLES, image.dtypes[0])
    if part.width and part.height:
        height, width = (math.ceil(n / STEP) for n in (part.height, part.width))
        scale = Affine.scale(part.width / width, part.height / height)
        rasterio.warp.reproject(
            image.read(
                1, window=Window.from_slices(*window), out_shape=(height, width)
            ),
            pixels,
            src_transform=part.transform @ scale,
            src_crs=image.crs,
            dst_transform=transform,
            dst_crs=DEGREES,
        )
    return pixels


def _read_classes(scl: Any, area: shapely.Polygon) -> tuple[np.ndarray, np.ndarray]:
    """Return the SCL [rows, cols] over `area`, 0 beyond the image, and its mask."""
    outline = project(area, DEGREES, scl.crs)
    core = outline.buffer(-scl.transform.a / 20)
    grid = Grid.of(scl)
    window = grid.touched(core.bounds)
    classes = grid.read(
        window, lambda part: scl.read(1, window=Window.from_slices(*part)), np.uint8
    )
    transform, shape = grid.part(window).transform, classes.shape
    inside = geometry_mask([core], shape, transform, all_touched=True, invert=True)
    return classes, inside
